"""The verdict: a reply or a fault, and the stage it came at, into an outcome with cause and scope.

Promises: total. Every reply of 200..599 and every fault has a verdict at every stage; a `Deferred` never carries a 5yz
reply and a `Failed` never a 4yz one. What is out of order is transient: nothing bounces because a peer talks nonsense.
Before MAIL a failure concerns the host (site scope), so that the next exchanger is worth a try, and nothing bounces for
it; from MAIL on it is final for the attempt. Never: sockets, time, a decision about the next attempt.

RFC 5321 4.2.1 and 4.3.2 (replies by stage), 4.5.3.1.10 (552 to RCPT), RFC 3463 (enhanced status).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntEnum

from asyncmta.mail.outcome import NOWHERE, Cause, Deferred, Delivered, Failed, Handover, Outcome, Place, Scope
from asyncmta.mail.reply import EnhancedStatus, InvalidReply, Reply, parse_reply, reply


class Stage(IntEnum):
    """Where in a session it happened, in the order of a session."""

    CONNECT = 1
    GREETING = 2
    EHLO = 3
    STARTTLS = 4
    AUTH = 5
    MAIL = 6
    RCPT = 7
    DATA = 8
    DOT = 9


class Fault(Enum):
    """What went wrong without a reply: cause, enhanced status of our words for it, and the words."""

    CONNECT = (Cause.CONNECT, "4.4.1", "no connection")
    LOST = (Cause.CONNECT, "4.4.2", "the connection was lost")
    TIMEOUT = (Cause.TIMEOUT, "4.4.2", "timed out")
    GARBAGE = (Cause.CONNECT, "4.5.0", "not what the protocol allows")
    TLS = (Cause.TLS, "4.7.5", "no TLS")
    CONTENT = (Cause.STORAGE, "4.3.0", "the content could not be read")
    INTERNAL = (Cause.INTERNAL, "4.3.0", "internal error")


NOT_LIKE_THIS = 530  # "Must issue STARTTLS", "Authentication required": said of the session (RFC 3207 4, RFC 4954 6)

_NAMES = {
    Stage.CONNECT: "connecting",
    Stage.GREETING: "waiting for the greeting",
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.AUTH: "AUTH",
    Stage.MAIL: "MAIL",
    Stage.RCPT: "RCPT",
    Stage.DATA: "DATA",
    Stage.DOT: "the end of DATA",
}


def is_expected(stage: Stage, code: int) -> bool:
    """Does this reply code let the session go on? By its first digit, as RFC 5321 4.2.1 asks; DATA wants 3yz."""
    return code // 100 == (3 if stage is Stage.DATA else 2)


def is_about_order(heard: Reply) -> bool:
    """Is it refused for when it came, and not for what it says? (RFC 5321 4.3.2: 503; others say 554 to it.)"""
    text = heard.text.lower()
    return heard.code == 503 or (heard.code >= 500 and ("synchroni" in text or "pipelin" in text))


def judge(stage: Stage, heard: Reply, place: Place = NOWHERE, handover: Handover = Handover.RELAYED) -> Outcome | None:
    """The outcome that a reply means for those it concerns; None when it settles nothing and the session goes on.
    `handover`: what it means that this server takes a message."""
    code = heard.code
    if code < 400:
        if not is_expected(stage, code):
            return blame(stage, Fault.GARBAGE, f"unexpected reply: {heard}", place)
        return Delivered(heard, place, False, handover) if stage is Stage.DOT else None
    if code == 421:
        return Deferred(Cause.REFUSED, heard, Scope.SITE, place)
    if stage is Stage.STARTTLS or stage is Stage.AUTH:
        # Our own settings or the peer's bad day; mail does not bounce for a password that expired.
        said = reply(454, "4.7.0", f"{_NAMES[stage]} refused: {heard}")
        return Deferred(Cause.TLS if stage is Stage.STARTTLS else Cause.REFUSED, said, Scope.SITE, place)
    if stage < Stage.MAIL and code >= 500:
        # Said of us or of the host, before anything was known of the message (docs/decisions.md).
        said = Reply(450, _soften(heard).enhanced, (f"the host does not talk to us ({_NAMES[stage]}): {heard}",))
        return Deferred(Cause.REFUSED, said, Scope.SITE, place)
    if code == NOT_LIKE_THIS:
        text = f"the server wants TLS or a login: {heard}"
        heard, code = Reply(450, _soften(heard).enhanced, (text,)), 450
    if stage is Stage.RCPT and code == 552:
        heard, code = _soften(heard), 452
    scope = _scope(stage)
    return (Failed if code >= 500 else Deferred)(Cause.REFUSED, heard, scope, place)


def blame(stage: Stage, fault: Fault, detail: str = "", place: Place = NOWHERE) -> Deferred:
    """The outcome of a fault. After the dot only the recipient is concerned: the server may well have taken it."""
    cause, status, words = fault.value
    if fault is Fault.TIMEOUT and stage is Stage.CONNECT:
        status = "4.4.1"
    if fault is Fault.CONTENT or fault is Fault.INTERNAL:
        scope = Scope.MESSAGE
    else:
        scope = Scope.RECIPIENT if stage is Stage.DOT else Scope.SITE
    text = f"{words} ({_NAMES[stage]}): {detail}" if detail else f"{words} ({_NAMES[stage]})"
    return Deferred(cause, reply(451, status, text), scope, place)


def of_all_hosts(failures: Sequence[Failed | Deferred], *, ours: bool = False) -> Failed | Deferred:
    """The verdict on a site none of whose hosts could be used: permanent only when every one of them said so.

    `ours`: an operator named the hosts. What is wrong there is a matter of settings and contracts, which somebody can
    put right before the lifetime is over; so nothing bounces.
    """
    for failure in reversed(failures):
        if isinstance(failure, Deferred):
            return failure
    last = failures[-1]
    return Deferred(last.cause, _soften(last.reply), last.scope, last.place) if ours else last


def spoken(code: int, text: str) -> Reply | None:
    """The reply that a library has taken apart into code and text, lines parted by LF; None when it was none."""
    lines = text.split("\n")
    last = len(lines) - 1
    raw = "".join(f"{code:03d}{' ' if at == last else '-'}{line}\n" for at, line in enumerate(lines))
    try:
        return parse_reply(raw.encode("utf-8", "replace"))
    except InvalidReply:
        return None


def _scope(stage: Stage) -> Scope:
    if stage is Stage.RCPT:
        return Scope.RECIPIENT
    return Scope.MESSAGE if stage >= Stage.MAIL else Scope.SITE


def _soften(heard: Reply) -> Reply:
    status = heard.enhanced
    softer = EnhancedStatus(4, status.subject, status.detail) if status is not None else None
    return Reply(heard.code - 100, softer, heard.lines)
