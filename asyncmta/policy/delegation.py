"""The Postfix policy delegation protocol as octets: a request from what is known, and what an answer means.

Promises: a request is `name=value` lines and one empty line; whatever a client sent, a value holds no line end and no
NUL, and is cut at 1,024 octets, so that nobody adds an attribute (P01); an answer that is none is `InvalidAnswer`, and
never taken for consent. Never: sockets.

http://www.postfix.org/SMTPD_POLICY_README.html, access(5); rows W-010, W-153.
"""

from __future__ import annotations

from typing import Final

from asyncmta.mail.address import Address
from asyncmta.policy.refusal import numbered, refusal
from asyncmta.policy.verdict import About, Verdict, header_line

BY = "policy service"
MAX_VALUE = 1024
MAX_ANSWER = 8192  # octets of a whole answer (row W-064)

_BREAKS: Final = dict.fromkeys([*range(32), *range(127, 160), 0x2028, 0x2029], "?")
_STATES: Final = {"connect": "CONNECT", "dot": "END-OF-MESSAGE"}


class InvalidAnswer(ValueError):
    """What came is no answer of a policy service."""


def encode_request(about: About) -> bytes:
    """All attributes of Postfix 3 that we have a value for; a name that we do not know is `unknown`, as there."""
    peer = about.peer
    findings = peer.findings
    version, _, cipher = peer.tls.partition(" ")
    attributes = {
        "request": "smtpd_access_policy",
        "protocol_state": _STATES.get(about.stage, about.stage),
        "protocol_name": "ESMTP" if peer.extended else "SMTP",
        "helo_name": peer.helo,
        "queue_id": "",
        "sender": _path(about.reverse_path),
        "recipient": _path(about.recipient),
        "recipient_count": str(about.recipients) if about.stage == "dot" else "0",
        "client_address": peer.ip,
        "client_name": findings.name or "unknown",
        "reverse_client_name": findings.reverse_name or "unknown",
        "client_port": str(peer.port) if peer.port else "",
        "instance": about.instance,
        "sasl_method": "",
        "sasl_username": peer.login or "",
        "sasl_sender": "",
        "size": str(about.size),
        "encryption_protocol": version,
        "encryption_cipher": cipher,
        "encryption_keysize": "",
        "etrn_domain": "",
        "stress": "",
        "ccert_subject": "",
        "ccert_issuer": "",
        "ccert_fingerprint": "",
        "ccert_pubkey_fingerprint": "",
    }
    lines = [f"{name}={_value(value)}\n" for name, value in attributes.items()]
    return ("".join(lines) + "\n").encode("utf-8", "replace")


def _path(address: Address | None) -> str:
    return "" if address is None else str(address)


def _value(text: str) -> str:
    text = text.translate(_BREAKS)
    octets = text.encode("utf-8", "replace")
    return text if len(octets) <= MAX_VALUE else octets[:MAX_VALUE].decode("utf-8", "ignore")


def answer_length(octets: bytes) -> int:
    """How many octets the first answer has, with its empty line; 0: it has not ended. InvalidAnswer: it never will."""
    ends = [at + len(end) for end in (b"\n\n", b"\n\r\n") if (at := octets.find(end)) >= 0]
    if min(ends, default=len(octets)) > MAX_ANSWER:
        raise InvalidAnswer("an answer without end")
    return min(ends, default=0)


def parse_answer(octets: bytes) -> Verdict | None:
    """One whole answer -> a verdict; None: it has no opinion (DUNNO, OK, and what says nothing about a refusal).
    Raises InvalidAnswer."""
    for line in octets.decode("utf-8", "replace").splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip().lower() == "action":
            return parse_action(value.strip())
    raise InvalidAnswer("an answer without an action")


def parse_action(text: str) -> Verdict | None:
    """The right-hand side of access(5). What it has and we have not raises InvalidAnswer: to take FILTER or REDIRECT
    for consent would be to do something else than was asked."""
    said = numbered(text)
    if said is not None:
        return Verdict("reject" if said.is_permanent else "defer", said, by=BY)
    word, _, rest = text.partition(" ")
    rest = rest.strip()
    match word.upper():
        case "DUNNO" | "OK" | "PERMIT" | "DEFER_IF_REJECT" | "WARN" | "INFO":
            return None
        case "REJECT":
            return _refusing(554, rest)
        case "DEFER" | "DEFER_IF_PERMIT":
            return _refusing(450, rest)
        case "HOLD":
            return Verdict("hold", by=BY)
        case "DISCARD":
            return Verdict("discard", by=BY)
        case "PREPEND":
            line = header_line(rest)
            if line is None:
                raise InvalidAnswer("PREPEND of what is no header field, or of one that is not for others to add")
            return Verdict("prepend", text=line, by=BY)
    if text.isascii() and text.isdigit():
        return None  # in access(5) a number alone is OK
    raise InvalidAnswer("an action that we do not have")


def _refusing(code: int, text: str) -> Verdict:
    said = refusal(code, text)
    return Verdict("reject" if said.is_permanent else "defer", said, by=BY)
