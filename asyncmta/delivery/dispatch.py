"""Dispatch: the one transport that the scheduler is given. Picks by route who delivers a consignment.

Mailboxes, the network and commands have transports of their own; discard, reject and hold are answered here.
Promises: `done` exactly once for each consignment, whatever the route; one that goes over the network alone is handed
through, and it is the network's own promise then. Never: a look at content, or at who the recipients are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from asyncmta.delivery.equipment import AttemptLog
from asyncmta.delivery.verdict import Fault, Stage, blame
from asyncmta.mail import replies
from asyncmta.mail.envelope import Consignment
from asyncmta.mail.outcome import Cause, Delivered, Failed, Handover, Outcome, Postponed, Result, Scope
from asyncmta.mail.transport import Done, Transport
from asyncmta.routing import Discard, Hold, Local, Mx, Pipe, Reject, Route, Smarthost
from asyncmta.system.clock import Clock

HELD_FOR = 3600.0
_NETWORK = ("mx:", "smarthost:", "lmtp:", "qmtp:")

_DISCARDED = Delivered(replies.DISCARDED, discarded=True)


def _final(outcome: Outcome) -> Outcome:
    """What a next hop took that counts as the mailbox itself, and tells nobody of it."""
    is_relayed = isinstance(outcome, Delivered) and outcome.handover is Handover.RELAYED
    return replace(outcome, handover=Handover.FINAL) if is_relayed else outcome


class Dispatch:
    """`route_of` and `finals` (destinations that count as mailboxes) are the routing's; the transports are for
    mailboxes, for the network, and for commands."""

    def __init__(
        self,
        *,
        route_of: Callable[[str], Route],
        local: Transport,
        remote: Transport,
        pipe: Transport,
        clock: Clock,
        maillog: AttemptLog,
        finals: frozenset[str] = frozenset(),
    ) -> None:
        self._route_of = route_of
        self._local = local
        self._remote = remote
        self._pipe = pipe
        self._clock = clock
        self._maillog = maillog
        self._finals = finals
        self._unanswered: dict[Consignment, Done] = {}

    def deliver(self, consignments: Sequence[Consignment], done: Done) -> None:
        """Take consignments of one message, one for each destination."""
        if len(consignments) == 1:
            destination = consignments[0].destination
            if destination.startswith(_NETWORK) and destination not in self._finals:  # most messages
                self._remote.deliver(consignments, done)
                return
            transport = self._transport(consignments[0], done)
            if transport is not None:
                self._hand_over(transport, consignments, done)
            return
        shares: dict[Transport, list[Consignment]] = {}
        for consignment in consignments:
            transport = self._transport(consignment, done)
            if transport is not None:
                shares.setdefault(transport, []).append(consignment)
        for transport, share in shares.items():
            self._hand_over(transport, share, done)

    def _transport(self, consignment: Consignment, done: Done) -> Transport | None:
        """Who delivers it; None when it has been answered."""
        destination = consignment.destination
        # The common case is decided by the key alone; the route is asked for the others.
        if destination.startswith(_NETWORK):
            return self._remote
        try:
            route = self._route_of(destination)
        except Exception as error:
            self._maillog.note("error", "internal_error", error=error, destination=destination)
            self._answer(consignment, blame(Stage.CONNECT, Fault.INTERNAL), done)
            return None
        match route:
            case Local():
                return self._local
            case Mx() | Smarthost():
                return self._remote
            case Pipe():
                return self._pipe
            case Discard():
                self._maillog.note("info", "discarded", queue_id=consignment.queue_id)
                self._answer(consignment, _DISCARDED, done)
            case Reject(said):
                self._answer(consignment, Failed(Cause.POLICY, said, Scope.RECIPIENT), done)
            case Hold():
                done(consignment, Postponed(self._clock.now() + HELD_FOR, "held by a route"))
        return None

    def _hand_over(self, transport: Transport, consignments: Sequence[Consignment], done: Done) -> None:
        for consignment in consignments:
            self._unanswered[consignment] = done
        try:
            transport.deliver(consignments, self._pass_on)
        except Exception as error:  # transports do not raise; should one, mail must not hang for it until a restart
            self._maillog.note("error", "internal_error", error=error, queue_id=consignments[0].queue_id)
            for consignment in consignments:
                self._answer(consignment, blame(Stage.CONNECT, Fault.INTERNAL), self._pass_on)

    def _pass_on(self, consignment: Consignment, result: Result) -> None:
        """One answer for each consignment; one that comes after that is dropped."""
        done = self._unanswered.pop(consignment, None)
        if done is None:
            return
        if consignment.destination in self._finals and isinstance(result, Mapping):
            result = {ordinal: _final(outcome) for ordinal, outcome in result.items()}
        done(consignment, result)

    def _answer(self, consignment: Consignment, outcome: Outcome, done: Done) -> None:
        outcomes: Mapping[int, Outcome] = dict.fromkeys(consignment.ordinals, outcome)
        done(consignment, outcomes)
