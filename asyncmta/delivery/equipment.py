"""What the sites of one transport share, and what they show: the log they write to, the view of a site.

Never: state of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from asyncmta.delivery.conversion import Conversion
from asyncmta.delivery.dialer import Dialer
from asyncmta.delivery.dialogue import Dialogue
from asyncmta.delivery.doubts import Doubts
from asyncmta.delivery.exchange import Site
from asyncmta.delivery.habits import Habits
from asyncmta.delivery.line import AnyDialogue
from asyncmta.delivery.qmtp import QmtpDialogue
from asyncmta.delivery.session import Opened
from asyncmta.delivery.sweeping import Swept
from asyncmta.delivery.traffic import Traffic
from asyncmta.delivery.transaction import Leg
from asyncmta.delivery.transfer import Owner, Session
from asyncmta.mail.envelope import QueueId, ReadContent
from asyncmta.mail.outcome import Place
from asyncmta.mail.reply import Reply
from asyncmta.system.clock import Clock


class AttemptLog(Protocol):
    """What this room says to the log."""

    def attempt(
        self,
        *,
        queue_id: QueueId,
        destination: str,
        place: Place,
        recipients: int,
        seconds: float,
        reply: Reply | None = None,
    ) -> None: ...

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None: ...


class SiteOwner(Owner, Protocol):
    """The owner of sessions that go to one site."""

    site: Site


class Equipment(Struct, frozen=True):
    """`spawn` starts a task that the transport owns; `watch` makes sure that a site's deadlines are looked after;
    `onward` takes legs of one message that a site could not do, and finds them another, or concludes."""

    clock: Clock
    dialer: Dialer
    read_content: ReadContent
    maillog: AttemptLog
    habits: Habits
    doubts: Doubts
    spawn: Callable[[Coroutine[Any, Any, None]], object]
    watch: Callable[[Swept], None]
    onward: Callable[[Sequence[Leg]], None]
    conversion: Conversion
    traffic: Traffic = field(default_factory=Traffic)

    def session(self, opened: Opened, owner: SiteOwner) -> Session:
        """What was opened, at work for this owner."""
        peer = opened.peer if self.dialer.settings.chunking else replace(opened.peer, chunking=False)
        if opened.protocol == "qmtp":
            dialogue: AnyDialogue = QmtpDialogue(peer, opened.place)
        else:
            dialogue = Dialogue(peer, opened.place, lmtp=opened.protocol == "lmtp")
        session = Session(opened, dialogue, owner=owner, clock=self.clock, spawn=self.spawn, conversion=self.conversion)
        self.dialer.taps.opened(session, opened, owner.site)
        return session


class SiteView(Struct, frozen=True):
    """A site as people see it. `suspended_until` and `_since` in Unix seconds, or None; `last_failure` the last session
    refused; `limit`: how far the window may open; `destinations`: some that led here within the last half minute,
    where they were asked for."""

    key: str
    hosts: tuple[str, ...]
    waiting: int
    sessions: int
    idle: int
    opening: int
    window: int
    suspended_until: float | None
    last_failure: str
    limit: int = 0
    suspended_since: float | None = None
    destinations: tuple[str, ...] = ()
