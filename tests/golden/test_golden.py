"""Reports and Received fields as a person sees them: each case here has its file beside it, octet for octet.

A wanted change is written with `PYTHONPATH=. python tests/golden/test_golden.py`, and then read in the diff.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncmta.bounce.dsn import build_dsn
from asyncmta.bounce.templates import ENGLISH
from asyncmta.mail.address import parse_address
from asyncmta.mail.headers import Arrival, delivered_to, protocol_name, received, received_opening, return_path
from tests.golden.reports import ALICE, FACTS, NOW, QUEUE_ID, WORDS

HERE = Path(__file__).parent


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


def made(path: str) -> bytes:
    if path == "received-lines.txt":
        return received_lines()
    name = path.removeprefix("dsn-").removesuffix(".eml")
    return build_dsn(FACTS[name], WORDS.get(name, ENGLISH))


PATHS = [*(f"dsn-{name}.eml" for name in FACTS), "received-lines.txt"]


@pytest.mark.parametrize("path", PATHS)
def test_golden(path: str) -> None:
    lines, wanted = made(path).splitlines(keepends=True), (HERE / path).read_bytes().splitlines(keepends=True)
    assert [line.decode("utf-8", "replace") for line in lines] == [line.decode("utf-8", "replace") for line in wanted]
    assert lines == wanted


def test_every_file_has_its_case() -> None:
    assert {path.name for path in HERE.iterdir() if path.suffix in (".eml", ".txt")} == set(PATHS)


def test_the_documentation_shows_one_of_them() -> None:
    page = (HERE.parents[1] / "docs" / "bounces.md").read_text(encoding="utf-8")
    assert f"```text\n{made('dsn-documented.eml').decode()}```\n".replace("\r\n", "\n") in page


if __name__ == "__main__":
    for path in PATHS:
        (HERE / path).write_bytes(made(path))
