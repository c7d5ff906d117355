"""Rewritten senders: there and back, by way of others, forged, expired, mangled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncmta.mail.address import Address, parse_address
from asyncmta.mailboxes.srs import DAY, Srs, Unusable, is_srs

NOW = 1_700_000_000.0
OURS = Srs(secrets=["one-secret-of-ours"], domain="ours.example")
THEIRS = Srs(secrets=["another-of-theirs"], domain="theirs.example")


def there(srs: Srs, sender: str, now: float = NOW) -> Address:
    found = srs.forwarded(parse_address(sender, smtputf8=True), now)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "sender",
    [
        "alice@example.org",
        "a=b@example.org",
        '"a b"@example.org',
        "a+b-c@example.org",
        "A.B@EXAMPLE.org",
        "é@example.org",
        "a@[192.0.2.1]",
    ],
)
def test_there_and_back(sender: str) -> None:
    rewritten = there(OURS, sender)
    assert rewritten.domain == "ours.example"
    assert str(OURS.returned(rewritten.local_part, NOW)) == sender


@pytest.mark.parametrize(
    ("days", "is_good"), [(0, True), (1, True), (21, True), (22, False), (500, False), (1023, False)]
)
def test_it_leads_back_for_three_weeks(days: int, is_good: bool) -> None:
    found = OURS.returned(there(OURS, "alice@example.org").local_part, NOW + days * DAY)
    assert found == (parse_address("alice@example.org") if is_good else Unusable.EXPIRED)


def test_servers_that_fold_local_parts() -> None:
    text = there(OURS, "alice@example.org").local_part
    assert str(OURS.returned(text.lower(), NOW)) == "alice@example.org"
    assert str(OURS.returned(text.upper(), NOW)) == "ALICE@EXAMPLE.ORG"


def test_a_sender_of_the_domain_that_we_rewrite_to_stays_what_it_is() -> None:
    for sender in ("alice@ours.example", "alice@OURS.example", str(there(OURS, "alice@example.org"))):
        assert str(there(OURS, sender)) == sender


def test_by_way_of_two_forwarders() -> None:
    first = there(THEIRS, "alice@example.org")
    second = there(OURS, str(first))
    assert second.local_part.startswith("SRS1=")
    back = OURS.returned(second.local_part, NOW)
    assert back == first
    assert str(THEIRS.returned(first.local_part, NOW)) == "alice@example.org"


def test_by_way_of_three_it_does_not_grow() -> None:
    first = there(THEIRS, "alice@example.org")
    second = there(Srs(secrets=["a-third-one-here"], domain="third.example"), str(first))
    third = there(OURS, str(second))
    assert len(third.local_part) == len(second.local_part)
    assert OURS.returned(third.local_part, NOW) == first


def test_another_separator_of_another_forwarder_is_kept() -> None:
    second = there(OURS, "SRS0+abcd=AA=example.org=alice@theirs.example")
    assert str(OURS.returned(second.local_part, NOW)) == "SRS0+abcd=AA=example.org=alice@theirs.example"


def test_secrets_are_changed_one_after_another() -> None:
    old = there(OURS, "alice@example.org")
    both = Srs(secrets=["a-new-secret-now", "one-secret-of-ours"], domain="ours.example")
    assert str(both.returned(old.local_part, NOW)) == "alice@example.org"
    assert OURS.returned(there(both, "alice@example.org").local_part, NOW) is Unusable.FORGED


@pytest.mark.parametrize(
    "local_part",
    [
        "alice",
        "SRS",
        "SRS0",
        "SRS0=",
        "SRS0=a",
        "SRS0=a=b",
        "SRS0=a=b=c",
        "SRS0=a=b=c=",
        "SRS0==b=c=d",
        "SRS1=",
        "SRS1=a=b",
        "SRS1=a=b=",
        "SRS1==b=c",
        "SRS2=a=b=c=d",
        "SRS0xa=b=c=d",
    ],
)
def test_what_is_none(local_part: str) -> None:
    assert OURS.returned(local_part, NOW) is Unusable.MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("alice", "mallory"),
        lambda text: text.replace("example.org", "example.com"),
        lambda text: "SRS0=AAAA" + text[9:],
        lambda text: text[:10] + "22" + text[12:],
        lambda text: "SRS0=A" + text[9:],
    ],
)
def test_what_was_changed_leads_nowhere(change) -> None:
    assert OURS.returned(change(there(OURS, "alice@example.org").local_part), NOW) is Unusable.FORGED


def test_a_forged_way_by_another_forwarder_leads_nowhere() -> None:
    text = there(OURS, str(there(THEIRS, "alice@example.org"))).local_part
    assert OURS.returned(text.replace("theirs.example", "victim.example"), NOW) is Unusable.FORGED


def test_a_stamp_that_is_none_is_too_old() -> None:
    for stamp in ("1!", "AAA", "A"):
        secret = OURS._hash(stamp, "example.org", "alice")
        assert OURS.returned(f"SRS0={secret}={stamp}=example.org=alice", NOW) is Unusable.EXPIRED


def test_signed_by_us_and_still_no_address() -> None:
    stamp = there(OURS, "alice@example.org").local_part[10:12]
    text = f"SRS0={OURS._hash(stamp, 'no domain', 'alice')}={stamp}=no domain=alice"
    assert OURS.returned(f'"{text}"', NOW) is Unusable.MALFORMED
    text = f"SRS1={OURS._hash('no domain', 'x')}=no domain=x"
    assert OURS.returned(f'"{text}"', NOW) is Unusable.MALFORMED


def test_what_cannot_be_rewritten() -> None:
    assert OURS.forwarded(parse_address("x" * 250 + "@example.org"), NOW) is None


def test_what_only_looks_like_one_is_rewritten_like_any_other() -> None:
    rewritten = there(OURS, "SRS1=abcd@theirs.example")
    assert str(OURS.returned(rewritten.local_part, NOW)) == "SRS1=abcd@theirs.example"


@pytest.mark.parametrize(
    ("local_part", "is_one"), [("SRS0=a", True), ("srs1+a", True), ("SRS0-a", True), ("SRS0", False), ("SRS3=a", False)]
)
def test_what_looks_like_one(local_part: str, is_one: bool) -> None:
    assert is_srs(local_part) is is_one


@given(st.from_regex(r"[A-Za-z0-9=+.-]{1,40}", fullmatch=True), st.integers(0, 10**10))
def test_any_local_part_comes_back(name: str, now: int) -> None:
    try:
        sender = parse_address(f"{name}@example.org")
    except ValueError:
        return
    rewritten = OURS.forwarded(sender, now)
    if rewritten is not None and not is_srs(name):
        assert OURS.returned(rewritten.local_part, now) == sender


@given(st.text(max_size=80))
def test_nothing_from_outside_leads_anywhere(text: str) -> None:
    assert isinstance(OURS.returned("SRS0=" + text, NOW), Unusable)
