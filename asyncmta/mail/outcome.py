"""What an attempt did for one recipient: `Delivered`, `Deferred` or `Failed`; or, for a consignment, `Postponed`.

Outcomes are values, one for each recipient ordinal that was handed over, and they say why (`Cause`) and how far the
reason reaches (`Scope`). Exceptions are for bugs. Never: a decision about the next try; that is `scheduling/settle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from msgspec import Struct

from asyncmta.mail.reply import EnhancedStatus, Reply


class Cause(IntEnum):
    """Why; the numbers are in the journal and never change."""

    REFUSED = 1  # the other side said so
    CONNECT = 2
    TIMEOUT = 3
    TLS = 4
    DNS = 5
    STORAGE = 6
    LOOP = 7
    EXPIRED = 8
    INTERNAL = 9
    POLICY = 10  # our own settings: a route that rejects or discards, an operator


class Scope(IntEnum):
    """How far the reason reaches."""

    RECIPIENT = 1
    MESSAGE = 2
    SITE = 3


class Place(Struct, frozen=True, gc=False, array_like=True):
    """Where it happened: the host that answered or was tried, its address, and the TLS version ("" for none)."""

    host: str = ""
    ip: str = ""
    tls: str = ""


NOWHERE = Place()


class Handover(IntEnum):
    """What "delivered" means, for those who asked to be told (RFC 3461 6); the numbers are in the journal."""

    FINAL = 0  # in a mailbox, or taken by a program: "delivered"
    RELAYED = 1  # the next host took it and will not report what becomes of it: "relayed"
    PASSED_ON = 2  # the next host took it and the duty to report; or one other address stands for this one
    EXPANDED = 3  # it goes on to the several that the address stands for: "expanded"


class Delivered(Struct, frozen=True, gc=False, tag=1, array_like=True):
    """The other side took it. `discarded`: nobody did, as a route of ours demands. `owed`: its sender is to be told of
    it, and until he is the message is not over (`notify`)."""

    reply: Reply
    place: Place = NOWHERE
    discarded: bool = False
    handover: Handover = Handover.FINAL
    owed: bool = False


class Deferred(Struct, frozen=True, gc=False, tag=2, array_like=True):
    """A transient failure: to be tried again."""

    cause: Cause
    reply: Reply
    scope: Scope = Scope.RECIPIENT
    place: Place = NOWHERE


class Failed(Struct, frozen=True, gc=False, tag=3, array_like=True):
    """A permanent failure: to be reported."""

    cause: Cause
    reply: Reply
    scope: Scope = Scope.RECIPIENT
    place: Place = NOWHERE


Outcome = Delivered | Deferred | Failed

_NO_CONNECTION = EnhancedStatus(4, 4, 1)


def is_unreached(outcome: Outcome) -> bool:
    """Was nobody reached where it goes, so that it says nothing of the message? Of ours alone: who says so himself is
    there."""
    if type(outcome) is not Deferred or outcome.scope is not Scope.SITE:
        return False
    return outcome.cause in (Cause.CONNECT, Cause.TIMEOUT) and outcome.reply.enhanced == _NO_CONNECTION


class Postponed(Struct, frozen=True, gc=False):
    """Nothing was tried; the whole consignment comes back at `until` (Unix seconds). Not journaled."""

    until: float
    reason: str


class Recorded(Struct, frozen=True):
    """What became of a consignment some of which is in the journal already, together with what follows from it: the
    outcomes of all, and those (delivered, all of them) that are not to be noted again."""

    outcomes: Mapping[int, Outcome]
    recorded: frozenset[int]


Result = Mapping[int, Outcome] | Postponed | Recorded
"""What became of a consignment."""
