"""A stand-in for a running Mta: it keeps rows in a list and writes down what it was asked."""

from __future__ import annotations

import pytest
from msgspec import Struct

from asyncmta.admin.door import Door
from asyncmta.admin.shapes import LastAttempt, RecipientStory, Story
from asyncmta.config import InvalidConfig
from asyncmta.handing_off import Progress
from asyncmta.mail.address import parse_address
from asyncmta.mail.reply import Reply, reply
from asyncmta.pausing import Paused
from asyncmta.rates import COLUMNS
from asyncmta.recent_log import Excerpt
from asyncmta.reloading import Change
from asyncmta.suppression.entries import Suppression
from asyncmta.system.clock import SystemClock
from asyncmta.tracing.looking import Tracing


class Person(Struct):
    address: str
    state: str = "deferred"
    next_hop: str = "mx:example.net"
    last_reply: str | None = "450 4.2.0 later"
    next_due: float | None = 2000.0


class Row(Struct):
    queue_id: str
    state: str = "deferred"
    sender: str | None = "me@example.org"
    size: int = 100
    accepted_at: float = 1000.0
    attempts: int = 1
    recipients: tuple[Person, ...] = (Person("you@example.net"),)
    total: int = 1
    reason: str = ""


class Report(Struct):
    recipient: str
    sender: str
    rules: list[str]
    destination: str
    exchangers: list[str]
    tls: str
    policy: list[str]


class SaidNo(Exception):
    def __init__(self, said: Reply) -> None:
        super().__init__(str(said))
        self.reply = said


class Listed:
    """A suppression list without a file."""

    def __init__(self) -> None:
        self.table: dict[str, Suppression] = {}
        self.loads = 0

    def entries(self):
        return [self.table[key] for key in sorted(self.table)]

    def get(self, key):
        return self.table.get(key)

    async def add(self, entries):
        self.table |= {each.address: each for each in entries}

    async def remove(self, keys):
        return sum(self.table.pop(key, None) is not None for key in keys)

    async def load(self):
        self.loads += 1


class Watching:
    """The part of it that is watched."""

    is_observed = False

    def observe(self, is_watched):
        self.is_observed = is_watched

    def rates(self, step, most):
        self.asked.append(("rates", step, most))
        columns = {name: [1] for name in COLUMNS} | {name: [None] for name in ("p50", "p95", "p99", "sync", "lag")}
        now = {"queue": {"held": 1}, "oldest_accepted_at": None, "sessions_in": 0, "sessions_out": 3}
        return {"step": step, "at": 1000.5, "now": now, **columns}

    def log(self, most, after, queue_id, event):
        self.asked.append(("log", most, after, queue_id, event))
        return Excerpt([(7, {"ts": "2026-11-22T10:00:00.000Z", "level": "info", "event": "ready"})], 7, 0)

    def told_settings(self):
        row = {"key": "queue.lifetime", "value": "5d", "source": "environment", "variable": "ASYNCMTA_QUEUE__LIFETIME"}
        return {"file": None, "settings": [row | {"needs_restart": False, "waits_for_restart": False}]}

    async def retry_site(self, key):
        self.asked.append(("retry_site", key))
        return 2 if key == "mx:mx.test" else None


class Steered:
    """With pauses of its own, and a hand-over that never goes on."""

    def __init__(self) -> None:
        self.paused = Paused()
        self.tracing = Tracing(SystemClock())
        self.trace = self.tracing.look
        self.progress: Progress | None = None
        self.faults: list[str] = []
        self.change = (("route",), ("listener",))

    async def pause(self, what, name="", seconds=None):
        self.paused = self.paused.with_(what, name, True, None if seconds is None else 5000.0 + seconds)
        return self.paused

    async def resume(self, what, name=""):
        self.paused = self.paused.with_(what, name, False)
        return self.paused

    async def hand_over(self, to, tls="opportunistic"):
        self.progress = Progress(to, 5, 5, 0, 0, {"421 4.3.2 Not now": 2})
        return self.progress

    def handing_over(self):
        return self.progress

    async def end_hand_over(self):
        self.progress = None
        return self.paused

    async def reload(self):
        if self.faults:
            raise InvalidConfig(self.faults)
        return Change(None, *self.change)


