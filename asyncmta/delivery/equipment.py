"""What the sites of one transport share, and what they show: the log they write to, the view of a site.

Never: state of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from msgspec import Struct

from asyncmta.delivery.dialer import Dialer
from asyncmta.delivery.habits import Habits
from asyncmta.delivery.transaction import Leg
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


class Equipment(Struct, frozen=True):
    """`spawn` starts a task that the transport owns; `watch` makes sure that deadlines are being looked after;
    `onward` takes legs of one message that a site could not do, and finds them another, or concludes."""

    clock: Clock
    dialer: Dialer
    read_content: ReadContent
    maillog: AttemptLog
    habits: Habits
    spawn: Callable[[Coroutine[Any, Any, None]], object]
    watch: Callable[[], None]
    onward: Callable[[Sequence[Leg]], None]


class SiteView(Struct, frozen=True):
    """A site as people see it. `suspended_until` in Unix seconds, or None; `last_failure` the last session refused."""

    key: str
    hosts: tuple[str, ...]
    waiting: int
    sessions: int
    idle: int
    opening: int
    window: int
    suspended_until: float | None
    last_failure: str
