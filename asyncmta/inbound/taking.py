"""Content that came, handed on: its parts while it comes; at its end, or at the end of a chunk, what is said to it.

Here stands the reply to each violation of content. Promises: content that was refused is never handed on as a message;
what its refusal ends is the whole transaction; of LMTP recipients each gets its reply, in order. Never: octets
(`content`), the commands before it (`transaction`, `chunking`).

RFC 5321 4.1.1.4; RFC 3030 2; RFC 2033 4.2 (a reply for each recipient).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from asyncmta.inbound.chunks import ChunkReader, RefusedChunk
from asyncmta.inbound.content import Violation
from asyncmta.inbound.events import Event, LargeAborted, LargeBegan, LargeEnded, LargeWent, MessageEnded, Refused
from asyncmta.inbound.session import SessionState
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply

VIOLATIONS: Final[Mapping[Violation, Reply]] = MappingProxyType(
    {
        Violation.TOO_BIG: replies.TOO_BIG,
        Violation.BARE_LINE_END: replies.BARE_LINE_END,
        Violation.NUL: replies.NUL_IN_CONTENT,
        Violation.LONG_LINE: replies.LINE_TOO_LONG,
        Violation.HEADER_TOO_BIG: replies.HEADER_TOO_BIG,
    }
)
_CHUNK_OK = replies.CHUNK_OK.wire


def content_came(state: SessionState, has_ended: bool, events: list[Event]) -> bytes | Event | None:
    """After each piece of content: its parts go to `events`; at the end of it or of its chunk, the answer or who has
    to give it."""
    reader, envelope = state.reader, state.envelope
    if isinstance(reader, RefusedChunk):
        if not has_ended:
            return None
        state.reader = None
        return Refused("BDAT", reader.reply, state.reverse_path)
    assert reader is not None
    assert envelope is not None
    if reader.is_large:
        if state.is_large:
            events.append(LargeWent(reader.take()))
        else:
            state.is_large = True
            events.append(LargeBegan(envelope, state.facts(smtputf8=envelope.smtputf8), reader.take()))
    elif state.is_large and reader.violation is not None:
        state.is_large = False
        events.append(LargeAborted())
    if not has_ended:
        return None
    state.reader = None
    is_whole = not isinstance(reader, ChunkReader) or reader.is_last
    if is_whole:
        state.content = None
    refusal = VIOLATIONS[reader.violation] if reader.violation is not None else None
    if is_whole and refusal is None:
        refusal = state.content_refusal
    if refusal is not None:
        times = state.replies_due if is_whole else 1
        state.forget_transaction()
        return Refused("dot" if is_whole else "BDAT", refusal, envelope.reverse_path, times=times)
    if not is_whole:
        return _CHUNK_OK
    if state.is_large:
        state.is_large = False
        return LargeEnded(reader.shape)
    return MessageEnded(envelope, state.facts(smtputf8=envelope.smtputf8), reader.take(), reader.shape)


def taken(reply: Reply, recipients: list[str]) -> bytes:
    """Our consent to a message: once, or to LMTP once for each of its recipients."""
    if not recipients:
        return reply.wire
    return b"".join([replies.for_recipient(name, reply).wire for name in recipients])
