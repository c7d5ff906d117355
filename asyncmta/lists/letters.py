"""The letters that a list writes to people: to confirm, and that it is done. As octets, from facts alone.

Promises: each goes to one address, with the null reverse-path and marked as the answer of a program, so that nobody's
program answers it; it bears the list's List-Id, by which the list itself refuses it wherever it wanders; nothing that a
stranger wrote is in it but the Message-ID of what is answered, if it looks like one. Never: a clock, a queue.

RFC 3834 3 (answers: reverse-path, Auto-Submitted, In-Reply-To), RFC 5322 2.1.1.
"""

from __future__ import annotations

import re

from msgspec import Struct

from asyncmta.lists.names import MailingList, Role
from asyncmta.lists.posting import values
from asyncmta.mail.address import Address
from asyncmta.mail.headers import printed, rfc5322_date

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>\Z")

_CONFIRM = """Somebody, most likely you, wants to {what}

    {address}

{where} the mailing list

    {list}

If that was you, answer this letter; what you write in the answer is of no
matter. The answer has to go to

    {confirm}

If it was not you, do nothing, and nothing will change. This letter is worth
something for three days.

The people who care for the list: {owner}
"""

_DONE = """{address}

is {state} the mailing list

    {list}

{next}

The people who care for the list: {owner}
"""


class Occasion(Struct, frozen=True):
    """What is answered (its header section), with which Message-ID (without angle brackets), and when."""

    section: bytes
    message_id: str
    at: float


class Letter(Struct, frozen=True):
    """What to queue: for whom, from whom (None: the null reverse-path), and what."""

    recipient: Address
    content: bytes
    sender: Address | None = None


def confirmation(one: MailingList, *, action: Role, address: Address, token: str, occasion: Occasion) -> Letter:
    """Asks `address` whether it is meant."""
    joins = action is Role.SUBSCRIBE
    confirm = one.at(Role.CONFIRM, token)
    body = _CONFIRM.format(
        what="put this address" if joins else "take this address",
        where="on" if joins else "off",
        address=address,
        list=one.address,
        confirm=confirm,
        owner=one.at(Role.OWNER),
    )
    subject = f"Please confirm: {'subscribe to' if joins else 'unsubscribe from'} {one.address}"
    return Letter(address, _written(one, (confirm, address), subject, body, occasion))


def done(one: MailingList, *, action: Role, address: Address, occasion: Occasion) -> Letter:
    """Says that it is done."""
    joined = action is Role.SUBSCRIBE
    leave = f"To leave it again, write to\n\n    {one.at(Role.UNSUBSCRIBE)}"
    come = f"To come back, write to\n\n    {one.at(Role.SUBSCRIBE)}"
    body = _DONE.format(
        address=address,
        state="now on" if joined else "no longer on",
        list=one.address,
        next=f"Letters for all of its members go to\n\n    {one.address}\n\n{leave}" if joined else come,
        owner=one.at(Role.OWNER),
    )
    subject = f"{'Welcome to' if joined else 'Farewell from'} {one.address}"
    return Letter(address, _written(one, (one.at(Role.OWNER), address), subject, body, occasion))


def _written(one: MailingList, between: tuple[Address, Address], subject: str, body: str, occasion: Occasion) -> bytes:
    """`between`: who writes, and to whom."""
    author, address = between
    answered = next((value for value in values(occasion.section, b"message-id") if _MESSAGE_ID.match(value)), "")
    lines = [
        f"From: <{printed(author)}>",
        f"To: <{printed(address)}>",
        f"Subject: {subject}",
        f"Date: {rfc5322_date(occasion.at)}",
        f"Message-ID: <{occasion.message_id}>",
        *([f"In-Reply-To: {answered}", f"References: {answered}"] if answered else []),
        "Auto-Submitted: auto-replied",
        f"List-Id: <{one.list_id}>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {'7bit' if body.isascii() else '8bit'}",
        "",
    ]
    text = "\n".join(lines) + "\n" + body
    return text.replace("\n", "\r\n").encode()