class FakeMta(Watching, Steered):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.contents: dict[str, object] = {}
        self.asked: list[tuple[object, ...]] = []
        self.submitted: list[tuple[object, ...]] = []
        self.reports: list[object] = []
        self.traces: list[str] = []
        self.refusal: Reply | None = None
        self.bug: Exception | None = None
        self.reasons: list[str] = []
        self.known_sites: list[object] = []
        self.said: list[str] = []
        self.listed = Listed()

    async def submit(self, reverse_path, recipients, content, reports, traceparent):
        if self.bug is not None:
            raise self.bug
        if self.refusal is not None:
            raise SaidNo(self.refusal)
        self.submitted.append((reverse_path, recipients, content))
        self.reports.append(reports)
        self.traces.append(traceparent)
        return f"{len(self.submitted):016d}"

    async def newest(self, before=None):
        if self.bug is not None:
            raise self.bug
        for row in sorted(self.rows, key=lambda row: row.queue_id, reverse=True):
            if before is None or row.queue_id < before:
                yield row

    def message(self, queue_id):
        return next((row for row in self.rows if row.queue_id == queue_id), None)

    async def content(self, queue_id):
        return self.contents[queue_id]

    def _carry_out(self, verb, ids, domain, sender, bounce=False):
        self.asked.append((verb, ids, domain, sender, bounce))
        return len(ids) if ids is not None else len(self.rows)

    async def retry(self, ids, domain=None, sender=None):
        return self._carry_out("retry", ids, domain, sender)

    async def hold(self, ids, domain=None, sender=None):
        return self._carry_out("hold", ids, domain, sender)

    async def release(self, ids, domain=None, sender=None):
        return self._carry_out("release", ids, domain, sender)

    async def remove(self, ids, domain=None, sender=None, *, bounce=False):
        return self._carry_out("remove", ids, domain, sender, bounce)

    async def route(self, recipient, sender, client=None, login=None):
        parse_address(recipient)
        policy = [] if client is None else [f"client {client} as {login}"]
        return Report(
            recipient,
            sender or "<>",
            ["no route matches"],
            "mx:example.net",
            ["mx.example.net"],
            "opportunistic",
            policy,
        )

    async def why(self, queue_id):
        row = self.message(queue_id)
        return None if row is None else story(row, "pause" if self.paused.domains else "schedule")

    async def look_at_sites(self):
        return self.known_sites

    @property
    def suppressions(self):
        return self.listed

    def warnings(self):
        return self.said

    def not_ready(self):
        return self.reasons

    def alive(self):
        return []

    def refuse(self, code, enhanced, text):
        self.refusal = reply(code, enhanced, text)


def story(row, by="schedule"):
    """What decides about it is known."""
    return Story(
        queue_id=row.queue_id,
        state=row.state,
        sender=row.sender,
        size=row.size,
        accepted_at=row.accepted_at,
        client="192.0.2.7",
        login="carol",
        attempts=row.attempts,
        ends_at=5e9,
        sender_was_warned=True,
        reason="a reason",
        recipients=[
            RecipientStory(
                address=each.address,
                state=each.state,
                next_hop=each.next_hop,
                rule="no route matches; example.net is not local",
                next_due=each.next_due,
                decided_by=by,
                why=f"it is the {by}",
                last=LastAttempt(
                    at=1500.0,
                    outcome="deferred",
                    cause="refused",
                    scope="recipient",
                    reply=each.last_reply,
                    host="mx.example.net",
                    ip=None,
                    tls=None,
                ),
            )
            for each in row.recipients
        ],
    )


def identity(number: int) -> str:
    return f"{number:016d}"


@pytest.fixture
def fake():
    mta = FakeMta()
    mta.rows = [Row(identity(number), accepted_at=1000.0 + number) for number in (3, 2, 1)]
    return mta


@pytest.fixture
def errors():
    return []


@pytest.fixture
async def door(fake, errors, tmp_path):
    """The fake behind the real door: control socket, and TCP with a token."""
    door = Door(
        fake,
        socket_path=str(tmp_path / "control.sock"),
        listen="127.0.0.1:0",
        token="s3cret",
        message_size=10_000,
        on_error=lambda where, error: errors.append((where, error)),
    )
    await door.open()
    yield door
    await door.close()


@pytest.fixture
def rows():
    """The classes, for tests that make rows of their own."""
    return Row, Person
