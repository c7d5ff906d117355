"""A tap on one session: what passes its edge in both directions becomes events for those who look on. Pure.

Promises: an exception in here ends the tap and never the session; a tap that was put on in the middle shows nothing
of the client before the session is seen to be between two commands; one that nobody looks at any more costs a test.
Never: an octet of the session changed or kept back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from asyncmta.tracing.events import Kind, Session, TraceEvent, as_text
from asyncmta.tracing.masking import Masking, Seen
from asyncmta.tracing.wanted import View, Wanted

_QUEUED = re.compile(rb"250[ -][0-9.]* ?Queued as ([0-9a-hjkmnp-tv-z]{16})\b", re.IGNORECASE)


class LooksOn(Protocol):
    """Who is told."""

    wanted: Wanted

    def put(self, event: TraceEvent) -> None: ...


class Tap:
    """`now`: the time; `queue_id`: of what is under way, "" for nothing that is known; `is_between`: for a session that
    has been going on, whether it is between two commands just now; `is_octets`: it is not SMTP, and only counted."""

    __slots__ = (
        "_is_between", "_is_octets", "_masking", "_now", "_views", "is_on", "on_off", "queue_id", "session"
    )  # fmt: skip

    def __init__(
        self,
        *,
        session: Session,
        lookers: list[LooksOn],
        now: Callable[[], float],
        queue_id: Callable[[], str] | None = None,
        is_between: Callable[[], bool] | None = None,
        is_octets: bool = False,
        lmtp: bool = False,
    ) -> None:
        self.session = session
        self.is_on = True
        self.on_off: Callable[[], None] | None = None
        self._now = now
        self.queue_id = queue_id
        self._is_between = is_between
        self._is_octets = is_octets
        self._masking = Masking(greeting=is_between is None, lmtp=lmtp)
        self._views: list[tuple[LooksOn, View | None]] = []
        for each in lookers:
            self.add(each)

    # -- what passes -------------------------------------------------------------------------------------------------

    def peer(self, octets: bytes) -> None:
        """From the other side of the connection."""
        self._passed(octets, by_client=self.session.direction == "in")

    def us(self, octets: bytes) -> None:
        """From us."""
        self._passed(octets, by_client=self.session.direction == "out")

    def _passed(self, octets: bytes, *, by_client: bool) -> None:
        if not self.is_on or not octets:
            return
        try:
            if self._is_octets:
                self._tell("line", f"... {len(octets):,} octets", by_client=by_client)
                return
            if self._is_between is not None:
                if not self._is_between():
                    if not by_client:
                        self._tell_all(self._masking.server(octets))
                    return
                self._is_between = None
            self._tell_all(self._masking.client(octets) if by_client else self._masking.server(octets))
        except Exception as error:  # of ours; the session is not to suffer from it
            self._tell("note", f"this session cannot be traced any further: {type(error).__name__}")
            self.off()

    def connected(self, line: str) -> None:
        """A connection is there, or begins to be: another one, where there was one before."""
        self._masking.restart(greeting=True)
        self.note("connect", line)

    def secured(self, how: str) -> None:
        """TLS runs; how, or "" where it does not."""
        if how:
            self._masking.restart(greeting=False)
            self.note("tls", how)

    def closed(self, why: str) -> None:
        """The connection is over."""
        if self.is_on and not self._is_octets and self._is_between is None:
            self._tell_all(self._masking.end())
        self.note("close", why)
        self.off()

    def note(self, kind: Kind, line: str) -> None:
        if self.is_on:
            self._tell(kind, as_text(line.encode("utf-8", "replace")))

    # -- who looks on ------------------------------------------------------------------------------------------------

    def add(self, looker: LooksOn) -> None:
        """One more, from now on."""
        wanted = looker.wanted
        self._masking.with_content |= wanted.content
        self._views.append((looker, None if wanted.is_all_of(self.session) else View(wanted, self.session)))

    def leave(self, looker: LooksOn) -> None:
        self._views = [each for each in self._views if each[0] is not looker]
        if not self._views:
            self.off()

    def off(self) -> None:
        """Nobody is told any more."""
        self.is_on, self._views = False, []
        on_off, self.on_off = self.on_off, None
        if on_off is not None:
            on_off()

    def _tell_all(self, seen: list[Seen]) -> None:
        for each in seen:
            kind: Kind = "content" if each.content else "line"
            queue_id = ""
            if not each.by_client and (found := _QUEUED.match(each.octets)) is not None:
                queue_id = found[1].decode("ascii")
            self._tell(kind, as_text(each.octets), by_client=each.by_client, queue_id=queue_id)

    def _tell(self, kind: Kind, line: str, *, by_client: bool | None = None, queue_id: str = "") -> None:
        session = self.session
        is_in = session.direction == "in"
        event = TraceEvent(
            time=self._now(),
            kind=kind,
            line=line,
            session=session.id,
            direction=session.direction,
            sent_by="" if by_client is None else "peer" if by_client == is_in else "us",
            ip=session.ip,
            port=session.port,
            listener=session.place if is_in else "",
            site="" if is_in else session.place,
            queue_id=queue_id or (self.queue_id() if self.queue_id is not None else ""),
        )
        for looker, view in self._views:
            if kind == "content" and not looker.wanted.content:
                continue
            if view is None:
                looker.put(event)
            else:
                for each in view.of(event, by_client=by_client is True):
                    looker.put(each)
