"""auth/dovecot_lines: what is asked, octet by octet, and what the lines of a server say."""

from __future__ import annotations

import pytest

from asyncmta.auth import dovecot_lines as lines
from asyncmta.auth.source import Attempt


def test_requests() -> None:
    assert lines.hello(77) == b"VERSION\t1\t2\nCPID\t77\n"
    assert lines.begin(3, Attempt("PLAIN"), b"\0a\0b") == (
        b"AUTH\t3\tPLAIN\tservice=smtp\tnologin\tfinal-resp-ok\tresp=AGEAYg==\n"
    )
    assert lines.begin(4, Attempt("PLAIN", "2001:db8::1", True), b"") == (
        b"AUTH\t4\tPLAIN\tservice=smtp\tnologin\tfinal-resp-ok\tsecured\trip=2001:db8::1\tresp=\n"
    )
    assert lines.go_on(4, b"xyz") == b"CONT\t4\teHl6\n"
    assert lines.cancel(4) == b"CANCEL\t4\n"
    assert lines.plain("é", "pass word") == b"\0\xc3\xa9\0pass word"


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (b"VERSION\t1\t2", lines.Version(1)),
        (b"MECH\tPLAIN\tplaintext", lines.Mechanism("PLAIN")),
        (b"MECH\tscram-sha-256\tmutual-auth", lines.Mechanism("SCRAM-SHA-256")),
        (b"MECH\tCRAM-MD5\tdictionary", None),
        (b"SPID\t12", None),
        (b"COOKIE\tabc", None),
        (b"DONE", lines.Done()),
        (b"OK\t5\tuser=alice", lines.Good(5, "alice", b"")),
        (b"OK\t5\tuser=al\x01tice\tresp=eA==", lines.Bad(5, True)),
        (b"OK\t5\tnologin\tuser=alice\tresp=dj14", lines.Good(5, "alice", b"v=x")),
        (b"OK\t5\tuser=alice\tresp=!", lines.Bad(5, True)),
        (b"OK\t5", lines.Bad(5, True)),
        (b"CONT\t5\teHl6", lines.More(5, b"xyz")),
        (b"CONT\t5", lines.More(5, b"")),
        (b"CONT\t5\t!", None),
        (b"FAIL\t5\tuser=alice", lines.Bad(5, False)),
        (b"FAIL\t5\tuser=alice\ttemp", lines.Bad(5, True)),
        (b"FAIL\t5\tcode=temp_fail", lines.Bad(5, True)),
        (b"FAIL\t5\tcode=user_disabled\treason=no", lines.Bad(5, False)),
        (b"FAIL\tx", None),
        (b"OK", None),
        (b"VERSION\tx\t1", None),
        (b"OK\t99999999999\tuser=a", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_answers(line: bytes, meaning: lines.Line | None) -> None:
    assert lines.parse(line) == meaning


def test_escapes() -> None:
    assert lines.escape("a\tb\nc\rd\0e\x01f") == "a\x01tb\x01nc\x01rd\x010e\x011f"
    assert lines.unescape("a\x01tb\x01") == "a\tb"
    assert lines.unescape("\x01x") == "x"
