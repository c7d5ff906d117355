"""The log for people: one method for each line of the mail log, and `note` for events of the process.

Promises: one event is one line, whatever a peer sends (`logline` sees to that). A call on the hot path only appends
a tuple; some dozens become lines at once, and lines are written together, in a thread, in order, at most 0.1 s later. A
log that nobody reads, or that cannot be written, never stops mail: what does not fit is dropped, counted, and said when
there is room again. Never: a decision, and nothing that anybody reads back; the journal is the truth.

The lines are those of contract.md section 6.
"""

from __future__ import annotations

import asyncio
import errno
import io
import queue
import sys
import threading
import traceback
from typing import Any, BinaryIO

from asyncmta import log_json, logline
from asyncmta.log_json import JsonLines
from asyncmta.log_rendering import Rendering, Row
from asyncmta.logline import Build, Source, Wording
from asyncmta.mail.address import Address
from asyncmta.mail.envelope import Envelope, QueueId
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Place
from asyncmta.mail.reply import Reply
from asyncmta.system.clock import Clock

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
BATCH = 2000  # lines that are written at once: the thread that does it has to wait for the interpreter's lock each time
TOGETHER = 50
"""Of them, made at once: the code is at hand from line to line, and the facts still from their event."""
INTERVAL = 0.1  # seconds a line may wait for company
MAX_WAITING = 50_000  # lines handed over and not yet written; above it lines are dropped

_GONE = (errno.EPIPE, errno.EBADF, errno.ENXIO)  # nobody will read here again


