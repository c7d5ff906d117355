"""delivery/mailbox_form: what stands in a Maildir, in one piece and at every split."""

from __future__ import annotations

import pytest

from asyncmta.delivery.mailbox_form import MailboxForm, mailbox_form

TEXT = b"a: b\r\n..c: d\r\n\r\n..\r\nx\r\n"
BINARY = b"a: b\r\nc: d\re\r\n\r\n.\r\n\r\n\0\r\r\n\n.\xff"


@pytest.mark.parametrize(
    ("wire", "dotted", "binary", "expected"),
    [
        (TEXT, True, False, b"a: b\n.c: d\n\n.\nx\n"),
        (b"a: b\r\n", False, False, b"a: b\n"),
        (BINARY, False, True, b"a: b\nc: d\re\n\n.\r\n\r\n\0\r\r\n\n.\xff"),
        (b"a: b\r\n\r\n", False, True, b"a: b\n\n"),
        (b"a: b\r\n", False, True, b"a: b\n"),
        (b"a: b\r\n\r", False, True, b"a: b\n\r"),
        (b"a", False, True, b"a"),
        (b"", False, True, b""),
    ],
)
def test_every_split_gives_the_same(wire: bytes, dotted: bool, binary: bool, expected: bytes) -> None:
    assert mailbox_form([wire], dotted, binary) == expected
    for one in range(len(wire) + 1):
        for two in range(one, len(wire) + 1):
            form = MailboxForm(dotted, binary)
            chunks = (wire[:one], wire[one:two], wire[two:])
            assert b"".join([*map(form.feed, chunks), form.end()]) == expected
    form = MailboxForm(dotted, binary)
    assert b"".join([*(form.feed(wire[at : at + 1]) for at in range(len(wire))), form.end()]) == expected
