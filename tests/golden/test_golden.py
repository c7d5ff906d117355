"""Reports and Received fields as a person sees them: each case here has its file beside it, octet for octet.

A wanted change is written with `PYTHONPATH=. python tests/golden/test_golden.py`, and then read in the diff.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asyncmta.bounce.dsn import build_dsn
from asyncmta.bounce.dsn_facts import DsnFacts, ReportedRecipient
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import QueueId, Recipient
from asyncmta.mail.headers import Arrival, delivered_to, protocol_name, received, received_opening, return_path
from asyncmta.mail.outcome import Cause, Deferred, Failed, Place
from asyncmta.mail.reply import parse_reply, reply

HERE = Path(__file__).parent
QUEUE_ID = QueueId(0x5EED_0000_1000_0000_002A)
NOW = 1732226460.0
ACCEPTED = NOW - 5 * 86400
ALICE = parse_address("alice@example.org")
ORIGINAL = b"""\
Received: from laptop.example.org ([192.0.2.44])
\tby mx.example.org with ESMTPSA id 00000000000000aa;
\tSat, 16 Nov 2024 22:01:00 +0000
From: Alice <alice@example.org>
To: Bob <bob@example.net>, carol@example.net
Subject: Minutes
Message-ID: <20241116.1@laptop.example.org>
Date: Sat, 16 Nov 2024 22:00:58 +0000

Dear all,