class MailLog:
    """One log of one Mta. Called from one thread; inside a running loop lines gather, outside they go out at once."""

    def __init__(
        self,
        *,
        clock: Clock,
        stream: BinaryIO | None = None,
        format: str = "auto",
        level: str = "info",
        addresses: str = "plain",
    ) -> None:
        """`format` is "auto", "json" or "console"; `addresses` "plain" or "hash". Without a stream: standard output."""
        self._now = clock.now
        self._stream = stream = stream if stream is not None else sys.stdout.buffer
        # Past the buffer, which would write what is large in two pieces: each is one more wait for the lock.
        self._write_some = (stream.raw if isinstance(stream, io.BufferedWriter) else stream).write
        self._rendering = _rendering(self._stream, format, Wording(hash_addresses=addresses == "hash"))
        self._losing = _rendering(self._stream, format, Wording())  # the thread's, for the one line that it makes
        self.listen(level)
        self._lines: list[bytes] = []
        self._rows: list[Row] = []
        self._batches: queue.SimpleQueue[tuple[bytes, int, threading.Event | None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # Counters have one writer each, so that none needs a lock: the caller, then the thread.
        self._handed = self._dropped = 0
        self._taken = self._unwritten = 0
        self._told = 0
        self._is_gone = False

    def listen(self, level: str) -> None:
        self._threshold = LEVELS[level]
        self._hears_info = self._threshold <= LEVELS["info"]

    # -- the events of one message ----------------------------------------------------------------------------------

    def accepted(self, *, queue_id: QueueId, envelope: Envelope, size: int, source: Source) -> None:
        """It is durable and ours."""
        if self._hears_info:
            self._say("info", "accepted", logline.accepted, (queue_id, envelope, size, source))

    def refused(
        self,
        *,
        client: str,
        stage: str,
        reply: Reply,
        helo: str = "",
        reverse_path: Address | str | None = None,
        recipient: Address | str | None = None,
    ) -> None:
        """We said no, at this stage ("connect", "MAIL", "RCPT", "dot")."""
        self.refused_by("", client=client, stage=stage, reply=reply, helo=helo, paths=(reverse_path, recipient))

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
        """The same where a rule, a hook or a limit did. `paths`: sender and recipient."""
        if self._hears_info:
            facts = (client, stage, reply, (helo, by), paths)
            self._say("info", "refused", logline.refused, facts)

    def login_refused(self, *, client: str, reply: Reply, helo: str, login: str) -> None:
        """The same at AUTH, of a client that named this login."""
        if self._hears_info:
            self._say("info", "refused", logline.login_refused, (client, reply, helo, login))

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
        """One transaction is over, however it went; `seconds` is how long it took, `reply` the last one heard."""
        if self._hears_info:
            facts = (queue_id, destination, place, (recipients, seconds, reply))
            self._say("info", "attempt", logline.attempt, facts)

    def delivered(self, *, queue_id: QueueId, recipient: Address, outcome: Delivered, delay: float) -> None:
        """`delay`: seconds since we accepted it."""
        if self._hears_info:
            facts = (queue_id, recipient, outcome, delay, None)
            self._say("info", "delivered", logline.settled, facts)

    def deferred(
        self, *, queue_id: QueueId, recipient: Address, outcome: Deferred, delay: float, next_due: float | None = None
    ) -> None:
        """`next_due` in Unix seconds, where it is known."""
        if self._hears_info:
            facts = (queue_id, recipient, outcome, delay, next_due)
            self._say("info", "deferred", logline.settled, facts)

    def failed(self, *, queue_id: QueueId, recipient: Address, outcome: Failed, delay: float) -> None:
        if self._hears_info:
            self._say("info", "failed", logline.settled, (queue_id, recipient, outcome, delay, None))

    def expired(self, *, queue_id: QueueId, recipient: Address, outcome: Failed, delay: float) -> None:
        """Failed because its lifetime is over; said instead of `failed`."""
        if self._hears_info:
            self._say("info", "expired", logline.settled, (queue_id, recipient, outcome, delay, None))

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
        """A report of so many recipients was queued under the id `dsn`; None: there was nobody to tell. `reason`: why
        somebody was not told."""
        if self._hears_info:
            facts = (queue_id, dsn, reverse_path, recipients, (actions, reason))
            self._say("info", "bounced", logline.bounced, facts)

    def retired(self, *, queue_id: QueueId, delay: float) -> None:
        """All its recipients are settled; `delay`: seconds since we accepted it."""
        if self._hears_info:
            self._say("info", "retired", logline.retired, (queue_id, delay))

    # -- events of the process --------------------------------------------------------------------------------------

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None:
        """Anything else. `error` adds its text and the places it was raised through, on the same line."""
        severity = LEVELS[level]
        if severity < self._threshold:
            return
        if error is not None:
            # Taken apart now: a kept exception keeps its frames, and with them whole messages.
            facts["error"] = f"{type(error).__name__}: {error}"
            frames = traceback.extract_tb(error.__traceback__)
            facts["traceback"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-logline.MAX_ITEMS :]
            ]
        self._say(level, event, logline.noted, (facts,))
        if severity >= LEVELS["warning"]:
            self._hand_over()

    # -- from the caller to the thread ------------------------------------------------------------------------------

    def _say(self, level: str, event: str, build: Build, facts: tuple[Any, ...]) -> None:
        rows = self._rows
        rows.append((self._now(), level, event, build, facts))
        if len(rows) == 1 and not self._lines:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self._hand_over()
            else:
                loop.call_later(INTERVAL, self._hand_over)
        elif len(rows) >= TOGETHER:
            self._render()
            if len(self._lines) >= BATCH:
                self._hand_over()

    def _render(self) -> None:
        rows, self._rows = self._rows, []
        self._lines += self._rendering.lines(rows)

    def _hand_over(self, done: threading.Event | None = None) -> None:
        self._render()
        lines, self._lines = self._lines, []
        count = len(lines)
        if lines and (self._is_gone or self._handed - self._taken > MAX_WAITING):
            self._dropped += count
            lines, count = [], 0
        if not lines and done is None:
            return
        self._handed += count
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="maillog", daemon=True)
            self._thread.start()
        self._batches.put((b"".join(lines), count, done))

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all that was said is written; False when the reader is stuck. For the end, not for the path."""
        if self._thread is None and not self._rows and not self._lines:
            return True
        done = threading.Event()
        self._hand_over(done)
        return done.wait(timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Write what is left and end the thread. A line that comes later starts another one."""
        self.flush(timeout)
        thread, self._thread = self._thread, None
        if thread is not None:
            self._batches.put(None)
            thread.join(timeout)

    # -- in the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            lines, count, done = batch
            try:
                if lines and not self._is_gone:
                    self._write(self._losses() + lines)
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                self._unwritten += count
                self._is_gone = not isinstance(error, OSError) or error.errno in _GONE
            finally:
                self._taken += count
                if done is not None:
                    done.set()

    def _losses(self) -> bytes:
        """A line about those that were lost since the last one about it, if there are any."""
        lost, before = self._dropped + self._unwritten, self._told
        if lost == before:
            return b""
        self._told = lost
        row = (self._now(), "warning", "log_lines_lost", logline.noted, ({"lines": lost - before},))
        return self._losing.lines([row])[0]

    def _write(self, lines: bytes) -> None:
        view = memoryview(lines)
        while view:
            written = self._write_some(view)
            if not written:
                raise BlockingIOError(errno.EAGAIN, "the log's reader does not keep up")
            view = view[written:]
        self._stream.flush()


def _rendering(stream: BinaryIO, format: str, wording: Wording) -> Rendering:
    """How lines are written for this stream: by structlog's console renderer on a terminal, else as JSON."""
    is_terminal = _is_terminal(stream)
    if format == "console" or (format == "auto" and is_terminal):
        from structlog.dev import ConsoleRenderer  # noqa: PLC0415 - brings rich and pygments: 70 ms and 5 MiB at a start

        console = ConsoleRenderer(colors=is_terminal, timestamp_key="ts", pad_event_to=10, sort_keys=False)
        return Rendering(
            wording, lambda facts: f"{console(None, '', dict(facts))}\n".encode("utf-8", "backslashreplace"), {}
        )
    return Rendering(wording, log_json.render, JsonLines(wording).writers)


def _is_terminal(stream: BinaryIO) -> bool:
    try:
        return stream.isatty()
    except (OSError, ValueError, AttributeError):
        return False
