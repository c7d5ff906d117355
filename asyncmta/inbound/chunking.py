"""BDAT as a command: whether its chunk is wanted, and how many octets it has in any case.

Promises: a chunk whose size can be read is always taken off the input, whatever else is wrong with the command, and
its refusal is said behind it; when the size cannot be read the session ends, because nobody knows where the next
command begins. Never: the octets themselves (`chunks`), the reply to a chunk that was wanted (`taking`).

RFC 3030 2 and 4.2 (pipelining).
"""

from __future__ import annotations

from asyncmta.inbound.chunks import ChunkReader, RefusedChunk
from asyncmta.inbound.events import Refused
from asyncmta.inbound.parameters import parse_size
from asyncmta.inbound.session import SessionState
from asyncmta.mail import replies
from asyncmta.mail.reply import Reply


def bdat(state: SessionState, argument: str) -> Refused | None:
    """None: `state.reader` takes the octets that follow; Refused: it is the last word."""
    words = argument.split()
    size = parse_size(words[0]) if words else None
    if size is None:
        return Refused("BDAT", replies.CHUNK_SIZE_INVALID, state.reverse_path, closes=True)
    is_last = len(words) == 2 and words[1].upper() == "LAST"
    refusal = replies.SYNTAX_PARAMETERS if len(words) > 1 and not is_last else _refusal(state)
    if refusal is not None:
        state.reader = RefusedChunk(size, refusal)
        return None
    content = state.content
    if content is None:
        content = state.content = ChunkReader(state.begin_content())
    assert isinstance(content, ChunkReader)  # content of DATA is over before another command is read
    content.begin(size, is_last=is_last)
    state.reader = content
    return None


def is_whole(state: SessionState) -> bool:
    """Was the chunk of the last BDAT an empty one?"""
    reader = state.reader
    return isinstance(reader, ChunkReader | RefusedChunk) and reader.is_over


def _refusal(state: SessionState) -> Reply | None:
    if state.is_locked:
        return replies.NEED_TLS
    if not state.extended:  # CHUNKING is offered in the reply to EHLO alone
        return replies.NEED_EHLO
    if state.envelope is None:
        return replies.NEED_MAIL
    return None if state.recipients else state.nobody
