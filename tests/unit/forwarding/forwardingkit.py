"""What the tests of forwarding share: a spool in memory, aliases in a folder, and a mailbox transport that notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from asyncmta.forwarding.forwarder import Forwarder
from asyncmta.forwarding.local import LocalTransport
from asyncmta.mail.address import Address, parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Delivered, Postponed, Recorded, Result
from asyncmta.mail.reply import reply
from asyncmta.mail.wire import digest, is_dotted, unstuff
from asyncmta.mailboxes.alias_file import AliasFile
from asyncmta.mailboxes.alias_text import AliasText, parse_aliases, parse_virtual
from asyncmta.mailboxes.directory import Directory, DirectorySettings, LocalDomain
from asyncmta.mailboxes.resolver import LocalSettings, Mailboxes
from asyncmta.spool.entry import Entry
from asyncmta.spool.records import INLINE_LIMIT, Accepted
from asyncmta.spool.store import JournalFailed, SpoolSettings, Store
from asyncmta.testing.clock import FakeClock
from asyncmta.testing.disk import FakeDisk

WIRE = b"Subject: hello\r\n\r\n..dot\r\nhello\r\n"
IN_MAILBOX = Delivered(reply(250, "2.0.0", "in the mailbox"))


class Log:
    def __init__(self) -> None:
        self.notes: list[tuple[str, dict[str, object]]] = []

    def note(self, level: str, event: str, /, *, error: BaseException | None = None, **facts: object) -> None:
        self.notes.append((event, facts | ({"error": repr(error)} if error is not None else {})))

    def events(self, event: str) -> list[dict[str, object]]:
        return [facts for name, facts in self.notes if name == event]


class Behind:
    """A transport that delivers at once, or, while `result` is set, that becomes of it."""

    def __init__(self) -> None:
        self.result: Result | None = None
        self.took: list[str] = []
        self.destinations: list[str] = []

    def deliver(self, consignments: Sequence[Consignment], done) -> None:
        for consignment in consignments:
            self.destinations.append(consignment.destination)
            self.took += [str(consignment.envelope.recipients[at].address) for at in consignment.ordinals]
            done(consignment, self.result or dict.fromkeys(consignment.ordinals, IN_MAILBOX))


class Post:
    """here.example with a file of aliases; everybody has a mailbox who is not "nobody"."""

    def __init__(self, folder: Path, aliases: str, disk: FakeDisk | None = None) -> None:
        self.clock = FakeClock()
        self.disk = disk or FakeDisk()
        self.log = Log()
        self.mailboxes, self.remote = Behind(), Behind()
        self.heard: list[QueueId] = []
        self.failures: list[JournalFailed] = []
        self.folder = folder
        self.has_relay = False
        self.aliases = folder / "aliases"
        self.aliases.write_text(aliases)

    async def open(self, default_owner: str = "") -> Post:
        self.store = Store(
            disk=self.disk,
            directory="spool",
            clock=self.clock,
            settings=SpoolSettings(),
            on_poisoned=self.failures.append,
            on_event=lambda event, facts: None,
        )
        await self.store.open()
        self.forwarder = Forwarder(
            store=self.store,
            read_content=self.store.read_content,
            on_accepted=self.heard.append,
            clock=self.clock,
            hostname="mx.here.example",
            maillog=self.log,
            default_owner=parse_address(default_owner) if default_owner else None,
        )
        self.transport = LocalTransport(
            directory=self._directory(),
            forwarder=self.forwarder,
            mailboxes=self.mailboxes,
            remote=self.remote,
            maillog=self.log,
        )
        return self

    def _directory(self) -> Directory:
        people = LocalSettings(domains=("here.example",), mailboxes="any")
        mailboxes = Mailboxes(
            settings=people,
            hostname="mx.here.example",
            clock=self.clock,
            disk=self.disk,
            recipients=self._lives_here,
        )
        file = self._file("aliases", parse_aliases)
        settings = DirectorySettings(domains=frozenset({"here.example"}), hostname="mx.here.example")
        return Directory(
            settings=settings,
            mailboxes=mailboxes,
            tables=[file],
            relocated=self._file("relocated", parse_virtual),
            domains={"here.example": LocalDomain(has_relay=self.has_relay)},
        )

    def _file(self, name: str, parse: Callable[[str], AliasText]) -> AliasFile:
        path = self.folder / name
        path.touch()
        return AliasFile(path=str(path), parse=parse, clock=self.clock, on_faults=lambda path, faults: None)

    async def _lives_here(self, address: Address) -> bool:
        return address.local_part != "nobody"

    async def accept(self, *recipients: str, sender: str | None = "me@far.example", wire: bytes = WIRE) -> Consignment:
        """A message in the spool, and the consignment of all its recipients."""
        people = tuple(Recipient(parse_address(each)) for each in recipients)
        origin = parse_address(sender) if sender else None
        return await self.take(Envelope(origin, people), wire)

    async def take(self, envelope: Envelope, wire: bytes = WIRE) -> Consignment:
        queue_id, now = self.store.next_queue_id(), self.clock.now()
        if len(wire) > INLINE_LIMIT:
            file = self.store.begin_large(queue_id, binary=envelope.is_binary)
            file.write(wire)
            content, parts = await file.finish(), ()
        else:
            dotted = not envelope.is_binary and is_dotted(wire)
            size = len(unstuff(wire)) if dotted else len(wire)
            content, parts = Content(size, digest((wire,), dotted), dotted, len(wire)), (wire,)
        record = Accepted(queue_id, now, envelope, content, "", None, not parts, parts)
        await self.store.commit(record)
        everybody = tuple(range(len(envelope.recipients)))
        return Consignment(queue_id, "local:here.example", envelope, everybody, content, now)

    async def deliver(self, consignment: Consignment) -> Recorded:
        """What became of it; that is said once."""
        results: asyncio.Queue[Result] = asyncio.Queue()
        self.transport.deliver([consignment], lambda _, result: results.put_nowait(result))
        async with asyncio.timeout(10):
            result = await results.get()
        assert results.empty()
        assert not isinstance(result, Postponed)
        return result if isinstance(result, Recorded) else Recorded(result, frozenset())

    def entries(self) -> list[Entry]:
        """What is queued now, in the order of the ids."""
        return [entry for queue_id in sorted(self.store.ids()) if (entry := self.store.entry(queue_id)) is not None]

    def copies(self) -> list[tuple[str, list[str]]]:
        """Sender and recipients of each copy."""
        return [
            (str(entry.envelope.reverse_path), [str(each.address) for each in entry.envelope.recipients])
            for entry in self.entries()
            if entry.envelope.origin is not None
        ]

    async def content(self, entry: Entry) -> bytes:
        source = self.store.read_content(entry.queue_id)
        if isinstance(source, tuple):
            return b"".join(source)
        return b"".join([chunk async for chunk in source])

    async def close(self) -> None:
        await self.transport.close()
        await self.store.close()
