"""Arguments of commands: placeholders, and values that strangers choose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.delivery.arguments import FIELDS, Hazard, InvalidArgument, fields_of, fill, parse_argument
from asyncmta.mail.address import InvalidAddress, parse_address
from asyncmta.mail.envelope import QueueId

ID = QueueId(7)
SENDER = parse_address("sender@example.org")
ALICE = parse_address("Alice@Example.NET")
ODD = parse_address('"a b;$(x)"@example.net')


def test_each_placeholder() -> None:
    command = (
        "/bin/x",
        "{recipient}",
        "{local_part}",
        "{domain}",
        "{sender}",
        "{queue_id}",
        "--to={recipient}/{sender}",
    )
    assert fill(command, sender=SENDER, recipients=[ALICE], queue_id=ID) == (
        b"/bin/x",
        b"Alice@Example.NET",
        b"Alice",
        b"example.net",
        b"sender@example.org",
        b"0000000000000007",
        b"--to=Alice@Example.NET/sender@example.org",
    )


def test_an_argument_stays_one_argument_whatever_is_in_it() -> None:
    filled = fill(("/bin/x", "{local_part}", "{recipient}"), sender=None, recipients=[ODD], queue_id=ID)
    assert filled == (b"/bin/x", b"a b;$(x)", b'"a b;$(x)"@example.net')


def test_the_null_reverse_path_is_an_empty_argument() -> None:
    assert fill(("/bin/x", "{sender}", "<{sender}>"), sender=None, recipients=[ALICE], queue_id=ID)[1:] == (b"", b"<>")


def test_what_names_the_recipient_is_there_for_each() -> None:
    command = ("/bin/x", "{sender}", "{recipient}", "-d", "--at={domain}")
    assert fill(command, sender=SENDER, recipients=[ALICE, ODD], queue_id=ID) == (
        b"/bin/x",
        b"sender@example.org",
        b"Alice@Example.NET",
        b'"a b;$(x)"@example.net',
        b"-d",
        b"--at=example.net",
        b"--at=example.net",
    )


@pytest.mark.parametrize("argument", ["{recipient}", "{local_part}", "{local_part}{domain}"])
def test_no_address_becomes_an_option(argument: str) -> None:
    for text in ("-rf@example.net", '"-rf"@example.net'):
        address = parse_address(text)
        if argument == "{recipient}" and text.startswith('"'):
            continue
        with pytest.raises(Hazard):
            fill(("/bin/x", argument), sender=SENDER, recipients=[address], queue_id=ID)
    with pytest.raises(Hazard):
        fill(("/bin/x", "{sender}"), sender=parse_address("-x@example.org"), recipients=[ALICE], queue_id=ID)


def test_behind_something_fixed_a_hyphen_is_a_letter() -> None:
    address = parse_address("-rf@example.net")
    command = ("/bin/x", "--to={recipient}", "to:{local_part}", "-f{recipient}")
    assert fill(command, sender=SENDER, recipients=[address], queue_id=ID)[1:] == (
        b"--to=-rf@example.net",
        b"to:-rf",
        b"-f-rf@example.net",
    )


def test_other_braces_are_text() -> None:
    command = ("/usr/bin/awk", "{print $1}", "{}", "{A}", "{{sender}}")
    assert fill(command, sender=SENDER, recipients=[ALICE], queue_id=ID)[1:] == (
        b"{print $1}",
        b"{}",
        b"{A}",
        b"{sender@example.org}",
    )
    assert parse_argument("a{sender}b") == ("a", "sender", "b")


def test_a_placeholder_that_there_is_not() -> None:
    with pytest.raises(InvalidArgument, match=r"there is no \{user\}; allowed are \{recipient\}"):
        parse_argument("x{user}")


@given(
    st.text(max_size=12), st.lists(st.sampled_from(["-", "--x=", "", *(f"{{{name}}}" for name in FIELDS)]), max_size=4)
)
def test_never_an_option_that_the_settings_do_not_have(name: str, parts: list[str]) -> None:
    try:
        address = parse_address(f"{name}@example.net", smtputf8=True)
    except InvalidAddress:
        address = parse_address("-@example.net")
    argument = "".join(parts)
    try:
        filled = fill((argument,), sender=address, recipients=[address], queue_id=ID)
    except Hazard:
        assert not argument.startswith("-")
        return
    assert len(filled) == 1
    assert filled[0].startswith(b"-") == argument.startswith("-")
    assert b"\0" not in filled[0]
    assert set(fields_of(address)) == {"recipient", "local_part", "domain"}
