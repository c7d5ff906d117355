"""Rows of the mail log as octets: a line for each, with its time.

Promises: a row whose facts are of a wrong type loses its line, never the others; what is kept for whoever looks on is
what was written. For one thread. Never: the stream, a format. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from asyncmta.log_json import Write
from asyncmta.logline import Build, Facts, Wording
from asyncmta.recent_log import RecentLines, Render

Row = tuple[float, str, str, Build, tuple[Any, ...]]  # when, level, event, its builder and the builder's facts


class Rendering:
    """Of one log, in one format."""

    def __init__(self, wording: Wording, render: Render, writers: Mapping[str, Write]) -> None:
        """`writers`: of some events, by name, a way to the same octets that is shorter."""
        self._wording = wording
        self._render = render
        self._writers = writers

    def keep(self, recent: RecentLines) -> None:
        """From now on, for whoever can ask for them: as mappings, so that there is no way around these any more."""
        self._writers, self._render = {}, recent.keeping(self._render)

    def lines(self, rows: Iterable[Row]) -> bytes:
        lines = []
        second, prefix, thousandth, stamp = -1, "", -1, ""
        writer_of = self._writers.get
        for when, level, event, build, facts in rows:
            moment = int(when * 1000)
            if moment != thousandth:  # most lines of a batch share theirs with the one before
                thousandth = moment
                if second != (second := moment // 1000):
                    prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
                stamp = f"{prefix}.{moment % 1000:03d}Z"
            write = writer_of(event)
            try:
                line = write(stamp, *facts) if write is not None else None
            except Exception:  # not what that is for, or of a wrong type: the longer way tells
                line = None
            lines.append(line or self._line({"ts": stamp, "level": level, "event": event}, build, facts))
        return b"".join(lines)

    def _line(self, head: Facts, build: Build, facts: tuple[Any, ...]) -> bytes:
        try:
            return self._render({**head, **build(self._wording, *facts)})
        except Exception as error:
            head |= {"level": "error", "event": "log_line_failed", "of": head["event"], "error": repr(error)}
            return self._render(head)
