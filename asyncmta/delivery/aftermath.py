"""The sequel to a transaction as far as it concerns its own site: what is sent again, and what is remembered.

Never: sockets, the time (an argument), a judgement (`sequel`).
"""

from __future__ import annotations

from asyncmta.delivery.backlog import Backlog
from asyncmta.delivery.commands import Capabilities
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


def cut(backlog: Backlog, transaction: Transaction, peer: Capabilities) -> Transaction:
    """What the server says that it takes (LIMITS), and what was learned since it was planned, may be less."""
    shape = backlog.shape
    most = min(peer.most_recipients or shape.most_recipients, shape.most_recipients)
    domains = shape.most_domains or peer.most_domains
    if len(transaction.ordinals) <= most and not domains:
        return transaction
    parts = plan(transaction.legs(), Shape(most, domains))
    return backlog.instead(transaction, parts) if len(parts) > 1 else transaction


def learn(habits: Habits, now: float, transaction: Transaction, session: Session, sequel: Sequel) -> bool:
    """Remember what the host said of itself; was it anything?"""
    dialogue = session.dialogue
    learned = False
    # Put off in company, taken by itself: the suspicion was right.
    was_right = transaction.is_suspected and any(type(each) is Delivered for each in dialogue.outcomes.values())
    if was_right or sequel.takes_one_domain:
        habits.wants_one_domain(dialogue.place.host, now, is_sure=not was_right)
        learned = True
    if sequel.accepts:
        habits.takes(dialogue.place.host, sequel.accepts, now)
        learned = True
    return learned
