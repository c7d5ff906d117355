"""What follows from a transaction in which not all went well: who is settled, who is sent again at once on the same
session, who goes on to the next exchanger, and what was learned about the site.

Judged for each domain by itself. A refusal that means "one domain at a time" or "fewer recipients" costs no queue run:
those it hit are sent again at once, to the same host. What a host refused for a while altogether (4yz, nobody of the
domain taken) goes to the next one; a 5yz from MAIL on is final. Whoever may have been taken without our hearing of it
goes to nobody else. Promises: every recipient is in exactly one of the answers; each new try is for fewer domains, or
for fewer recipients, than the one before it. Never: sockets, time, where the next host is.

Seeds Q-27 to Q-30, Q-37, Q-39, D-88, D-94, D-95, Disagreements 1, 2, 3 and 33.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from enum import Enum

from msgspec import Struct

from asyncmta.delivery.exchange import Site
from asyncmta.delivery.transaction import Leg, domain_of
from asyncmta.delivery.way import Host, hosts_of
from asyncmta.mail.outcome import Cause, Deferred, Delivered, Outcome, Scope
from asyncmta.mail.reply import EnhancedStatus

TOO_MANY = EnhancedStatus(4, 5, 3)
OTHER_STATUS = EnhancedStatus(4, 3, 0)
# Google: "Multiple destination domains per transaction is unsupported", "Domain policy size per transaction exceeded,
# please try this recipient in a separate transaction". Exchange Online: "Recipients belong to multiple regions".
_OF_DOMAINS = ("domain", "region", "separate transaction")


class Facts(Struct, frozen=True):
    """Of the transaction's end. `is_usable`: the session can go on; `is_unheard`: the peer did not consent to MAIL;
    `is_unsure`: the content went out, and for somebody no answer came. `mode`: `next_mx_on_4xx` of the settings."""

    is_usable: bool = True
    is_unheard: bool = False
    is_unsure: bool = False
    mode: str = "all-failed"


class Sequel(Struct, frozen=True):
    """`again`: at once, on this session, one domain at a time if `is_split`. `accepts`: the site takes only so many
    recipients (0: nothing learned). `is_unheard`: as in `Facts`. `takes_one_domain`: it said so;
    `may_take_one_domain`: it looks so."""

    settled: list[tuple[Leg, tuple[int, ...]]]
    again: list[Leg]
    onward: list[Leg]
    is_split: bool = False
    is_unheard: bool = False
    accepts: int = 0
    takes_one_domain: bool = False
    may_take_one_domain: bool = False


class _Word(Enum):
    """What a refusal of one recipient may mean."""

    ONE_DOMAIN = 1
    TOO_MANY = 2
    LATER = 3


def needs_sequel(outcomes: Mapping[int, Outcome]) -> bool:
    """Is there more to do than to hand the outcomes on? Mostly not."""
    return any(type(outcome) is Deferred for outcome in outcomes.values())  # hot


def follow(legs: Sequence[Leg], outcomes: Mapping[int, Outcome], facts: Facts) -> Sequel:
    """The sequel to the transaction of these legs."""
    domains: dict[int, str] = {ordinal: domain_of(leg, ordinal) for leg in legs for ordinal in leg.ordinals}
    words: dict[int, _Word] = _words(outcomes, domains) if facts.is_usable else {}
    accepted = sum(not _is_refused(outcomes[at]) for at in domains)
    taken = {domains[at] for at in domains if not _is_refused(outcomes[at])}
    judged = {domains[at] for at in domains if at not in words}  # domains with somebody looked at for his own sake
    is_mixed = len(set(domains.values())) > 1
    # The first domain was taken and all others were put off, whatever the reason given: it looks like a rule.
    is_rule = is_mixed and len(taken) == 1 and judged == taken
    is_pure_rule = is_rule and all(domains[at] not in taken for at in words)
    again: dict[int, _Word] = {}
    for at, word in words.items():
        if word is _Word.TOO_MANY and is_pure_rule and not _says_too_many(outcomes[at]):
            again[at] = _Word.LATER  # it may mean the one or the other; one domain at a time is right for both
        elif (word is _Word.ONE_DOMAIN and is_mixed) or (word is _Word.TOO_MANY and accepted):
            again[at] = word
        elif is_mixed and taken and domains[at] not in judged:
            again[at] = _Word.LATER
    why = set(again.values())
    return Sequel(
        *_divide(legs, outcomes, facts, domains, again.keys()),
        is_split=bool(why - {_Word.TOO_MANY}),
        is_unheard=facts.is_unheard,
        accepts=_capacity(accepted, again, outcomes) if _Word.TOO_MANY in why else 0,
        takes_one_domain=_Word.ONE_DOMAIN in why,
        may_take_one_domain=is_rule and _Word.LATER in why,
    )


def _divide(
    legs: Sequence[Leg], outcomes: Mapping[int, Outcome], facts: Facts, domains: dict[int, str], again: Set[int]
) -> tuple[list[tuple[Leg, tuple[int, ...]]], list[Leg], list[Leg]]:
    """Settled, again, onward."""
    stays = {
        domain
        for at, domain in domains.items()
        if at in again or isinstance(outcomes[at], Delivered) or _is_unsure(outcomes[at], facts)
    }
    settled: list[tuple[Leg, tuple[int, ...]]] = []
    retried: list[Leg] = []
    onward: list[Leg] = []
    for leg in legs:
        here: list[int] = []
        on: list[int] = []
        for at in leg.ordinals:
            if at not in again:
                (on if _goes_on(outcomes[at], facts, domains[at] in stays) else here).append(at)
        rest = tuple([at for at in leg.ordinals if at in again])
        if here:
            settled.append((leg, tuple(here)))
        if rest:
            retried.append(Leg(leg.parcel, rest, leg.trail))
        if on:
            onward.append(Leg(leg.parcel, tuple(on), leg.trail))
    return settled, retried, onward


def _goes_on(outcome: Outcome, facts: Facts, stays: bool) -> bool:
    """Is it for the next exchanger? `stays`: somebody of its domain was taken here, or may have been."""
    if not isinstance(outcome, Deferred) or outcome.cause in (Cause.INTERNAL, Cause.STORAGE):
        return False
    if _is_unsure(outcome, facts):
        return False
    if facts.is_unheard or facts.mode == "per-recipient":
        return True
    return facts.mode == "all-failed" and not stays


def _is_refused(outcome: Outcome) -> bool:
    """At RCPT, by the server."""
    return not isinstance(outcome, Delivered) and outcome.cause is Cause.REFUSED and outcome.scope is Scope.RECIPIENT


def _is_put_off(outcome: Outcome) -> bool:
    return isinstance(outcome, Deferred) and _is_refused(outcome)


def _is_unsure(outcome: Outcome, facts: Facts) -> bool:
    """The content went out and was not answered; who was refused at RCPT is not concerned by that."""
    return facts.is_unsure and isinstance(outcome, Deferred) and not _is_refused(outcome)


def _says_too_many(outcome: Outcome) -> bool:
    return "too many" in outcome.reply.text.lower()


def _words(outcomes: Mapping[int, Outcome], order: Iterable[int]) -> dict[int, _Word]:
    """What the refusal of each recipient who was put off may mean, in the order of RCPT."""
    refused = [at for at in order if _is_put_off(outcomes[at])]
    if not refused:
        return {}
    tail = list(order)
    ends_refused = all(_is_refused(outcomes[at]) for at in tail[tail.index(refused[0]) :])
    return {at: _word_of(outcomes[at], ends_refused) for at in refused}


def _word_of(outcome: Outcome, ends_refused: bool) -> _Word:
    """`ends_refused`: nobody was taken after the first who was put off."""
    heard = outcome.reply
    text = heard.text.lower()
    if heard.code == 452 and heard.enhanced == TOO_MANY:
        is_of_domains = any(word in text for word in _OF_DOMAINS) and not _says_too_many(outcome)
        return _Word.ONE_DOMAIN if is_of_domains else _Word.TOO_MANY
    if heard.code == 451 and heard.enhanced == OTHER_STATUS and "domain" in text:
        return _Word.ONE_DOMAIN
    if heard.code == 452 and heard.enhanced is None and ends_refused:
        return _Word.TOO_MANY  # in the middle, it means a full disk
    return _Word.LATER


def _capacity(accepted: int, again: Mapping[int, _Word], outcomes: Mapping[int, Outcome]) -> int:
    """What it took, if that is what the refusal was about for sure; else not less than half of what it was given."""
    told = [outcomes[at] for at, word in again.items() if word is _Word.TOO_MANY]
    if any(outcome.reply.enhanced == TOO_MANY or _says_too_many(outcome) for outcome in told):
        return accepted
    return max(accepted, len(outcomes) // 2)


def go_on(sequel: Sequel, site: Site, host: str, outcomes: Mapping[int, Outcome]) -> list[Leg]:
    """The legs for others, with what happened to them at this host. Where it did not even take the sender's name
    (`is_unheard`), that is the host's own failure, and not a word on anybody."""
    hosts = _met(site, host)
    gone: list[Leg] = []
    for leg in sequel.onward:
        said = {at: outcomes[at] for at in leg.ordinals}
        first = said[leg.ordinals[0]]
        if sequel.is_unheard and isinstance(first, Deferred):
            trail = leg.trail.failed(hosts, first)
        else:
            trail = leg.trail.turned_down(hosts, said)
        gone.append(Leg(leg.parcel, leg.ordinals, trail))
    return gone


def _met(site: Site, host: str) -> list[Host]:
    """Which of the site's hosts that was; all of them when nobody can tell."""
    hosts = hosts_of(site)
    return [each for each in hosts if each[0] == host] or hosts
