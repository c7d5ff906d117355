"""The mail log of an Mta with the same events counted: what is written depends on the level, what is counted does not.

Promises: an event is counted once, whether or not its line is written, or lost. Never: a line, a metric's name; the
counts are read by `metrics`.
"""

from __future__ import annotations

from typing import Any

from asyncmta.logline import Source
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, QueueId
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Place
from asyncmta.mail.reply import Reply
from asyncmta.maillog import MailLog
from asyncmta.noted import Noted
from asyncmta.recent_log import RecentLines
from asyncmta.system.clock import Clock
from asyncmta.tally import Tally


class CountedLog(MailLog):
    """See `MailLog`; all that has an event of its own there is counted here."""

    def __init__(self, *, clock: Clock, **settings: Any) -> None:
        super().__init__(clock=clock, **settings)
        self.tally = Tally()
        self.noted = Noted()
        self.recent: RecentLines | None = None

    def keep_lines(self) -> None:
        """Keep the last ones from now on, for whoever can ask for them."""
        if self.recent is None:
            self.recent = RecentLines()
            self._render = self.recent.keeping(self._render)

    @property
    def lost(self) -> int:
        """Lines that were not written: nobody read them, or they came too fast."""
        return self._dropped + self._unwritten

    def accepted(self, *, queue_id: QueueId, envelope: Envelope, size: int, source: Source) -> None:
        self.tally.accepted(tls=source.tls, recipients=len(envelope.recipients), size=size)
        super().accepted(queue_id=queue_id, envelope=envelope, size=size, source=source)

    def refused_by(
        self,
        by: str,
        *,
        client: str,
        stage: str,
        reply: Reply,
        helo: str,
        paths: tuple[Address | str | None, Address | str | None],
    ) -> None:
        self.tally.refused(stage, reply)
        self.noted.refused(reply)
        super().refused_by(by, client=client, stage=stage, reply=reply, helo=helo, paths=paths)

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None:
        self.noted.note(event, facts)
        super().note(level, event, error=error, **facts)

    def login_refused(self, *, client: str, reply: Reply, helo: str, login: str) -> None:
        self.tally.refused("AUTH", reply)
        super().login_refused(client=client, reply=reply, helo=helo, login=login)

    def attempt(
        self,
        *,
        queue_id: QueueId,
        destination: str,
        place: Place,
        recipients: int,
        seconds: float,
        reply: Reply | None = None,
    ) -> None:
        self.tally.attempted(seconds, reply)
        super().attempt(
            queue_id=queue_id, destination=destination, place=place, recipients=recipients, seconds=seconds, reply=reply
        )

    def delivered(self, *, queue_id: QueueId, recipient: Address, outcome: Delivered, delay: float) -> None:
        self.tally.settled(outcome, delay)
        super().delivered(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay)

    def deferred(
        self, *, queue_id: QueueId, recipient: Address, outcome: Deferred, delay: float, next_due: float | None = None
    ) -> None:
        self.tally.settled(outcome, delay)
        super().deferred(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay, next_due=next_due)

    def failed(self, *, queue_id: QueueId, recipient: Address, outcome: Failed, delay: float) -> None:
        self.tally.settled(outcome, delay)
        super().failed(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay)

    def expired(self, *, queue_id: QueueId, recipient: Address, outcome: Failed, delay: float) -> None:
        self.tally.settled(outcome, delay, expired=True)
        super().expired(queue_id=queue_id, recipient=recipient, outcome=outcome, delay=delay)

    def bounced(
        self,
        *,
        queue_id: QueueId,
        dsn: QueueId | None,
        reverse_path: Address | None,
        recipients: int,
        actions: str = "failed",
        reason: str = "",
    ) -> None:
        self.tally.bounced(is_told=dsn is not None)
        super().bounced(
            queue_id=queue_id,
            dsn=dsn,
            reverse_path=reverse_path,
            recipients=recipients,
            actions=actions,
            reason=reason,
        )

    def retired(self, *, queue_id: QueueId, delay: float) -> None:
        self.tally.retired()
        super().retired(queue_id=queue_id, delay=delay)
