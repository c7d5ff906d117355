"""How transactions end at a site: told to the log, settled, or passed on to whoever comes next on their way.

Promises: each leg is settled, postponed or passed on, once; a bug of whoever is told stops nothing. Never: sockets,
sessions, a judgement (`sequel`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from asyncmta.delivery.equipment import Equipment
from asyncmta.delivery.exchange import Site
from asyncmta.delivery.sequel import Sequel, go_on
from asyncmta.delivery.standing import Standing
from asyncmta.delivery.transaction import Leg, Transaction
from asyncmta.delivery.way import hosts_of
from asyncmta.mail.envelope import QueueId
from asyncmta.mail.outcome import Deferred, Failed, Outcome


class Endings:
    """Of one site."""

    __slots__ = ("_equipment", "_site", "_standing")

    def __init__(self, site: Site, equipment: Equipment, standing: Standing) -> None:
        self._site = site
        self._equipment = equipment
        self._standing = standing

    def broke(self, error: Exception) -> None:
        self._equipment.maillog.note("error", "internal_error", error=error, site=self._site.key)

    def tell(self, transaction: Transaction, outcomes: Mapping[int, Outcome], seconds: float) -> None:
        """One line for the transaction."""
        consignment = transaction.consignment
        first = next(iter(outcomes.values()))
        try:
            self._equipment.maillog.attempt(
                queue_id=consignment.queue_id,
                destination=consignment.destination,
                place=first.place,
                recipients=len(outcomes),
                seconds=seconds,
                reply=first.reply,
            )
        except Exception as error:
            self.broke(error)

    def settle(
        self, transaction: Transaction, outcomes: Mapping[int, Outcome], sequel: Sequel | None = None, host: str = ""
    ) -> None:
        """Hand on what became of it; and those for whom it did not end here go on."""
        try:
            if sequel is None:
                transaction.settle(outcomes)
                return
            for leg, ordinals in sequel.settled:
                leg.parcel.settle(ordinals, outcomes)
        except Exception as error:  # a bug of whoever is told must not take the session with it
            self.broke(error)
        if sequel is not None and sequel.onward:
            self._equipment.onward(go_on(sequel, self._site, host, outcomes))

    def pass_by(self, legs: Sequence[Leg]) -> None:
        """Nothing is tried here at the moment."""
        postponed = self._standing.postponed()
        if self._standing.is_closing:
            for leg in legs:
                leg.parcel.postpone(leg.ordinals, postponed, self._standing.instead())
            return
        hosts = hosts_of(self._site)
        self._equipment.onward([Leg(leg.parcel, leg.ordinals, leg.trail.passed_by(hosts, postponed)) for leg in legs])

    def postpone(self, waiting: Iterable[Transaction]) -> None:
        """It is the end of everything."""
        postponed, instead = self._standing.postponed(), self._standing.instead()
        for transaction in waiting:
            transaction.postpone(postponed, instead)

    def suspend(self, waiting: Sequence[Transaction], outcome: Failed | Deferred, mark: int, spent: float) -> None:
        """Nobody is inside. Who waited when the attempt began (`mark`) was tried here; who came later was not."""
        standing = self._standing
        standing.last_failure = outcome
        postponed, instead = standing.postponed(), standing.instead()
        self._equipment.maillog.note(
            "warning",
            "site_suspended",
            site=self._site.key,
            seconds=round(postponed.until - self._equipment.clock.now()),
            reason=str(outcome.reply),
            waiting=len(waiting),
        )
        hosts = hosts_of(self._site)
        onward: dict[QueueId, list[Leg]] = {}
        for transaction in waiting:
            was_tried = transaction.joined <= mark
            if not transaction.is_on_its_only_way:
                for leg in transaction.legs():
                    trail = leg.trail
                    trail = trail.failed(hosts, outcome, spent) if was_tried else trail.passed_by(hosts, postponed)
                    onward.setdefault(transaction.consignment.queue_id, []).append(Leg(leg.parcel, leg.ordinals, trail))
            elif was_tried:
                self.settle(transaction, dict.fromkeys(transaction.ordinals, outcome))
            else:
                transaction.postpone(postponed, instead)
        for legs in onward.values():
            self._equipment.onward(legs)
