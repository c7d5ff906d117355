"""inbound/commands: what is read at once is what the long way makes of it, in any session."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.inbound.commands import parse_mail, parse_rcpt, plain_recipient, plain_sender
from asyncmta.mail.address import Address
from tests.property.test_address import ascii_addresses, soup

POSTMASTER = Address("postmaster", "mx.example.org", "mx.example.org")
keywords = st.sampled_from(["FROM:", "from:", "To:", "TO:", "TO: ", "FROM:<> ", " FROM:", "FROM"])
edges = st.sampled_from(
    ["a@" + "b" * 63 + ".1", "a@b.1x", "a@b.x1", "a" * 255 + "@b.org", "a" * 256 + "@b.org", "a@b-", "a@b.org\n"]
)
long_domains = st.integers(120, 128).map(lambda labels: "a@" + "b." * labels + "org")
addresses = ascii_addresses | edges | long_domains | soup
parameters = st.lists(
    st.sampled_from(
        [
            "",
            "SIZE=0",
            "SIZE=12",
            "SIZE=" + "9" * 20,
            "SIZE=" + "9" * 21,
            "SIZE=",
            "size=7",
            "SIZE=\u0663",
            "SIZE=+1",
            " ",
        ]
    )
    | st.sampled_from(
        ["BODY=7BIT", "BODY=8BITMIME", "BODY=BINARYMIME", "body=8bitmime", "BODY=", "SMTPUTF8", "RET=HDRS", "X=1"]
    ),
    max_size=3,
).map(" ".join)


@settings(max_examples=max(1000, settings.default.max_examples))
@given(keywords, addresses, parameters, st.booleans())
def test_what_is_read_at_once_is_what_the_long_way_says(keyword: str, address: str, rest: str, is_rich: bool) -> None:
    for argument in (f"{keyword}<{address}>", f"{keyword}<{address}> {rest}", f"{keyword}{address}{rest}"):
        sender, recipient = plain_sender(argument), plain_recipient(argument)
        if sender is not None:
            assert sender == parse_mail(argument, offers_auth=is_rich, offers_release=is_rich, has_tls=is_rich)
        if recipient is not None:
            assert recipient == parse_rcpt(argument, POSTMASTER, smtputf8=is_rich)


def test_what_nearly_all_of_them_are_is_read_at_once() -> None:
    for argument in (
        "FROM:<a@b.org>",
        "from:<a@b.org>",
        "FROM:<a.b+c@b-c.org> SIZE=12",
        "FROM:<a@b.org> SIZE=1 BODY=7BIT",
    ):
        assert plain_sender(argument) == parse_mail(argument)
    assert plain_sender("FROM:<a@b.org> BODY=8BITMIME") == parse_mail("FROM:<a@b.org> BODY=8BITMIME")
    assert plain_recipient("TO:<a@b.org>") == parse_rcpt("TO:<a@b.org>", POSTMASTER)
    for argument in (
        "FROM:<>",
        "FROM:<a@[192.0.2.1]>",
        "FROM:<a@b.1>",
        "FROM:<a@b.org> SMTPUTF8",
        "FROM:<a@b.org> SIZE=x",
    ):
        assert plain_sender(argument) is None
    for argument in ("TO:<postmaster>", 'TO:<"a"@b.org>', "TO:<a@b.1>", "TO:<a@b.org> NOTIFY=NEVER", "FROM:<a@b.org>"):
        assert plain_recipient(argument) is None
