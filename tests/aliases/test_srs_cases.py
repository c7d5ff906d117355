"""The table of SRS cases: senders there and local parts back, against known vectors and a second implementation."""

from __future__ import annotations

import base64
import hashlib
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from asyncmta.mail.address import Address, parse_address, unquote
from asyncmta.mailboxes.srs import Srs, Unusable

CASES = tomllib.loads((Path(__file__).parent / "cases" / "srs.toml").read_text())["case"]
WORDS = {Unusable.MALFORMED: "malformed", Unusable.FORGED: "forged", Unusable.EXPIRED: "expired"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
NEW_YEAR = datetime(2020, 1, 1, 0, 1, tzinfo=UTC)


def guarded(secret: str, *parts: str) -> str:
    """The hash from the paper, HMAC spelled out (RFC 2104)."""
    key = secret.encode().ljust(64, b"\0")
    inner = hashlib.sha1(bytes(octet ^ 0x36 for octet in key) + "".join(parts).lower().encode()).digest()
    outer = hashlib.sha1(bytes(octet ^ 0x5C for octet in key) + inner).digest()
    return base64.b64encode(outer).decode()[:4]


def second_opinion(secret: str, sender: Address, at: datetime) -> str:
    """What `sender` is rewritten to, as a local part without quotes."""
    name = unquote(sender.local_part)
    if name[:5].upper() in ("SRS0=", "SRS0+", "SRS0-"):
        return f"SRS1={guarded(secret, sender.domain, name[4:])}={sender.domain}={name[4:]}"
    if name[:5].upper() in ("SRS1=", "SRS1+", "SRS1-") and name.count("=") >= 3 - (name[4] != "="):
        _, host, rest = name[5:].split("=", 2)
        return f"SRS1={guarded(secret, host, rest)}={host}={rest}"
    day = (at - datetime(1970, 1, 1, tzinfo=UTC)).days
    stamp = LETTERS[day // 32 % 32] + LETTERS[day % 32]
    return f"SRS0={guarded(secret, stamp, sender.domain, name)}={stamp}={sender.domain}={name}"


@pytest.mark.parametrize("case", [pytest.param(case, id=case["about"]) for case in CASES])
def test_there_and_back(case: dict[str, Any]) -> None:
    secrets = case.get("secrets", ["tops3cr3t"])
    at = case.get("at", NEW_YEAR)
    srs = Srs(secrets=secrets, domain="example.com", days=case.get("days", 21))
    if "back" in case:
        back = srs.returned(case["back"], at.timestamp())
        assert (WORDS[back] if isinstance(back, Unusable) else str(back)) == case["is"]
        return
    sender = parse_address(case["forward"], smtputf8=True)
    there = srs.forwarded(sender, at.timestamp())
    if case["is"].endswith("+"):
        assert str(there).startswith(case["is"][:-1])
    else:
        assert str(there or "none") == case["is"]
    if there is not None and there != sender:
        assert unquote(there.local_part) == second_opinion(secrets[0], sender, at)
    if case.get("round"):
        assert there is not None
        assert str(srs.returned(there.local_part, at.timestamp())) == case.get("back_is", case["forward"])