.these are the minutes.
""".replace(b"\n", b"\r\n")


def failed(
    address: str, outcome: Failed, *, orcpt: str | None = None, last: Deferred | None = None
) -> ReportedRecipient:
    return ReportedRecipient(Recipient(parse_address(address, smtputf8=True), orcpt=orcpt), outcome, NOW - 10, last)


def report(*failures: ReportedRecipient, **more: object) -> bytes:
    return build_dsn(
        DsnFacts(
            **{  # type: ignore[arg-type]
                "boundary": "c0ffee0123456789",
                "message_id": "bounce.5eed@mx.example.org",
                "reporting_mta": "mx.example.org",
                "postmaster": "postmaster@example.org",
                "at": NOW,
                "reverse_path": ALICE,
                "queue_id": QUEUE_ID,
                "accepted_at": ACCEPTED,
                "attempts": 1,
                "recipients": failures,
                "total": len(failures),
                "content": ORIGINAL,
            }
            | more
        )
    )


def refused_by_two_hosts() -> bytes:
    place = Place("mx1.example.net", "192.0.2.1", "TLSv1.3")
    gone = parse_reply(
        b"550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
        b"550-5.1.1 double-checking the recipient's email address for typos or\r\n"
        b"550 5.1.1 unnecessary spaces. https://support.example.net/?p=NoSuchUser\r\n"
    )
    full = parse_reply(b"552 Mailbox full\r\n")
    other = Place("mail.example.com", "2001:db8::25")
    return report(
        failed("bob@example.net", Failed(Cause.REFUSED, gone, place=place), orcpt="rfc822;info+2Bbob@example.org"),
        failed("dave@example.com", Failed(Cause.REFUSED, full, place=other)),
        failed("carol@example.net", Failed(Cause.REFUSED, gone, place=place)),
        total=7,
        delivered=3,
        pending=1,
        envid="QQ314159",
    )


def expired() -> bytes:
    place = Place("mx1.example.net", "192.0.2.1")
    busy, silent = parse_reply(b"450 4.2.1 Greylisted\r\n"), reply(451, "4.4.1", "Connection timed out")
    return report(
        failed("bob@example.net", Failed(Cause.EXPIRED, busy), last=Deferred(Cause.REFUSED, busy, place=place)),
        failed("eve@example.com", Failed(Cause.EXPIRED, silent), last=Deferred(Cause.TIMEOUT, silent)),
        attempts=42,
        full=True,
    )


def delayed() -> bytes:
    place = Place("mx1.example.net", "192.0.2.1")
    busy, untried = parse_reply(b"450 4.2.1 Greylisted\r\n"), reply(451, "4.4.7", "It could not be tried yet")
    return report(
        failed("bob@example.net", Deferred(Cause.REFUSED, busy, place=place)),
        ReportedRecipient(Recipient(parse_address("eve@example.com")), Deferred(Cause.EXPIRED, untried)),
        total=3,
        delivered=1,
        accepted_at=NOW - 7200,
        deliver_by=NOW,
    )


def no_such_domain() -> bytes:
    return report(failed("bob@nowhere.example", Failed(Cause.DNS, reply(550, "5.1.2", "No such domain"))), full=True)


def inside() -> bytes:
    return report(failed("bob@example.org", Failed(Cause.STORAGE, reply(554, "5.3.0", "/var/mail/bob: disk quota"))))


def hostile() -> bytes:
    answer = parse_reply(
        b"550-5.1.1 \x1b[2J--=_c0ffee0123456789\rSubject: pwned\r\n550-5.1.1\r\n550 5.1.1 "
        + b"z" * 700
        + b" \xc3\xa9\xff\r\n"
    )
    place = Place("mx\r\nX-Evil: 1", "192.0.2.1 <x>")
    content = b"Subject: --=_c0ffee0123456789--\r\nX-Long: " + b"y" * 1200 + b"\r\nX-Raw: \xe9\0\r\n\r\nbody\r\n"
    outcome = Failed(Cause.REFUSED, answer, place=place)
    return report(
        failed('"a b\\"<c@d>"@example.net', outcome, orcpt="rfc822;x+0D+0ASubject:+20pwned"),
        content=content,
        envid="+0D+0AX:y",
    )


def smtputf8() -> bytes:
    answer = parse_reply("550 5.1.1 用户不存在\r\n".encode())
    return report(
        failed(
            "用户@例子.example",
            Failed(Cause.REFUSED, answer, place=Place("mx.xn--fsqu00a.example", "192.0.2.9")),
            orcpt=r"utf-8;\x{7528}\x{6237}@example.org",
        ),
        reverse_path=parse_address("jürgen@bücher.example", smtputf8=True),
        content=ORIGINAL.replace(b"Minutes", "Größe".encode()),
        smtputf8=True,
        full=True,
    )


def received_lines() -> bytes:
    def one(recipient: str | None = None, **facts: str) -> bytes:
        opening = received_opening(Arrival(by="mx.example.org", **facts))
        to = None if recipient is None else parse_address(recipient, smtputf8=True)
        return received(opening, queue_id=QUEUE_ID, at=NOW, recipient=to)

    esmtps = protocol_name(extended=True, tls=True)
    return b"".join([
        one(helo="client.example", ip="192.0.2.1", protocol=protocol_name(extended=False)),
        one("bob@example.net", helo="client.example", ip="192.0.2.1", name="client.example", protocol=esmtps,
            tls="TLSv1.3 with TLS_AES_256_GCM_SHA384"),
        one('"b o b"@[IPv6:2001:db8::1]', helo="[IPv6:2001:db8::2]", ip="2001:db8::2", login="alice@example.org",
            protocol=protocol_name(extended=True, tls=True, authenticated=True)),
        one("用户@例子.example", helo="client", ip="::ffff:192.0.2.1",
            protocol=protocol_name(extended=True, smtputf8=True)),
        one(helo="evil\r\nX-Evil: 1 (", ip="fe80::1%\r\neth0", name="no name;", login="me\r\n\tyou", protocol="ES MTP"),
        one(helo="x" * 300, ip="192.0.2.1"),
        one(protocol="HTTP"),
        one(),
        return_path(None),
        return_path(ALICE),
        delivered_to(parse_address('"b o b"@example.org')),
    ])  # fmt: skip


CASES: dict[str, Callable[[], bytes]] = {
    "dsn-refused-by-two-hosts.eml": refused_by_two_hosts,
    "dsn-expired.eml": expired,
    "dsn-delayed.eml": delayed,
    "dsn-no-such-domain.eml": no_such_domain,
    "dsn-inside.eml": inside,
    "dsn-hostile.eml": hostile,
    "dsn-smtputf8.eml": smtputf8,
    "received-lines.txt": received_lines,
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    made, path = CASES[name](), HERE / name
    assert made.decode().splitlines(keepends=True) == path.read_bytes().decode().splitlines(keepends=True)


def test_every_file_has_its_case() -> None:
    assert {path.name for path in HERE.iterdir() if path.suffix in (".eml", ".txt")} == set(CASES)


if __name__ == "__main__":
    for name, make in CASES.items():
        (HERE / name).write_bytes(make())
