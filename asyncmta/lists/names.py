"""The addresses around a list's name, and what each of them is for.

For `dev@example.org`: itself (a post), `owner-dev` (people), `owner-dev+user=domain` (a bounce), `dev-subscribe`,
`dev-unsubscribe` and `dev-confirm+TOKEN`. Promises: the answer is one look into a dictionary; case and needless quotes
make no difference. Never: who is on a list, or a look at the disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from asyncmta.lists.verp import DELIMITER
from asyncmta.mail.address import Address, quote, unquote

OWNER = "owner-"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.|\Z)){0,39}\Z")


class Role(Enum):
    """What is wanted of a list by who writes to one of its addresses."""

    POST = "post"
    OWNER = "owner"
    BOUNCE = "bounce"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    CONFIRM = "confirm"


SERVICES = frozenset({Role.BOUNCE, Role.SUBSCRIBE, Role.UNSUBSCRIBE, Role.CONFIRM})
"""What the MTA answers itself; the others are aliases."""


_ENDS = tuple(f"-{role.value}" for role in (Role.SUBSCRIBE, Role.UNSUBSCRIBE, Role.CONFIRM))


class MailingList(Struct, frozen=True, kw_only=True):
    """One of the settings. `members`: the path of its file. `subscribe`: anybody may ask for it, and confirms.
    `bounces`: they are for the owner too, once they are counted."""

    address: Address
    members: str
    owner: Address
    verp: bool = False
    headers: bool = False
    subscribe: bool = False
    bounces: bool = True

    @property
    def key(self) -> str:
        """Its address in normal form."""
        return f"{self.address.local_part.lower()}@{self.address.domain_key}"

    @property
    def list_id(self) -> str:
        """What stands between the angle brackets of List-Id (RFC 2919)."""
        return f"{self.address.local_part.lower()}.{self.address.domain_key}"

    def at(self, role: Role, rest: str = "") -> Address:
        """One of its addresses; `rest` goes behind the delimiter."""
        if role is Role.POST:
            return self.address
        name = self.address.local_part
        name = f"{OWNER}{name}" if role in (Role.OWNER, Role.BOUNCE) else f"{name}-{role.value}"
        local_part = f"{name}{DELIMITER}{rest}" if rest else name
        return Address(quote(local_part), self.address.domain, self.address.domain_key)


class Called(Struct, frozen=True):
    """A list that an address belongs to, what for, and what stood behind the delimiter."""

    list: MailingList
    role: Role
    rest: str = ""


class Names:
    """The addresses of all lists."""

    def __init__(self, lists: Iterable[MailingList]) -> None:
        self._plain: dict[str, Called] = {}
        self._with_rest: dict[str, Called] = {}
        for one in lists:
            self._plain[one.key] = Called(one, Role.POST)
            self._plain[_key(one.at(Role.OWNER))] = Called(one, Role.OWNER)
            self._with_rest[_key(one.at(Role.BOUNCE))] = Called(one, Role.BOUNCE)
            if one.subscribe:
                self._with_rest[_key(one.at(Role.CONFIRM))] = Called(one, Role.CONFIRM)
                for role in (Role.SUBSCRIBE, Role.UNSUBSCRIBE):
                    self._plain[_key(one.at(role))] = Called(one, role)

    def called(self, address: Address) -> Called | None:
        """Which list it belongs to, if it does."""
        name, parted, rest = unquote(address.local_part).partition(DELIMITER)
        found = (self._with_rest if parted else self._plain).get(f"{name.lower()}@{address.domain_key}")
        return Called(found.list, found.role, rest) if found is not None and rest else None if parted else found


def _key(address: Address) -> str:
    return f"{unquote(address.local_part).lower()}@{address.domain_key}"


def is_list_name(address: Address) -> bool:
    """May it be a list's? Letters, digits, dots and hyphens: its name is part of others, and of the name of a file."""
    name = address.local_part.lower()
    return _NAME.match(name) is not None and not name.startswith(OWNER) and not name.endswith(_ENDS)
