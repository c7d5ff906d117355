"""The receiving servers of the simulated internet: strict sessions of the `SmtpSink`, in memory, with habits.

A `Host` is one exchanger: what it takes is noted with the time. A `Habit` is how a provider answers: which domains it
takes together, how many recipients, how patient one has to be. Never: a habit that no server in the world has.
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

from msgspec import Struct

from asyncmta.delivery.commands import read_capabilities
from asyncmta.delivery.session import Manners, Opened, Target
from asyncmta.delivery.verdict import Fault, Stage, blame, judge
from asyncmta.mail.outcome import Deferred, Failed, Place
from asyncmta.mail.reply import parse_reply
from asyncmta.system.clock import Clock
from asyncmta.testing.sink_session import SinkSession
from asyncmta.testing.sink_values import Answer, SinkSettings, TakenMessage
from asyncmta.testing.sink_wire import SinkWire
from tests.internet.network import Network, connect

NOBODY = "nobody"
_NAME = re.compile(rb"^Subject: (\S+)\r?$", re.MULTILINE)
_PATH = re.compile(r"<([^<>]+)>")


class Habit(Struct, frozen=True, kw_only=True):
    """How the hosts of a provider behave. `mixed`: the reply to a second domain in one transaction, "" when that is
    welcome. `most`: recipients in a transaction, beyond which RCPT gets 452 4.5.3. `greylist`: seconds after which
    whoever was seen is let in. `pause`: seconds before each reply. `sessions`: at once, more get 421 as their greeting.
    `messages`: in one session, the next MAIL gets 421. `offers`: keywords of EHLO. `down`: "" or how it is out of
    order: "refuses", "silent", "says 554"."""

    mixed: str = ""
    most: int = 0
    greylist: float = 0.0
    pause: float = 0.0
    sessions: int = 0
    messages: int = 0
    offers: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN")
    down: str = ""


class Taking(NamedTuple):
    """A recipient who got a message: which, when."""

    name: str
    recipient: str
    time: float


class Host:
    """One exchanger. `dials`: attempts to connect; `sessions_seen`: those that were let in."""

    def __init__(self, name: str, ip: str, habit: Habit, latency: float, network: Network) -> None:
        self.name = name
        self.ip = ip
        self.habit = habit
        self.latency = latency
        self.network = network
        self.settings = SinkSettings(hostname=name, extensions=habit.offers)
        self.commands: list[tuple[int, str]] = []
        self.violations: list[str] = []
        self.taken: list[Taking] = []
        self.reports: list[bytes] = []
        self.dials = self.sessions_seen = self.most_at_once = self.transactions = self.refused = 0
        self.open: set[SinkWire] = set()
        self._seen: dict[tuple[str, str], float] = {}

    # -- what a client meets -----------------------------------------------------------------------------------------

    async def let_in(self, place: Place, patience: float) -> Opened | Failed | Deferred:
        """Connect, greeting and EHLO: three round trips."""
        network, habit = self.network, self.habit
        self.dials += 1
        if habit.down == "silent":
            await network.wait(patience)
            return blame(Stage.CONNECT, Fault.TIMEOUT, place=place)
        await network.wait(2 * self.latency)
        if habit.down == "refuses":
            return blame(Stage.CONNECT, Fault.CONNECT, "Connection refused", place)
        await network.wait(2 * self.latency + habit.pause)
        if habit.down:
            return _refusal(b"554 5.7.1 No mail from you\r\n", place)
        if habit.sessions and len(self.open) >= habit.sessions:
            return _refusal(b"421 4.7.0 Too many connections from you\r\n", place)
        ours, theirs = connect(network, self.latency, habit.pause)
        theirs.set_protocol(session := Server(self))
        session.connection_made(theirs)
        await network.wait(2 * self.latency + habit.pause)
        offered = {keyword.lower(): "" for keyword in habit.offers} | {"size": str(self.settings.max_size)}
        return Opened(ours, read_capabilities(offered, verified_tls=False), place)

    # -- what the sessions call --------------------------------------------------------------------------------------

    def opened(self, session: SinkWire) -> int:
        self.open.add(session)
        self.most_at_once = max(self.most_at_once, len(self.open))
        self.sessions_seen += 1
        return self.sessions_seen

    def closed(self, session: SinkWire) -> None:
        self.open.discard(session)

    def take(self, message: TakenMessage) -> None:
        found = _NAME.search(message.content)
        assert found is not None
        now, name = self.network.clock.monotonic(), found[1].decode()
        self.taken += [Taking(name, recipient, now) for recipient in message.recipients]

    def scripted(self, step: str, line: str) -> Answer | None:
        raise NotImplementedError  # a `Server` has its habits instead

    def is_greylisted(self, sender: str, recipient: str) -> bool:
        now = self.network.clock.monotonic()
        return now - self._seen.setdefault((sender, recipient), now) < self.habit.greylist


class Server(SinkSession):
    """A session with a habit; EHLO has been said."""

    sink: Host

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._messages = 0

    def greet(self) -> None:
        self._greeted, self._helo = True, "mta.example"

    def answer(self, step: str, line: str, usual: str) -> bool:
        said = usual
        if step == "RCPT":
            found = _PATH.search(line)
            assert found is not None
            said = self._on_recipient(found[1]) or usual
        elif step == "MAIL":
            self.sink.transactions += 1
            most = self.sink.habit.messages
            if most and self._messages >= most:
                said = "421 4.7.0 Enough for one session"
            self._messages += 1
        self.say(said)
        self.sink.refused += step == "RCPT" and said is not usual
        if said.startswith("421"):
            self.close()
        return said[:1] in {"2", "3"}

    def _on_recipient(self, recipient: str) -> str:
        """The refusal; "" for consent."""
        habit = self.sink.habit
        local_part, _, domain = recipient.partition("@")
        if local_part.startswith(NOBODY):
            return "550 5.1.1 No such user here"
        if habit.mixed and self._recipients and not self._recipients[0].endswith("@" + domain):
            return habit.mixed
        if habit.most and len(self._recipients) >= habit.most:
            return "452 4.5.3 Too many recipients"
        if habit.greylist and self.sink.is_greylisted(self._reverse_path or "", recipient):
            return "451 4.7.1 Greylisted, try again in 5 minutes"
        return ""

    def take_content(self, content: bytes) -> None:
        if b"Content-Type: multipart/report" in content:
            self.sink.reports.append(content)
            self._reset()
            self.say("250 2.0.0 Taken")
            return
        super().take_content(content)


class Hosts:
    """All exchangers by address: what stands in for opening sessions over a real network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.by_ip: dict[str, Host] = {}
        self.strays: list[str] = []

    def add(self, name: str, habit: Habit, latency: float) -> Host:
        number = len(self.by_ip)
        host = Host(name, f"20.{number // 250}.{number % 250}.1", habit, latency, self.network)
        self.by_ip[host.ip] = host
        return host

    async def open_session(self, target: Target, manners: Manners, _clock: Clock) -> Opened | Failed | Deferred:
        """The double of `delivery/session.open_session`."""
        host = self.by_ip.get(target.ip)
        if host is None or host.name != target.host:
            self.strays.append(f"{target.host} at {target.ip}")
            raise asyncio.InvalidStateError("nobody has this address")
        return await host.let_in(Place(target.host, target.ip), manners.connect_timeout)


def _refusal(octets: bytes, place: Place) -> Failed | Deferred:
    outcome = judge(Stage.GREETING, parse_reply(octets), place)
    assert isinstance(outcome, Failed | Deferred)
    return outcome
