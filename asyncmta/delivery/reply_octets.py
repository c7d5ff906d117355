"""Replies as they come in pieces: where one ends with all its lines, and when one is too long to be one.

Promises: a reply ends where its last line does, also when its lines end in LF alone; what is held back of a peer that
never ends its reply is bounded. Never: what a reply means.

RFC 5321 4.2.1 (several lines), 4.5.3.1.5 (512 octets a line; peers take more).
"""

from __future__ import annotations

import re

LONGEST_LINE = 8192
LONGEST_REPLY = 4 * LONGEST_LINE


consents_for_one = re.compile(rb"250 [^\n]*\n250 [^\n]*\n354 [^\n]*\n").fullmatch
"""Is it the usual answer to MAIL, one RCPT and DATA, and nothing beside? In one step, as it comes with each message."""


def end_of_reply(octets: bytes, start: int) -> int:
    """Where the reply that begins at `start` ends, with all its lines; -1 when that has not come yet."""
    while True:
        end = octets.find(b"\n", start) + 1
        if not end:
            return -1
        if end - start < 5 or octets[start + 3] != 0x2D:
            return end
        start = end


def is_endless(rest: bytes) -> bool:
    """Is what has come of an unfinished reply more than anybody means to say?"""
    return len(rest) > LONGEST_LINE and (len(rest) > LONGEST_REPLY or len(rest) - rest.rfind(b"\n") > LONGEST_LINE)
