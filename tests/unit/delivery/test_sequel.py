"""What follows from a transaction in which not all went well."""

from __future__ import annotations

from typing import Any

import pytest

from asyncmta.delivery.exchange import Exchanger, Site
from asyncmta.delivery.sequel import Facts, Sequel, follow, go_on, needs_sequel
from asyncmta.delivery.transaction import Leg, Parcel
from asyncmta.delivery.way import Way
from asyncmta.mail.address import parse_address
from asyncmta.mail.envelope import Consignment, Content, Envelope, QueueId, Recipient
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Failed, Outcome, Scope
from asyncmta.mail.reply import parse_reply, reply

TAKEN = Delivered(reply(250, "2.0.0", "ok"))
LOST = Deferred(Cause.CONNECT, reply(451, "4.4.2", "lost"), Scope.SITE)
BUG = Deferred(Cause.INTERNAL, reply(451, "4.3.0", "bug"), Scope.MESSAGE)
UNREADABLE = Deferred(Cause.STORAGE, reply(451, "4.3.0", "unreadable"), Scope.MESSAGE)
NOT_NOW = Deferred(Cause.REFUSED, reply(451, "4.3.2", "not now"), Scope.MESSAGE)  # to MAIL, DATA or the dot


def put_off(text: str) -> Deferred:
    """At RCPT."""
    return Deferred(Cause.REFUSED, parse_reply(text.encode() + b"\r\n"), Scope.RECIPIENT)


NOBODY = Failed(Cause.REFUSED, reply(550, "5.1.1", "nobody"), Scope.RECIPIENT)
LATER = put_off("450 4.2.1 later")
DOMAINS = put_off("451 4.3.0 Multiple destination domains per transaction is unsupported")
REGIONS = put_off("452 4.5.3 Recipients belong to multiple regions ATTR38")
POLICY = put_off("452 4.5.3 Domain policy size per transaction exceeded")
MANY = put_off("452 4.5.3 Too many recipients in this domain")
LIMIT = put_off("452 4.5.3 Limit reached")
BARE = put_off("452 no")
DISK = put_off("452 4.3.1 disk full")


def run(*domains: str, facts: Facts | None = None, **outcomes: Outcome) -> tuple[Sequel, str]:
    """`run("a:t b:t", t=TAKEN)`: a leg for each text, a recipient for each word: its domain, the name of its outcome.
    Returns the sequel, and a letter for each recipient: Settled, Again, Onward."""
    words = [word.split(":") for text in domains for word in text.split()]
    envelope = Envelope(
        None, tuple(Recipient(parse_address(f"r{n}@{word[0]}.example")) for n, word in enumerate(words))
    )
    result = {n: outcomes[word[1]] for n, word in enumerate(words)}
    legs = []
    at = 0
    for text in domains:
        ordinals = tuple(range(at, at + len(text.split())))
        at += len(ordinals)
        consignment = Consignment(QueueId(1), text, envelope, ordinals, Content(1, b"", False, 1), 0.0)
        legs.append(Leg(Parcel(consignment, Way(()), lambda *_: None), ordinals))
    assert needs_sequel(result) == any(isinstance(outcome, Deferred) for outcome in result.values())
    sequel = follow(legs, result, facts or Facts())
    letters = dict.fromkeys(range(len(words)), "?")
    answers: list[tuple[str, list[Any]]] = [
        ("S", [ordinals for _, ordinals in sequel.settled]),
        ("A", [leg.ordinals for leg in sequel.again]),
        ("O", [leg.ordinals for leg in sequel.onward]),
    ]
    for letter, lists in answers:
        for ordinal in [ordinal for ordinals in lists for ordinal in ordinals]:
            assert letters[ordinal] == "?"
            letters[ordinal] = letter
    return sequel, "".join(letters.values())


@pytest.mark.parametrize("answer", [DOMAINS, REGIONS, POLICY])
def test_it_says_that_it_wants_one_domain(answer: Outcome) -> None:
    sequel, letters = run("a:t a:t", "b:x b:x", "c:x", t=TAKEN, x=answer)
    assert letters == "SSAAA"
    assert (sequel.is_split, sequel.takes_one_domain, sequel.accepts) == (True, True, 0)


def test_it_says_so_to_all_of_them() -> None:
    _, letters = run("a:x", "b:x", x=DOMAINS)
    assert letters == "AA"
    sequel, letters = run("a:x a:x", x=DOMAINS)  # but this is one domain
    assert letters == "OO"
    assert not sequel.takes_one_domain


@pytest.mark.parametrize("answer", [LATER, LIMIT, BARE])
def test_it_looks_as_if_it_wanted_one_domain(answer: Outcome) -> None:
    sequel, letters = run("a:t a:t", "b:x", "c:x", t=TAKEN, x=answer)
    assert letters == "SSAA"
    assert (sequel.is_split, sequel.takes_one_domain, sequel.may_take_one_domain) == (True, False, True)


