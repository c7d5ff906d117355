"""The sequel to a transaction as far as it concerns its own site: what is sent again, and what is remembered.

Never: sockets, the time (an argument), a judgement (`sequel`).
"""

from __future__ import annotations

from asyncmta.delivery.backlog import Backlog
from asyncmta.delivery.habits import Habits
from asyncmta.delivery.sequel import Sequel
from asyncmta.delivery.transaction import Shape, Transaction, plan
from asyncmta.delivery.transfer import Session
from asyncmta.mail.outcome import Delivered


def again(backlog: Backlog, transaction: Transaction, sequel: Sequel) -> Transaction:
    """The first of the transactions that are sent at once on the same session. Where the reason is certain, what stands
    behind this one would meet it too."""
    shape = backlog.shape
    if sequel.is_split and not sequel.takes_one_domain:
        parts = plan(sequel.again, Shape(shape.most_recipients, 1))
        for part in parts:
            part.is_suspected = sequel.may_take_one_domain
    else:
        parts = plan([*sequel.again, *backlog.row_of(transaction)], shape)
    return backlog.instead(transaction, parts)


def learn(habits: Habits, now: float, transaction: Transaction, session: Session, sequel: Sequel | None) -> bool:
    """Remember what the host said of itself; was it anything?"""
    dialogue = session.dialogue
    learned = False
    # Put off in company, taken by itself: the suspicion was right.
    was_right = transaction.is_suspected and any(type(each) is Delivered for each in dialogue.outcomes.values())
    if was_right or (sequel is not None and sequel.takes_one_domain):
        habits.wants_one_domain(dialogue.place.host, now, is_sure=not was_right)
        learned = True
    if sequel is not None and sequel.accepts:
        habits.takes(dialogue.place.host, sequel.accepts, now)
        learned = True
    return learned
