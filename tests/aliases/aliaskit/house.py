"""A house for the cases: real files of aliases and mailboxes on a real disk, and one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from asyncmta.mail.address import Address, parse_address
from asyncmta.mailboxes.alias_file import AliasFile
from asyncmta.mailboxes.alias_text import parse_aliases, parse_virtual
from asyncmta.mailboxes.directory import Directory, DirectorySettings, Moved
from asyncmta.mailboxes.expansion import Ending, Endless, Expanded, Untold
from asyncmta.mailboxes.forward_file import ForwardFiles
from asyncmta.mailboxes.resolver import LocalSettings, Mailboxes
from asyncmta.system.disk import PosixDisk
from asyncmta.testing.clock import FakeClock

HERE, TOO, HOST = "here.example", "too.example", "mx.here.example"
PEOPLE = ("alice", "bob", "carol", "dave")  # at HERE; at TOO there is dora
MARKS = {Ending.MAILBOX: "", Ending.NOBODY: "?", Ending.ELSEWHERE: ">", Ending.LATER: "~"}


class House:
    """Two local domains and a host name. `faults`: what was said of the files, "NAME, line N: reason" each."""

    def __init__(self, folder: Path, *, delimiters: str = "", mailboxes: Sequence[str] = PEOPLE) -> None:
        self.folder, self.clock, self.faults = folder, FakeClock(), list[str]()
        for path in (*(f"{HERE}/{name}" for name in mailboxes), f"{TOO}/dora"):
            (folder / "mail" / path).mkdir(parents=True)
        pattern = f"{folder}/mail/{{domain}}/{{local_part}}"
        local = LocalSettings(domains=(HERE, TOO), maildir=pattern, delimiters=delimiters)
        self.mailboxes = Mailboxes(settings=local, hostname=HOST, clock=self.clock, disk=PosixDisk())
        self.directory = Directory(
            settings=DirectorySettings(domains=frozenset({HERE, TOO}), hostname=HOST, delimiters=delimiters),
            mailboxes=self.mailboxes,
            tables=[self._file("aliases"), self._file("virtual")],
            relocated=self._file("relocated"),
            forwards=ForwardFiles(name=".forward", clock=self.clock),
        )

    def write(self, files: Mapping[str, str]) -> None:
        """Texts in which $DIR is the folder; line ends as they stand."""
        for name in ("aliases", "virtual", "relocated"):
            (self.folder / name).touch()
        for name, text in files.items():
            folder = self.folder / "mail" / HERE if name.endswith("/.forward") else self.folder
            (folder / name).write_bytes(text.replace("$DIR", str(self.folder)).encode())

    def _file(self, name: str) -> AliasFile:
        parse = parse_aliases if name == "aliases" else parse_virtual
        return AliasFile(path=str(self.folder / name), parse=parse, clock=self.clock, on_faults=self._on_faults)

    def _on_faults(self, path: str, faults: tuple[str, ...]) -> None:
        self.faults.extend(fault.replace(f"{self.folder}/{Path(path).name}", Path(path).name) for fault in faults)

    async def ask(self, text: str) -> list[str] | str:
        """Who that is, in the words of the cases."""
        address = parse_address(text if "@" in text.rpartition('"')[2] else f"{text}@{HERE}", smtputf8=True)
        moved = await self.directory.moved(address)
        if moved is not None:
            return f"moved: {moved.to}" if isinstance(moved, Moved) else f"unknown: {moved.reason}"
        found = await self.directory.expand(address)
        match found:
            case Untold(reason):
                return f"unknown: {reason}"
            case Endless(reason):
                return "too deep" if "levels" in reason else "too many" if "more than" in reason else "loop"
            case Expanded() if found.is_itself and found.is_nobody and found.reached:
                return "nobody"
        return [MARKS[one.ending] + self._short(one.address) + self._by(one.owner) for one in found.reached]

    def _by(self, owner: Address | None) -> str:
        return f" by {self._short(owner)}" if owner is not None else ""

    def _short(self, address: Address) -> str:
        return str(address).removesuffix(f"@{HERE}")