def test_a_domain_put_off_in_mixed_company_is_asked_again_by_itself() -> None:
    sequel, letters = run("a:t", "b:x b:x", "c:t", t=TAKEN, x=LATER)
    assert letters == "SAAS"
    assert (sequel.is_split, sequel.may_take_one_domain) == (True, False)


def test_a_domain_that_was_looked_at_is_not() -> None:
    _, letters = run("a:t", "b:n b:x", t=TAKEN, x=LATER, n=NOBODY)
    assert letters == "SSO"


def test_too_many_recipients() -> None:
    sequel, letters = run("a:t a:t a:x a:x", t=TAKEN, x=LIMIT)
    assert letters == "SSAA"
    assert (sequel.accepts, sequel.is_split) == (2, False)
    sequel, letters = run("a:t", "b:x", "c:x", t=TAKEN, x=MANY)
    assert letters == "SAA"
    assert (sequel.accepts, sequel.is_split) == (1, False)


def test_a_refusal_without_a_status_counts_only_at_the_end() -> None:
    sequel, letters = run("a:t a:x a:x a:x a:x a:x", t=TAKEN, x=BARE)
    assert letters == "SAAAAA"
    assert sequel.accepts == 3  # not below half of what it was given
    sequel, letters = run("a:t a:x a:t", t=TAKEN, x=BARE)
    assert letters == "SSS"
    assert sequel.accepts == 0


def test_a_full_disk_is_no_limit() -> None:
    assert run("a:t a:x", t=TAKEN, x=DISK)[1] == "SS"


def test_nobody_taken_is_no_limit() -> None:
    sequel, letters = run("a:x a:x", x=LIMIT)
    assert letters == "OO"
    assert sequel.accepts == 0


def test_a_limit_in_the_first_domain_is_none_of_domains() -> None:
    sequel, letters = run("a:t a:x", "b:x", t=TAKEN, x=LIMIT)
    assert letters == "SAA"
    assert (sequel.accepts, sequel.may_take_one_domain) == (1, False)


def test_nothing_is_sent_again_on_a_session_that_is_over() -> None:
    assert run("a:t", "b:x", t=TAKEN, x=DOMAINS, facts=Facts(is_usable=False))[1] == "SO"


@pytest.mark.parametrize("answer", [LATER, NOT_NOW, LOST])
def test_put_off_altogether(answer: Outcome) -> None:
    assert run("a:x a:x", x=answer)[1] == "OO"
    assert run("a:x a:n", x=answer, n=NOBODY)[1] == "OS"
    assert run("a:x", x=answer, facts=Facts(mode="per-recipient"))[1] == "O"
    assert run("a:x", x=answer, facts=Facts(mode="never"))[1] == "S"


def test_put_off_in_part() -> None:
    assert run("a:t a:x", t=TAKEN, x=LATER)[1] == "SS"
    assert run("a:t a:x", t=TAKEN, x=LATER, facts=Facts(mode="per-recipient"))[1] == "SO"


def test_a_host_that_did_not_even_hear_us_is_passed_over_in_any_mode() -> None:
    sequel, letters = run("a:x", x=LOST, facts=Facts(is_usable=False, is_unheard=True, mode="never"))
    assert letters == "O"
    assert sequel.is_unheard


@pytest.mark.parametrize("mode", ["all-failed", "per-recipient", "never"])
def test_whoever_may_have_been_taken_goes_to_nobody_else(mode: str) -> None:
    facts = Facts(is_usable=False, is_unsure=True, mode=mode)
    assert run("a:x a:x", x=LOST, facts=facts)[1] == "SS"
    expected = {"all-failed": "SSO", "per-recipient": "SOO", "never": "SSS"}
    assert run("a:x a:l", "b:l", x=LOST, l=LATER, facts=facts)[1] == expected[mode]


@pytest.mark.parametrize("answer", [BUG, UNREADABLE])
def test_our_own_faults_are_no_reason_to_ask_others(answer: Outcome) -> None:
    assert run("a:x", x=answer)[1] == "S"


SITE = Site("mx:x,y", (Exchanger("x"), Exchanger("y")))


def test_who_goes_on_carries_what_was_said() -> None:
    sequel, _ = run("a:x a:y", x=LATER, y=NOT_NOW)
    (leg,) = go_on(sequel, SITE, "x", {0: LATER, 1: NOT_NOW})
    assert leg.trail.tried == {("x", 0)}
    assert leg.trail.conclude((0, 1)) == {0: LATER, 1: NOT_NOW}
    (leg,) = go_on(sequel, SITE, "", {0: LATER, 1: NOT_NOW})
    assert leg.trail.tried == {("x", 0), ("y", 0)}


def test_a_host_that_did_not_hear_us_said_nothing_of_anybody() -> None:
    sequel, _ = run("a:x", x=LOST, facts=Facts(is_usable=False, is_unheard=True))
    (leg,) = go_on(sequel, SITE, "x", {0: LOST})
    assert (leg.trail.failures, leg.trail.said) == ((LOST,), {})
