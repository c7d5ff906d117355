"""The tables `[maildir]` and `[[bcc]]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: a look at the files that are named, or at who we are (`config` asks before serving).

contract.md section 3; docs/maildir.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Struct

from asyncmta import config_texts as texts
from asyncmta.config_kinds import Choice, Flag, Size, Text, Unfit, Whole, named
from asyncmta.mail.address import InvalidAddress, parse_address

_MODE = re.compile(r"0?([02]?7[0-7][0-57])\Z")
_OWNER = re.compile(r"([0-9]{1,9}):([0-9]{1,9})\Z")
_FIELD = re.compile(r"\{[^{}]*\}?|\}")
DATE = "{date}"


def mode(text: str) -> int:
    """`0700`: of directories; files have it without the right to search."""
    found = _MODE.match(text)
    if found is None or int(found[1], 8) & 0o002:
        raise Unfit(
            f'expected the mode of directories, such as "0700", "0750" or "2770", all rights for the owner and none '
            f"to write for everybody, got {named(text)}"
        )
    return int(found[1], 8)


class Mode(Struct, frozen=True):
    def parse(self, value: Any) -> int:
        found: int = Text(mode).parse(value)
        return found

    def from_text(self, text: str) -> Any:
        return text

    def show(self, value: int) -> str:
        return f"{value:04o}"


def owner(text: str) -> str:
    if _OWNER.match(text) is None:
        raise Unfit(f'expected the numbers of a user and a group, such as "5000:5000", got {named(text)}')
    return text


def archive(text: str) -> str:
    for field in _FIELD.findall(text):
        if field != DATE:
            raise Unfit(f"unknown field {named(field)}; allowed is {DATE}")
    return text


def full_address(text: str) -> str:
    try:
        parse_address(text)
    except InvalidAddress as error:
        raise Unfit(
            f'expected an address such as "copies@example.org", in ASCII, got {named(text)} ({error})'
        ) from None
    return text


class MaildirTable(Struct, frozen=True, kw_only=True):
    quota: Annotated[int, Size(0, 1 << 50)] = 0
    quota_messages: Annotated[int, Whole(0, 1_000_000_000)] = 0
    size_in_name: Annotated[bool, Flag()] = True
    subfolders: Annotated[str, Choice(("none", "detail", "create"))] = "none"
    mode: Annotated[int, Mode()] = 0o700
    owner: Annotated[str, Text(owner, optional=True)] = ""
    archive: Annotated[str, Text(archive, optional=True, is_path=True)] = ""

    @property
    def owner_numbers(self) -> tuple[int, int]:
        """User and group; -1: as the process has it."""
        found = _OWNER.match(self.owner)
        return (-1, -1) if found is None else (int(found[1]), int(found[2]))


class BccTable(Struct, frozen=True, kw_only=True):
    sender: Annotated[str, Text(texts.route_pattern)] = "*"
    recipient: Annotated[str, Text(texts.route_pattern)] = "*"
    to: Annotated[str, Text(full_address, optional=True)] = ""


def check_bcc(path: str, table: BccTable, report: Callable[..., None]) -> None:
    if not table.to:
        report(f"{path}.to", 'must say who gets the copies, such as "copies@example.org"')
