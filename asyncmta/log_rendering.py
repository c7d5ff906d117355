"""Events of the mail log as octets: a line for each, with its time.

Promises: facts of a wrong type make a line that says so, and no exception; what is kept for whoever looks on is what
was made. For one thread. Never: the stream, a format. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from asyncmta.log_json import Write
from asyncmta.logline import Build, Facts, Wording
from asyncmta.recent_log import RecentLines, Render

Row = tuple[float, str, str, Build, tuple[Any, ...]]  # when, level, event, its builder and the builder's facts


class Rendering:
    """Of one log, in one format."""

    def __init__(self, wording: Wording, render: Render, writers: Mapping[str, Write]) -> None:
        """`writers`: of some events, by name, a shorter way to the same octets, where these are JSON."""
        self._wording = wording
        self._render = render
        self._writers = writers
        self._keep: Callable[[Sequence[bytes]], None] | None = None
        self._second = self._thousandth = -1
        self._prefix = self._stamp = ""

    def keep(self, recent: RecentLines) -> None:
        """From now on, for whoever can ask for them."""
        if self._writers:
            self._keep = recent.keep
        else:
            self._render = recent.keeping(self._render)

    def lines(self, rows: Sequence[Row]) -> list[bytes]:
        lines = []
        writer_of = self._writers.get
        for when, level, event, build, facts in rows:
            thousandth = int(when * 1000)
            if thousandth != self._thousandth:  # many lines share theirs with the one before
                self._note_time(thousandth)
            write = writer_of(event)
            try:
                line = write(self._stamp, *facts) if write is not None else None
            except Exception:  # not what that is for, or of a wrong type: the longer way tells
                line = None
            lines.append(line or self._by_mapping(level, event, build, facts))
        if self._keep is not None:
            self._keep(lines)
        return lines

    def _by_mapping(self, level: str, event: str, build: Build, facts: tuple[Any, ...]) -> bytes:
        head: Facts = {"ts": self._stamp, "level": level, "event": event}
        try:
            return self._render({**head, **build(self._wording, *facts)})
        except Exception as error:
            head |= {"level": "error", "event": "log_line_failed", "of": event, "error": repr(error)}
            return self._render(head)

    def _note_time(self, thousandth: int) -> None:
        second, rest = divmod(thousandth, 1000)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        self._thousandth = thousandth
        self._stamp = f"{self._prefix}.{rest:03d}Z"
