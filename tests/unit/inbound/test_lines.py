"""inbound/lines: a command line as octets becomes text, or is refused."""

from __future__ import annotations

from asyncmta.inbound.events import Refused
from asyncmta.inbound.lines import COMMAND_TOO_LONG, OTHER_PROTOCOL, as_text, is_other_protocol, is_too_long


def code_of(line: bytes) -> str:
    found = as_text(line)
    assert isinstance(found, Refused)
    return f"{found.reply.code} {found.reply.enhanced}"


def test_text_without_its_end_and_the_blanks_before_it() -> None:
    assert as_text(b"NOOP x  \r") == "NOOP x"
    assert as_text("NOOP é\u200d\u00a0y\r".encode()) == "NOOP é\u200d\u00a0y"


def test_what_no_line_is() -> None:
    assert as_text(b"\x16\x03\r") is OTHER_PROTOCOL
    assert as_text(b"x" * 2047 + b"\r") is COMMAND_TOO_LONG
    assert code_of(b"NOOP") == "500 5.5.2"
    assert code_of(b"") == "500 5.5.2"
    assert code_of(b"\r") == "500 5.5.2"
    assert code_of(b"NO\rOP\r") == "500 5.5.2"
    assert code_of(b"NOOP \xff\r") == "500 5.5.2"
    assert code_of(b"NOOP \x00\r") == "501 5.5.4"
    assert code_of("NOOP \x85\r".encode()) == "501 5.5.4"


def test_auth_may_be_longer() -> None:
    assert not is_too_long(b"x" * 2047)
    assert is_too_long(b"x" * 2048)
    assert not is_too_long(b"auth " + b"x" * 12000)
    assert is_too_long(b"AUTH " + b"x" * 12283)
    assert as_text(b"AUTH PLAIN " + b"x" * 5000 + b"\r") == "AUTH PLAIN " + "x" * 5000


def test_other_protocols_show_in_their_first_octet() -> None:
    assert is_other_protocol(b"\x16")
    assert is_other_protocol(b"\x80")
    assert not is_other_protocol(b"E")
    assert not is_other_protocol(b"\r")
