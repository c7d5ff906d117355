"""What `mailboxes/path.py` is asked to prove: no address leads a path out of the mail root, or to another's mailbox."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mail.address import InvalidAddress, parse_address
from asyncmta.mailboxes.path import is_component, mailbox_name, parse_pattern

PATTERNS = [
    "var/mail/{domain}/{local_part}",
    "/srv/mail/{local_part}@{domain}",
    "mail/{domain}/box-{local_part}/Maildir",
    "/{domain}/{local_part}",
]

nasty = st.sampled_from(
    ["/", "\\", ".", "..", "\0", "\n", "\x7f", "\u2028", "\u2215", "\uff0e", "%2e", "%2F", "~", " "]
)
local_parts = st.one_of(
    st.text(max_size=80),
    st.lists(nasty | st.text(max_size=3), max_size=8).map("".join),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300).map(lambda text: f'"{text}"'),
)
domains = st.sampled_from(["example.org", "xn--bcher-kva.example", "[192.0.2.1]", "[ipv6:2001:db8::1]", "a.b"])


@given(local_part=local_parts, domain=domains, pattern=st.sampled_from(PATTERNS))
def test_no_local_part_leaves_the_root(local_part: str, domain: str, pattern: str) -> None:
    parsed = parse_pattern(pattern)
    name = mailbox_name(local_part)
    path = None if name is None else parsed.expand(domain, name)
    if path is None:
        return
    assert posixpath.normpath(path) == path
    assert path.startswith(parsed.root + "/")
    assert path.count("/") == pattern.count("/"), "one component for each of the pattern"
    assert path.isprintable()
    assert not any(part.startswith(".") for part in path.split("/"))
    assert all(len(part.encode()) <= 255 for part in path.split("/"))


@given(name=st.text(max_size=300))
def test_a_component_is_never_dangerous(name: str) -> None:
    if not is_component(name):
        return
    assert name not in {"", ".", ".."}
    assert "/" not in name
    assert "\0" not in name
    assert posixpath.basename(f"/root/{name}") == name


@given(local_part=local_parts)
def test_case_and_needless_quotes_make_no_other_mailbox(local_part: str) -> None:
    try:
        address = parse_address(f"{local_part}@example.org", smtputf8=True)
    except InvalidAddress:
        return
    plain = mailbox_name(address.local_part)
    if address.local_part.isascii():
        assert mailbox_name(address.local_part.upper()) == plain
    if not address.local_part.startswith('"'):
        assert mailbox_name(f'"{address.local_part}"') == plain


@given(
    names=st.lists(st.text(st.sampled_from("abc.-{}%é"), min_size=1, max_size=4), min_size=2, max_size=2, unique=True)
)
def test_two_names_have_two_paths(names: list[str]) -> None:
    pattern = parse_pattern("var/mail/{domain}/{local_part}")
    first, second = (mailbox_name(name) for name in names)
    if first is None or second is None or first == second:
        return
    assert pattern.expand("example.org", first) != pattern.expand("example.org", second)


@given(text=st.lists(st.sampled_from([*"ab/.{}_\0", "/", "{domain}", "{local_part}"]), max_size=12).map("".join))
def test_a_pattern_is_refused_or_keeps_its_root(text: str) -> None:
    try:
        pattern = parse_pattern(text)
    except ValueError:
        return
    path = pattern.expand("example.org", "alice")
    assert path is None or path.startswith(pattern.root + "/")
    assert "alice" in (path or "alice")


@pytest.mark.parametrize("octet", [*range(32), 127])
def test_no_control_character_is_part_of_a_name(octet: int) -> None:
    assert mailbox_name(f'"a{chr(octet)}b"') is None
