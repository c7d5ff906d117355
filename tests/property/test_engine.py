"""The whole engine over random exchangers, in memory: one end for each recipient, one copy, and no host dialled that
was found dead."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from asyncmta.delivery.commands import Capabilities
from asyncmta.delivery.dialer import Dialer, RemoteSettings
from asyncmta.delivery.remote import RemoteTransport
from asyncmta.delivery.session import Opened, default_tls_contexts
from asyncmta.delivery.verdict import Fault, Stage, blame, judge
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Delivered, Outcome, Place, Postponed
from asyncmta.mail.reply import parse_reply
from asyncmta.routing import Mx
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.dns import FakeResolver

TLS = default_tls_contexts()  # takes long; nobody looks at it here
HOSTS = [f"h{n}.example" for n in range(6)]
MOODS = ["good", "good", "good", "dead", "dead", "busy", "421", "closes", "closes at rcpt", "closes after the dot"]
REFUSALS = [b"450 4.2.1 later", b"451 4.3.0 multiple destination domains", b"452 4.5.3 limit", b"452 no", b"550 no"]


class Host(Struct):
    mood: str
    most_domains: int
    most_recipients: int
    refusal: bytes
    offers: Capabilities


hosts = st.builds(
    Host,
    mood=st.sampled_from(MOODS),
    most_domains=st.sampled_from([1, 2, 99]),
    most_recipients=st.sampled_from([1, 3, 99]),
    refusal=st.sampled_from(REFUSALS),
    offers=st.sampled_from(
        [
            Capabilities(pipelining=True),
            Capabilities(),
            Capabilities(pipelining=True, chunking=True),
            Capabilities(pipelining=True, most_recipients=2, most_domains=1, most_messages=3),
        ]
    ),
)
records = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(HOSTS)), min_size=1, max_size=6)


class Peer(asyncio.Transport):
    """The transport of a session, and the server at its other end: answers in the next turns of the loop."""

    def __init__(self, host: Host, taken: Counter[str]) -> None:
        super().__init__()
        self._host = host
        self._taken = taken
        self._protocol: Any = None
        self._recipients: list[str] = []
        self._content = b""
        self._awaits_content = False
        self._is_closed = False

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def write(self, data: Any) -> None:
        if not self._is_closed:
            asyncio.get_running_loop().call_soon(self._hear, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self._is_closed = True

    abort = close

    def _hear(self, data: bytes) -> None:
        answers = b""
        while data and not self._is_closed:
            if self._awaits_content:
                _, dot, data = data.partition(b"\r\n.\r\n")
                assert dot
                self._awaits_content = False
                answers += self._take()
                continue
            line, _, data = data.partition(b"\r\n")
            if line.startswith(b"BDAT"):
                size = int(line.split()[1])
                data = data[size:]
            answers += self._answer(line.decode())
            if answers.startswith(b"421"):
                break
        if answers and not self._is_closed:
            self._protocol.data_received(answers)

    def _answer(self, line: str) -> bytes:
        mood = self._host.mood
        if line.startswith("MAIL"):
            self._recipients = []
            if mood == "closes":
                return self._close()
            return b"421 4.3.2 busy\r\n" if mood == "421" else b"250 ok\r\n"
        if line.startswith("RCPT"):
            return self._close() if mood == "closes at rcpt" else self._judge(line[line.index("<") + 1 : -1])
        if line == "DATA":
            self._awaits_content = bool(self._recipients)
            return b"354 go\r\n" if self._recipients else b"554 5.5.1 for nobody\r\n"
        if line.startswith("BDAT"):
            return self._take() if self._recipients else b"554 5.5.1 for nobody\r\n"
        return b"250 ok\r\n" if line == "RSET" else b""

    def _judge(self, recipient: str) -> bytes:
        domains = {each.rpartition("@")[2] for each in [*self._recipients, recipient]}
        if len(domains) > self._host.most_domains or len(self._recipients) >= self._host.most_recipients:
            return self._host.refusal + b"\r\n"
        self._recipients.append(recipient)
        return b"250 ok\r\n"

    def _take(self) -> bytes:
        if self._host.mood == "closes after the dot":
            return self._close()
        self._taken.update(self._recipients)
        return b"250 2.0.0 taken\r\n"

    def _close(self) -> bytes:
        self._is_closed = True
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)
        return b""


class Log:
    def attempt(self, **facts: object) -> None:
        assert facts["recipients"]

    def note(self, level: str, event: str, /, **facts: object) -> None:
        assert event in ("site_suspended", "possible_duplicate"), (event, facts)


class World:
    def __init__(self, peers: dict[str, Host], ways: list[list[tuple[int, str]]], remote: RemoteSettings) -> None:
        self.peers = peers
        self.taken: Counter[str] = Counter()
        self.known_dead: set[str] = set()
        self.results: dict[int, Outcome | Postponed] = {}
        self.clock = FakeClock()
        resolver = FakeResolver()
        for number, its_records in enumerate(ways):
            resolver.set(f"d{number}.example", {"MX": its_records})
        for host in HOSTS:
            resolver.set(host, {"A": ["127.0.0.1"]})
        dialer = Dialer(
            clock=self.clock,
            resolver=resolver,
            settings=remote,
            hostname="us.example",
            tls=TLS,
            open_session=self._open,
            salt=lambda: 0,
        )
        self.transport = RemoteTransport(
            clock=self.clock,
            dialer=dialer,
            read_content=lambda _: (b"Subject: hi\r\n\r\nhello\r\n",),
            maillog=Log(),
            route_of=lambda destination: Mx(destination.removeprefix("mx:")),
        )

    async def _open(self, target: Any, *_: object) -> Any:
        assert target.host not in self.known_dead, "was found dead"
        await asyncio.sleep(0)
        peer = self.peers[target.host]
        place = Place(target.host, target.ip)
        if peer.mood == "dead":
            self.known_dead.add(target.host)
            return blame(Stage.CONNECT, Fault.CONNECT, "refused", place)
        if peer.mood == "busy":
            return judge(Stage.GREETING, parse_reply(b"450 4.3.2 busy\r\n"), place)
        return Opened(Peer(peer, self.taken), peer.offers, place)

    def done(self, consignment: Consignment, result: Mapping[int, Outcome] | Postponed) -> None:
        for ordinal in consignment.ordinals:
            assert ordinal not in self.results, "said twice"
            self.results[ordinal] = result if isinstance(result, Postponed) else result[ordinal]

    async def deliver(self, envelope: Envelope) -> None:
        """One message, all of it at once, to its end."""
        self.results = {}
        destinations: dict[str, list[int]] = {}
        for ordinal, recipient in enumerate(envelope.recipients):
            destinations.setdefault(f"mx:{recipient.address.domain_key}", []).append(ordinal)
        content = Content(22, b"", False, 22)
        consignments = [
            Consignment(QueueId(1), destination, envelope, tuple(ordinals), content, 0.0)
            for destination, ordinals in destinations.items()
        ]
        self.transport.deliver(consignments, self.done)
        for _ in range(3000):
            if len(self.results) == len(envelope.recipients):
                return
            await asyncio.sleep(0)
        raise AssertionError(f"{len(self.results)} of {len(envelope.recipients)}")


@settings(deadline=None, max_examples=150)
@given(
    ways=st.lists(records, min_size=1, max_size=6),
    peers=st.fixed_dictionaries(dict.fromkeys(HOSTS, hosts)),
    recipients=st.lists(st.integers(0, 5), min_size=1, max_size=30),
    remote=st.builds(
        RemoteSettings,
        allow_private_exchangers=st.just(True),
        recipients_per_transaction=st.sampled_from([2, 10]),
        sessions_per_site=st.sampled_from([1, 20]),
        messages_per_session=st.sampled_from([1, 2, 100]),
        next_mx_on_4xx=st.sampled_from(["all-failed", "per-recipient", "never"]),
    ),
)
def test_one_end_and_one_copy_for_everybody(
    ways: list[list[tuple[int, str]]], peers: dict[str, Host], recipients: list[int], remote: RemoteSettings
) -> None:
    addresses = [parse_address(f"r{n}@d{at % len(ways)}.example") for n, at in enumerate(recipients)]
    envelope = Envelope(None, tuple(map(Recipient, addresses)))

    async def play() -> None:
        world = World(peers, ways, remote)
        for _ in range(2):  # and once more, with what has been learned
            world.taken.clear()
            await world.deliver(envelope)
            for ordinal, outcome in world.results.items():
                assert world.taken[str(addresses[ordinal])] == isinstance(outcome, Delivered)
        await world.transport.close()

    asyncio.run(play())
