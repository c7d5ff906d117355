"""How a transaction begins on a session: with its content at hand, or with its commands said ahead.

Where others wait, the commands of the next one go behind the content of the one under way, in the same write: a write
and a turn less for each message at load. Promises: who is said ahead is the next one on that session or, if that does
not last so long, waits again as if nothing had been said. Never: whose turn it is (`backlog`), whether the session
lasts (`sites`).

RFC 2920 3.1: what begins a transaction may stand behind the content of the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from asyncmta.delivery.backlog import Backlog, Transaction
from asyncmta.delivery.patience import AFTER_THE_DOT, BEHIND_TIME
from asyncmta.delivery.transfer import Session
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.mail.envelope import ContentUnavailable, ReadContent
from asyncmta.mail.outcome import Outcome


def begin(
    session: Session, transaction: Transaction, read_content: ReadContent, broke: Callable[[Exception], None]
) -> Mapping[int, Outcome] | None:
    """None: it is under way. Else its outcomes, and the session is as free as before, or over."""
    try:
        content = read_content(transaction.consignment.queue_id)
        return None if session.start(transaction, content) else session.dialogue.outcomes
    except ContentUnavailable as error:
        outcome = blame(Stage.MAIL, Fault.CONTENT, str(error))
        if session.is_ahead:
            session.abandon()  # the server waits for it
    except Exception as error:
        broke(error)
        session.abandon()
        outcome = blame(Stage.MAIL, Fault.INTERNAL)
    return dict.fromkeys(transaction.ordinals, outcome)


def say_ahead(backlog: Backlog, session: Session) -> bytes:
    """The commands of whoever is next, who is the session's `follower` then; b"": he waits for his turn. What stands
    behind the transaction under way is of the same message, and goes before him."""
    under_way, following = session.transaction, backlog.waiting[0]
    if under_way is None or under_way.behind is not None or backlog.pace is not None:
        return b""
    consignment = following.consignment
    commands = session.dialogue.ahead(consignment.envelope, following.ordinals, consignment.content)
    if commands:
        session.follower = backlog.take()
    return commands if session.follower is not None else b""


def take_back(backlog: Backlog, sessions: Iterable[Session], now: float, *, is_idle: bool) -> None:
    """Whoever was said ahead behind one who is not answered for long waits again, at the front, if another session
    could have him; `is_idle`: there is one that rests."""
    if not (is_idle or backlog.has_room):
        return
    for session in sessions:
        if session.follower is not None and session.deadline - now <= AFTER_THE_DOT - BEHIND_TIME:
            backlog.waiting.extendleft(session.recalled())
