"""Why something was refused, deferred or failed, as a class: replies that differ in ids, numbers and addresses are one.

Promises: no address, no IP address, no URL and no id is in a reason's text, and the text is one printable line of at
most MAX_TEXT characters, so that the reasons of a million failures are few. Codes are kept. Never: counting.

RFC 5321 4.2 (codes), RFC 3463 (enhanced status).
"""

from __future__ import annotations

import re

from msgspec import Struct

MAX_TEXT = 160
_LOOKED_AT = 600  # the log itself cuts a value at 500

_REPLY = re.compile(r"([2-5])[0-9]{2}(?:[ -]|\Z)")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |\Z)")
_COLONS = "[0-9a-f:]{0,40}::|(?:[0-9a-f]{1,4}:){3}"  # and not the two of a time of day
_MASKS = (
    (re.compile(r"\bhttps?://[^\s<>\"']{1,500}", re.IGNORECASE), "<url>"),
    # `[^...]{0,64}@` and not `{1,64}`: what is left of a quoted local-part is masked with its domain, too.
    (re.compile(r"<?(?:\"[^\"]{0,64}\"|[^\s<>@\"'(),;:]{0,64})@[^\s<>@\"'(),;:]{1,255}>?"), "<address>"),
    (
        re.compile(
            rf"\[?(?<![\w:])(?:IPv6:)?(?={_COLONS})(?:[0-9a-f]{{0,4}}:){{2,7}}[0-9a-f]{{0,4}}(?![\w:])\]?", re.I
        ),
        "<ip>",
    ),
    (re.compile(r"\[?(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w.]*\w)\]?"), "<ip>"),
    (re.compile(r"(?<![\w-])(?=[A-Za-z_-]*[0-9])[\w-]{6,}"), "<id>"),
    (re.compile(r"[0-9]+"), "<n>"),
)


class Reason(Struct, frozen=True, gc=False):
    """`cause`: who or what decided ("refused", "timeout"; at our door the stage); `status`: x.y.z or ""; `class_`: the
    class of the reply ("5xx") or ""; `text`: what is left of the reply without what is of this one case."""

    cause: str
    status: str
    class_: str
    text: str


def reason_of(cause: str, status: str, reply: str) -> Reason:
    """`reply` as the log has it: code, status and text on one line; or "", or anything at all."""
    text = reply[:_LOOKED_AT]
    class_ = ""
    if found := _REPLY.match(text):
        class_ = f"{found[1]}xx"
        text = text[found.end() :].lstrip()
    if found := _STATUS.match(text):
        text = text[found.end() :].lstrip()
    return Reason(_one_line(cause), status if _STATUS.fullmatch(status) else "", class_, masked(text))


def masked(text: str) -> str:
    """Without what is of one case only."""
    text = _one_line(text[:_LOOKED_AT])
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)
