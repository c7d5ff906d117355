"""mail/address: parse and print are inverse, keys mean mailboxes, and no control character gets in."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncmta.mail.address import MAX_DOMAIN, MAX_LOCAL_PART, Address, InvalidAddress, parse_address, unquote

ATEXT = "abcXYZ059!#$%&'*+/=?^_`{|}~-"
FOREIGN = "éßñ用户例子жא"
LDH = "abcxyz0189"

atoms = st.text(ATEXT, min_size=1, max_size=12)
dot_strings = st.lists(atoms, min_size=1, max_size=4).map(".".join)
quoted_pieces = st.one_of(
    st.sampled_from([chr(code) for code in range(32, 127) if chr(code) not in '"\\']),
    st.sampled_from([f"\\{chr(code)}" for code in range(32, 127)]),
)
quoted_strings = st.lists(quoted_pieces, max_size=20).map(lambda pieces: f'"{"".join(pieces)}"')
local_parts = dot_strings | quoted_strings

labels = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,10}[a-zA-Z0-9])?", fullmatch=True)
domains = st.tuples(st.lists(labels, max_size=3), st.sampled_from(["org", "Example", "x1"])).map(
    lambda pair: ".".join([*pair[0], pair[1]])
)
literals = st.one_of(
    st.ip_addresses(v=4).map(lambda ip: f"[{ip}]"),
    st.ip_addresses(v=6).map(lambda ip: f"[IPv6:{ip}]"),
)
foreign_labels = st.text(FOREIGN[:6], min_size=1, max_size=10)

ascii_addresses = st.builds(lambda local, domain: f"{local}@{domain}", local_parts, domains | literals)
foreign_addresses = st.builds(
    lambda local, foreign, label, domain: f"{local}{foreign}@{label}.{domain}",
    dot_strings,
    st.text(FOREIGN, max_size=5),
    foreign_labels,
    domains,
)
soup = st.lists(
    st.one_of(
        st.sampled_from(
            ["a", ".", "@", '"', "\\", "[", "]", "IPv6:", "::1", "1", "192.0.2.1", "%", "-", "xn--", "é", "example.org"]
        ),
        st.sampled_from(["\r", "\n", "\0", "\x7f", "\x85", " ", "\u2028", "\u200b", "\udc80", "@example.org"]),
        st.characters(),
    ),
    max_size=14,
).map("".join)


@settings(deadline=None, max_examples=max(400, settings.default.max_examples))
@given(ascii_addresses)
def test_addresses_of_the_grammar_parse_and_print_as_they_came(text: str) -> None:
    address = parse_address(text)
    assert str(address) == text
    assert parse_address(str(address)) == address
    assert address.is_ascii


@settings(deadline=None, max_examples=max(200, settings.default.max_examples))
@given(foreign_addresses)
def test_addresses_of_smtputf8_parse_and_print_as_they_came(text: str) -> None:
    try:
        address = parse_address(text, smtputf8=True)
    except InvalidAddress:
        return  # IDNA's rules for letters of more than one direction
    assert str(address) == text
    assert parse_address(str(address), smtputf8=True) == address
    assert address.domain_key.isascii()
    assert parse_address(f"a@{address.domain_key}").domain_key == address.domain_key


@settings(deadline=None, max_examples=max(600, settings.default.max_examples))
@given(soup, st.booleans())
def test_any_text_parses_clean_or_is_refused(text: str, smtputf8: bool) -> None:
    try:
        address = parse_address(text, smtputf8=smtputf8)
    except InvalidAddress as refusal:
        if refusal.needs_smtputf8:
            assert not smtputf8
            assert str(parse_address(text, smtputf8=True)) == text
        return
    assert str(address) == text
    assert not any(letter < " " or "\x7f" <= letter <= "\x9f" or letter in "\u2028\u2029" for letter in text)
    text.encode("utf-8")
    assert smtputf8 or text.isascii()
    assert len(address.local_part.encode()) <= MAX_LOCAL_PART
    assert len(address.domain_key) <= MAX_DOMAIN
    assert ">" not in address.domain
    assert " " not in address.domain


@settings(deadline=None, max_examples=max(300, settings.default.max_examples))
@given(st.text(ATEXT + ' ."\\@', min_size=0, max_size=20), st.text(ATEXT + ' ."\\@', max_size=20), domains, domains)
def test_keys_are_equal_exactly_for_the_same_mailbox(one: str, other: str, first: str, second: str) -> None:
    def address(meaning: str, domain: str, escape_all: bool) -> Address:
        inner = "".join(f"\\{letter}" if escape_all or letter in '"\\' else letter for letter in meaning)
        return parse_address(f'"{inner}"@{domain}')

    plain, escaped = address(one, first, False), address(one, first.swapcase(), True)
    assert unquote(plain.local_part) == one
    assert plain.mailbox_key == escaped.mailbox_key
    same = one == other and first.lower() == second.lower()
    assert (plain.mailbox_key == address(other, second, False).mailbox_key) == same
    with contextlib.suppress(InvalidAddress):  # where it needs no quotes, quotes change nothing
        bare = parse_address(f"{one}@{first}")
        assert one.startswith('"') or bare.mailbox_key == plain.mailbox_key  # a quote would be a quoted string's
