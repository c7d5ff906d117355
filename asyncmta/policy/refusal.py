"""Refusals in other people's words: a code, an enhanced status, a text, each of them optional, as one `Reply`.

Promises: a status of another class than the code is dropped for x.7.1; control characters never get through. Never: a
refusal that is none.

access(5), RFC 5321 4.2.1, RFC 3463.
"""

from __future__ import annotations

import re

from asyncmta.mail import replies
from asyncmta.mail.reply import Reply, reply

_NUMBERED = re.compile(r"([2-5][0-9]{2})(?:\s+(.*))?\Z", re.DOTALL)
_CODE = re.compile(r"[45][0-5][0-9]")
_STATUS = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?:\s+|\Z)")


class InvalidRefusal(ValueError):
    """The text is no refusal of the kind that is wanted."""


def refusal(code: int, text: str) -> Reply:
    """`text` may begin with an enhanced status."""
    status = _STATUS.match(text)
    enhanced = f"{code // 100}.7.1"
    if status is not None:
        text = text[status.end() :]
        if int(status[1]) == code // 100:  # else it contradicts the code, which decides
            enhanced = f"{status[1]}.{status[2]}.{status[3]}"
    default = replies.REJECTED_BY_RULE if code >= 500 else replies.DEFERRED_BY_RULE
    return reply(code, enhanced, text or default.text)


def numbered(text: str) -> Reply | None:
    """What begins with a code of refusal; None: it does not."""
    match = _NUMBERED.match(text)
    return refusal(int(match[1]), match[2] or "") if match is not None and _CODE.match(text) else None


def parse_refusal(text: str, *, permanent: bool) -> Reply:
    """`reply` of a rule: a text, or one with a code before it, which is 5yz or 4yz as wanted; raises InvalidRefusal."""
    wanted = "5yz" if permanent else "4yz"
    if _NUMBERED.match(text) is None:
        return refusal(550 if permanent else 450, text)
    found = numbered(text)
    if found is None or found.is_permanent != permanent:
        raise InvalidRefusal(
            f'expected a text, or {wanted} and a text, such as "{"550 5.7.1" if permanent else "450 4.7.1"} Not today"'
        )
    return found
