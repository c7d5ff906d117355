"""What a list says to a message that is posted to it, and what it puts on top of the copies.

Promises: what has been through this list before is refused (5.4.6), and so is what no person has written to it: mail
with the null reverse-path, and the answers of programs (5.7.1), so that neither a vacation nor a confirmation of
somebody else's list ever reaches all members. Every function is linear in the header section. Never: who is a member,
and nothing of the message is taken away or changed.

RFC 2369 (List-*), RFC 2919 (List-Id), RFC 3834 2 (Auto-Submitted).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from asyncmta.lists.names import MailingList, Role
from asyncmta.mail.address import Address
from asyncmta.mail.outcome import Cause, Failed, Scope
from asyncmta.mail.reply import reply

LOOP = Failed(Cause.LOOP, reply(554, "5.4.6", "mail loop: it has been sent to this list before"), Scope.RECIPIENT)
NOT_BY_A_PERSON = Failed(Cause.POLICY, reply(554, "5.7.1", "the list takes no answers of programs"), Scope.RECIPIENT)

_TO_MANY = frozenset({"bulk", "junk", "list"})


class Post(Struct, frozen=True):
    """It goes to the members: with this on top, and with a reverse-path for each of them if `verp` says so."""

    top: bytes
    verp: bool


def judge(one: MailingList, section: bytes, sender: Address | None) -> Post | Failed:
    """A message with this header section, from this reverse-path."""
    mark = f"<{one.list_id}>"
    if any(mark in value.lower() for value in values(section, b"list-id")):
        return LOOP
    if any(str(one.address).lower() in value.lower() for value in values(section, b"mailing-list")):
        return LOOP
    if sender is None or is_answer(section):
        return NOT_BY_A_PERSON
    return Post(_fields(one) if one.headers else b"", one.verp)


def is_answer(section: bytes) -> bool:
    """Is it what a program answered to something (RFC 3834)? What a program sends by itself, as cron does, is none."""
    return any(value.lower().startswith("auto-replied") for value in values(section, b"auto-submitted"))


def is_automatic(section: bytes) -> bool:
    """Was it sent by a program, or to many? Then nobody waits for an answer to it (RFC 3834 2)."""
    for value in values(section, b"auto-submitted"):
        if not value.lower().startswith("no"):
            return True
    if any(value.lower() in _TO_MANY for value in values(section, b"precedence")):
        return True
    return any(True for _ in values(section, b"list-id"))


def values(section: bytes, name: bytes) -> Iterator[str]:
    """What each field of that name (lower case) says, unfolded."""
    lines = section.split(b"\n")
    for at, line in enumerate(lines):
        key, colon, value = line.partition(b":")
        if not colon or key.strip().lower() != name or key[:1] in (b" ", b"\t"):
            continue
        end = at + 1
        while end < len(lines) and lines[end][:1] in (b" ", b"\t"):
            end += 1
        yield b" ".join(part.strip() for part in (value, *lines[at + 1 : end])).decode("utf-8", "replace").strip()


def _fields(one: MailingList) -> bytes:
    lines = [f"List-Id: <{one.list_id}>", f"List-Post: <mailto:{one.address}>"]
    lines.append(f"List-Owner: <mailto:{one.at(Role.OWNER)}>")
    if one.subscribe:
        lines.append(f"List-Subscribe: <mailto:{one.at(Role.SUBSCRIBE)}>")
        lines.append(f"List-Unsubscribe: <mailto:{one.at(Role.UNSUBSCRIBE)}>")
    lines.append("Precedence: list")
    return "".join(f"{line}\r\n" for line in lines).encode()
