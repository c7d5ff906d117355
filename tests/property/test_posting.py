"""What programs on this machine hand in: all of it has an answer, and what is taken says what it said."""

from __future__ import annotations

import email
import email.policy
import string

from hypothesis import given
from hypothesis import strategies as st

from asyncmta.cli.message_text import Unreadable, authored, bare, ended, mailbox, people
from asyncmta.cli.sendmail_flags import Call, Misused, parse_flags
from asyncmta.inbound.drop_file import Directions, Dropped, read, write
from asyncmta.inbound.injection import Prepared, prepare
from asyncmta.mail.long_lines import unwrapped
from asyncmta.mail.reply import Reply
from asyncmta.mail.wire import crlf, longest_line_ok

FLAGS = st.text(alphabet="-tifFrbqoBNRVsp <>@x,", max_size=8)
ADDRESSES = st.text(alphabet='ab<>@,;:"()\\ .', max_size=30)
PRINTED = st.text(alphabet=string.printable.replace("\r", "").replace("\x0b", ""), max_size=30)
LINES = st.lists(st.builds(lambda text, times: text * times, PRINTED, st.integers(0, 200)), max_size=8)


@given(st.lists(FLAGS, max_size=6))
def test_any_arguments_mean_something_or_are_refused(arguments: list[str]) -> None:
    try:
        call = parse_flags(arguments)
    except Misused:
        return
    assert isinstance(call, Call)
    assert set(call.recipients) <= set(arguments)


@given(ADDRESSES)
def test_any_argument_is_people_or_unreadable(argument: str) -> None:
    try:
        found, sender = people(argument), bare(argument)
    except Unreadable:
        return
    assert all(found)
    assert sender in ("", *found)


@given(st.binary(max_size=200), st.booleans())
def test_what_ends_a_message_never_adds_to_it(content: bytes, keeps_dot: bool) -> None:
    kept = ended(content, keeps_dot=keeps_dot)
    assert kept in content
    assert keeps_dot or b"\n.\n" not in b"\n" + kept


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=60))
def test_no_name_is_more_than_a_name(name: str) -> None:
    line = f"From: {mailbox('a@b.example', name)}\r\n".encode()
    assert line.count(b"\n") == line.count(b"\r") == 1 + line.count(b"\r\n ")
    assert line.endswith(b"<a@b.example>\r\n")


@given(st.binary(max_size=300))
def test_an_author_is_added_once(content: bytes) -> None:
    made = authored(content, address="a@b.example", name="A", at=0.0)
    assert made.endswith(crlf(content))
    assert authored(made, address="c@d.example", name="C", at=9e8) == made


@given(st.binary(max_size=200), st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)))
def test_a_dropped_message_comes_back(content: bytes, recipients: list[str]) -> None:
    message = Dropped(Directions(None, tuple(recipients)), content)
    assert read(write(message)) == message


@given(st.binary(max_size=200))
def test_any_file_is_a_message_or_has_a_fault(octets: bytes) -> None:
    assert isinstance(read(octets), str)
    assert isinstance(read(b"asyncmta drop 1 " + octets), str)


@given(LINES)
def test_a_text_with_long_lines_says_what_it_said(lines: list[str]) -> None:
    body = "\n".join(lines).replace("\n\n", "\n \n") + "\n"
    content = crlf(f"Subject: x\n\n{body}".encode())
    made = unwrapped(content)
    assert longest_line_ok(made)
    message = email.message_from_bytes(made, policy=email.policy.SMTP)
    said = message.get_payload(decode=True)
    assert isinstance(said, bytes)
    assert said == content.partition(b"\r\n\r\n")[2]


@given(st.binary(max_size=3000))
def test_what_is_completed_can_be_sent(content: bytes) -> None:
    made = prepare(content, at=0.0, message_id="<x@y>", size_limit=1 << 20, completes=True)
    if isinstance(made, Reply):
        assert made.is_permanent
        return
    assert isinstance(made, Prepared)
    assert longest_line_ok(made.wire, 1001)  # a dot more
    assert made.wire.startswith(made.section)
