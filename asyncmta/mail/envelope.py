"""The envelope: reverse-path, recipients, and their parameters; the queue id; the consignment.

A recipient is known by its ordinal, its index within `Envelope.recipients`, fixed for the life of the message. The
DSN parameters (RFC 3461), BODY (RFC 6152, 3030), SMTPUTF8 (RFC 6531) and REQUIRETLS (RFC 8689) are part of the
envelope from the first version of the journal on, so that every floor keeps them; what a sender said of time and haste
(`Timing`: RFC 6710, 4865, 2852) from version 1.1 on. Never: content bytes, and no decision about where anything goes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import NewType

from msgspec import Struct

from asyncmta.mail.address import Address

QueueId = NewType("QueueId", int)
"""Below 2**80; unique for the life of a journal, and different between journals with high probability."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case: no i l o u
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
QUEUE_ID_LENGTH = 16

# RFC 3461 4.1; the absence of NOTIFY is 0, which means what FAILURE and, where a warning is due, DELAY mean.
NOTIFY_NEVER = 8
NOTIFY_SUCCESS = 1
NOTIFY_FAILURE = 2
NOTIFY_DELAY = 4


def format_queue_id(queue_id: QueueId) -> str:
    """16 letters and digits, the same length for every id, so that text order is number order."""
    return f"{_beginning(queue_id >> 20)}{_PAIRS[queue_id >> 10 & 1023]}{_PAIRS[queue_id & 1023]}"


@lru_cache(256)  # ids are counted up: a million of them share it
def _beginning(high: int) -> str:
    return _PAIRS[high >> 50] + "".join([_PAIRS[high >> bits & 1023] for bits in (40, 30, 20, 10, 0)])


def parse_queue_id(text: str) -> QueueId:
    """Inverse of `format_queue_id`; upper case is taken too. ValueError for anything else."""
    if len(text) != QUEUE_ID_LENGTH or not text.isascii():  # the Kelvin sign is a k in lower case
        raise ValueError(f"a queue id has {QUEUE_ID_LENGTH} letters and digits")
    number = 0
    for letter in text.lower():
        if letter not in _VALUES:
            raise ValueError(f"not a letter of a queue id: {letter!r}")
        number = number << 5 | _VALUES[letter]
    return QueueId(number)


class Recipient(Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """One forward-path. `notify` is a sum of NOTIFY_*; `orcpt` is `addr-type;xtext` as it came (RFC 3461 4.2).
    `is_final`: its aliases have been followed, and it is the mailbox itself that is meant."""

    address: Address
    notify: int = 0
    orcpt: str | None = None
    is_final: bool = False


class Timing(Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """What the sender said of time and haste, as far as we grant it. `priority`: -9 to 9, 0 is normal. Times are Unix
    seconds, 0.0 for none: not before `release_at`; by `deliver_by`, and else, by `by_mode`: "R" to be returned, "N" to
    be told; with a "T" behind it for a trace."""

    priority: int = 0
    release_at: float = 0.0
    deliver_by: float = 0.0
    by_mode: str = ""


class Origin(Struct, frozen=True, gc=False, array_like=True):
    """The message that somebody sent, of which this one is a copy: its queue id as text, and when we accepted it."""

    queue_id: str
    at: float


class Envelope(Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """Who it is from and for. `body` is "7BIT", "8BITMIME" or "BINARYMIME"; `ret` "FULL", "HDRS" or None; `timing` None
    where its sender asked for nothing; `origin` None for what was not forwarded by us; `verp`: each recipient is to
    have a reverse-path of his own."""

    reverse_path: Address | None
    recipients: tuple[Recipient, ...]
    body: str = "7BIT"
    smtputf8: bool = False
    requiretls: bool = False
    ret: str | None = None
    envid: str | None = None
    timing: Timing | None = None
    origin: Origin | None = None
    verp: bool = False

    @property
    def is_binary(self) -> bool:
        """The content is octets and no lines (RFC 3030 3): it is kept as it came, and never goes by DATA."""
        return self.body == "BINARYMIME"


class Content(Struct, frozen=True, gc=False, array_like=True):
    """What is known of a message's content without its bytes. The bytes are kept in wire form (CRLF, dot-stuffed), but
    for binary content, which is kept as it is: not dotted, `size` is `wire_size`; its envelope says so.

    size: octets with dots unstuffed, with our Received field. digest: BLAKE2b, 16 bytes, of the unstuffed content.
    dotted: some line begins with a dot, so that the wire form differs from the content. wire_size: octets kept.
    """

    size: int
    digest: bytes
    dotted: bool
    wire_size: int
    eight_bit: bool = False


class Consignment(Struct, eq=False):
    """The due recipients of one message that go to one destination: what the scheduler hands to a transport.

    Compared by identity: there is at most one in hand for each recipient. `accepted_at` is in Unix seconds.
    """

    queue_id: QueueId
    destination: str
    envelope: Envelope
    ordinals: tuple[int, ...]
    content: Content
    accepted_at: float
    attempts: int = 0


ReadContent = Callable[[QueueId], tuple[bytes, ...] | AsyncIterator[bytes]]
"""How delivery and bounce get at a message's octets in wire form: at once, as parts, where they are still in memory;
else as an iterator of checked chunks. The iterator raises `ContentUnavailable` before it has given the last chunk
when the octets are not those that were accepted, so that nothing damaged is ever sent whole."""


class ContentUnavailable(Exception):
    """The octets of a message cannot be had: gone, unreadable, or not what was accepted (their digest differs)."""
