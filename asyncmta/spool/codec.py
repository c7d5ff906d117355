"""Records to and from MessagePack. docs/journal-format.md 2.3.

Promises: decoding gives back what was encoded, and octets that are no record raise `Undecodable` and nothing else; a
newer minor version may append elements to any array, which are ignored here. The queue id is in the frame; content
stands behind the metadata as the parts it came in, packed or not, and is never copied. Never: where a record stands,
what it does, packing.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct

from asyncmta.mail.envelope import Content, Envelope, QueueId
from asyncmta.mail.outcome import Deferred, Delivered, Failed, Outcome
from asyncmta.spool import framing
from asyncmta.spool.framing import Draft, draft
from asyncmta.spool.records import (
    Accepted,
    Attempted,
    Carried,
    Checkpoint,
    Held,
    Record,
    Released,
    Removed,
    Reported,
    Retired,
    Warned,
)

QUEUE_ID_SIZE = 10
ENTERING = frozenset({16, 24})
"""The kinds with which a message comes to live in a segment."""


class Undecodable(ValueError):
    """The frame verified, but what it holds is no record that this program knows."""


class _Accepted(Struct, array_like=True, gc=False):
    at: float
    envelope: Envelope
    content: Content
    client: str
    login: str | None
    large: bool


class _Attempted(Struct, array_like=True, gc=False):
    at: float
    outcomes: list[tuple[list[int], Outcome]]


class _Reported(Struct, array_like=True, gc=False):
    at: float
    ordinals: tuple[int, ...]
    by: bytes | None


class _At(Struct, array_like=True, gc=False):
    at: float


class _Removed(Struct, array_like=True, gc=False):
    at: float
    by: str


class _Carried(_Accepted, array_like=True, gc=False):
    attempts: int
    states: bytes
    last: dict[int, tuple[float, Deferred]]
    failed: dict[int, Failed]
    held: bool
    warned: bool
    owed: dict[int, tuple[float, Delivered]] = {}


class _Checkpoint(Struct, array_like=True, gc=False):
    oldest: int


_encode = msgspec.msgpack.Encoder().encode


def _accepted(record: Accepted) -> Draft:
    metadata = (record.at, record.envelope, record.content, record.client, record.login, record.large)
    item = draft(16, record.queue_id, _encode(metadata), record.parts)
    if item.content_size != (0 if record.large else record.content.wire_size):
        raise ValueError("the parts are not the content that the record describes")
    return item


def _attempted(record: Attempted) -> Draft:
    outcomes = record.outcomes
    if len(outcomes) == 1:
        (only,) = outcomes.items()
        return draft(17, record.queue_id, _encode((record.at, (((only[0],), only[1]),))))
    groups: dict[Outcome, list[int]] = {}
    for ordinal, outcome in outcomes.items():
        groups.setdefault(outcome, []).append(ordinal)
    metadata = (record.at, [(ordinals, outcome) for outcome, ordinals in groups.items()])
    return draft(17, record.queue_id, _encode(metadata))


def _told(kind: int) -> Callable[[Any], Draft]:
    def encode_told(record: Reported | Warned) -> Draft:
        by = record.by.to_bytes(QUEUE_ID_SIZE, "big") if record.by is not None else None
        return draft(kind, record.queue_id, _encode((record.at, record.ordinals, by)))

    return encode_told


def _removed(record: Removed) -> Draft:
    return draft(22, record.queue_id, _encode((record.at, record.by)))


def _carried(record: Carried) -> Draft:
    metadata = _Carried(
        record.at,
        record.envelope,
        record.content,
        record.client,
        record.login,
        record.large,
        record.attempts,
        record.states,
        record.last,
        record.failed,
        record.held,
        record.warned,
        record.owed,
    )
    item = draft(24, record.queue_id, _encode(metadata), record.parts, framing.PACKED if record.packed else 0)
    if record.packed and not 0 < item.content_size < record.content.wire_size:
        raise ValueError("the parts are not packed content")
    return item


_ENCODERS: Final[MappingProxyType[type, Callable[[Any], Draft]]] = MappingProxyType(
    {
        Accepted: _accepted,
        Attempted: _attempted,
        Reported: _told(18),
        Warned: _told(19),
        Held: lambda record: draft(20, record.queue_id, _encode((record.at,))),
        Released: lambda record: draft(21, record.queue_id, _encode((record.at,))),
        Removed: _removed,
        Retired: lambda record: draft(23, record.queue_id, b""),
        Carried: _carried,
        Checkpoint: lambda record: draft(framing.CHECKPOINT, 0, _encode((record.oldest,))),
    }
)


def encode(record: Record | Checkpoint) -> Draft:
    """Ready for `framing.lay_out`. Raises ValueError or TypeError for what could not be read back: a bug of ours."""
    return _ENCODERS[type(record)](record)


def _decoder(metadata: type[Struct], make: Callable[[QueueId, Any], Record | Checkpoint]) -> Any:
    return msgspec.msgpack.Decoder(metadata).decode, make


def _outcomes(metadata: _Attempted) -> dict[int, Outcome]:
    return {ordinal: outcome for ordinals, outcome in metadata.outcomes for ordinal in ordinals}


def _by(metadata: _Reported) -> QueueId | None:
    return QueueId(int.from_bytes(metadata.by, "big")) if metadata.by is not None else None


def _whole_state(queue_id: QueueId, m: _Carried) -> Carried:
    return Carried(
        queue_id,
        m.at,
        m.envelope,
        m.content,
        m.client,
        m.login,
        m.large,
        m.attempts,
        m.states,
        m.last,
        m.failed,
        m.held,
        m.warned,
        owed=m.owed,
    )


_DECODERS: Final[MappingProxyType[int, Any]] = MappingProxyType(
    {
        framing.CHECKPOINT: _decoder(_Checkpoint, lambda _, m: Checkpoint(m.oldest)),
        16: _decoder(_Accepted, lambda i, m: Accepted(i, m.at, m.envelope, m.content, m.client, m.login, m.large)),
        17: _decoder(_Attempted, lambda i, m: Attempted(i, m.at, _outcomes(m))),
        18: _decoder(_Reported, lambda i, m: Reported(i, m.at, m.ordinals, _by(m))),
        19: _decoder(_Reported, lambda i, m: Warned(i, m.at, m.ordinals, _by(m))),
        20: _decoder(_At, lambda i, m: Held(i, m.at)),
        21: _decoder(_At, lambda i, m: Released(i, m.at)),
        22: _decoder(_Removed, lambda i, m: Removed(i, m.at, m.by)),
        24: _decoder(_Carried, _whole_state),
    }
)


def decode(kind: int, queue_id: int, metadata: bytes | memoryview, *, flags: int = 0) -> Record | Checkpoint:
    """The record without its content (`parts` is empty). Raises Undecodable."""
    if flags and (flags != framing.PACKED or kind not in ENTERING):
        raise Undecodable(f"a record with flags {flags:#x}, which this program does not know")
    if kind == 23:
        return Retired(QueueId(queue_id))
    if kind not in _DECODERS:
        raise Undecodable(f"a record of kind {kind}, which this program does not know")
    read, make = _DECODERS[kind]
    try:
        record: Record | Checkpoint = make(QueueId(queue_id), read(metadata))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"a record of kind {kind}: {error}") from None
    return msgspec.structs.replace(record, packed=True) if flags and isinstance(record, Carried) else record
