"""Variable envelope return paths: for each recipient a reverse-path of its own, so that a bounce says who it is about.

From `owner-list@ours.example` and `user@example.org` comes `owner-list+user=example.org@ours.example`, the form of
Postfix. What would be longer than the 64 octets that every server takes, or not ASCII, gets a digest in place of the
address: `owner-list+` and sixteen letters without a "=". Promises: the same two addresses always give the same third;
two recipients never share one; whoever knows the members can tell whose it is, and `member` says so whatever a server
did to the case of its letters. Never: a secret. Anybody can make one, so that what is counted by it proves nothing.

RFC 5321 4.5.3.1.1; seeds W-225 to W-227, D-116. D. J. Bernstein, "Variable Envelope Return Paths" (1997).
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from asyncmta.mail.address import Address, quote, unquote

DELIMITER = "+"
LONGEST = 64  # octets of a local-part that a server has to take
DIGEST = 10  # octets: sixteen letters


def verp(owner: Address, recipient: Address) -> Address:
    """The reverse-path for a copy to `recipient`; `owner` itself where not even a digest has room behind it."""
    name = unquote(owner.local_part)
    for mark in _marks(recipient):
        local_part = quote(f"{name}{DELIMITER}{mark}")
        if local_part.isascii() and len(local_part) <= LONGEST:
            return Address(local_part, owner.domain, owner.domain_key)
    return owner


def marked(members: Iterable[Address]) -> dict[str, Address]:
    """By each of their marks, whose it is: for `member`, which must not look at all of them for each bounce."""
    found: dict[str, Address] = {}
    for one in members:
        for own in _marks(one):
            found.setdefault(own.casefold(), one)
    return found


def member(mark: str, members: Mapping[str, Address]) -> Address | None:
    """Whose mark it is: what stood behind the delimiter; None: nobody's of these (`marked`)."""
    return members.get(mark.casefold())


def _marks(recipient: Address) -> tuple[str, str]:
    """In words, and as a digest."""
    key = recipient.mailbox_key.casefold().encode()
    digest = b32encode(blake2b(key, digest_size=DIGEST).digest()).decode().lower()
    return f"{unquote(recipient.local_part)}={recipient.domain}", digest
