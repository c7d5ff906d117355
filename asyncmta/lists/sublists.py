"""Subscriptions to the lists of others, made for our users: for each such list one address of ours, and who reads it.

A user says in a file which lists he wants; the first who does so makes us subscribe, the last who leaves makes us
unsubscribe. Promises: from what is wanted and what was there follows what to ask of whom, the same each time; what
nobody answers is asked three times in all; a confirmation is answered only while we have asked for it, and to an
address of that list alone; what comes is for the readers only if it is the list's. Never: files, the time (an
argument), sending.

Rows F-13, F-14 (dynasub).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.lists.names import Role
from asyncmta.lists.posting import values
from asyncmta.mail.address import Address, InvalidAddress, parse_address

DAY = 86400.0
ASK_AGAIN = 2 * DAY
MOST_QUESTIONS = 3
MOST_ANSWERS = 3  # to confirmations, for one question
ANSWERED_WITHIN = 7 * DAY
FORGOTTEN_AFTER = 14 * DAY  # after we left: what still comes is from a list that we know
MOST_LISTS = 100  # of one user
MOST_AUTHORS = 5  # that are looked at, and as many fields
LONGEST_FILE = 64 << 10

_BETWEEN = re.compile(r"[\s<>,;:\"()]+")
_CONFIRMS = ("-confirm+", "-confirm-", "-sc.", "-uc.")  # ours and Mailman's, and ezmlm's


class State(Enum):
    ASKED = "asked"
    JOINED = "joined"
    LEAVING = "leaving"


class Sublist(Struct, frozen=True):
    """One list of others. `address`: ours, that is subscribed; `readers`: who wants it; `since`: when we last asked."""

    list: str
    address: str
    readers: tuple[str, ...]
    state: State
    since: float
    questions: int = 1
    answers: int = 0
    answered_to: str = ""  # which message, so that after a crash it is answered again and not handed on


class Question(Struct, frozen=True):
    """To be sent from `sender` to an address of a list."""

    sender: Address
    to: Address
    action: Role


class Plan(Struct, frozen=True):
    """How things stand from now on, and what is to be asked for that."""

    sublists: dict[str, Sublist]
    questions: tuple[Question, ...]


class Verdict(Enum):
    CONFIRM = "confirm"
    DELIVER = "deliver"
    REFUSE = "refuse"


def wanted(text: str) -> tuple[str, ...]:
    """The lists that a user's file names, in normal form; a line that names none says nothing."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        try:
            address = parse_address(line.partition("#")[0].strip())
        except InvalidAddress:
            continue
        if not address.local_part.startswith('"') and not address.is_literal:
            found[f"{address.local_part.lower()}@{address.domain_key}"] = None
    return tuple(found)[:MOST_LISTS]


def plan(
    sublists: Mapping[str, Sublist], wishes: Mapping[str, Iterable[str]], own: Mapping[str, str], now: float
) -> Plan:
    """`wishes`: each list and who wants it; `own`: each list and the address of ours for it."""
    after: dict[str, Sublist] = {}
    questions: list[Question] = []
    for name in sorted({*sublists, *wishes}):
        readers, known = tuple(sorted(wishes.get(name, ()))), sublists.get(name)
        found = _next(known, name, readers, own, now)
        if found is None:
            continue
        after[name] = found
        if known is None or found.questions != known.questions or found.since != known.since:
            questions.append(_question(found))
    return Plan(after, tuple(questions))


def _next(
    known: Sublist | None, name: str, readers: tuple[str, ...], own: Mapping[str, str], now: float
) -> Sublist | None:
    """None: nothing is known of it any more."""
    if known is None:
        return Sublist(name, own[name], readers, State.ASKED, now)
    if readers and known.state is State.LEAVING:
        return Sublist(name, known.address, readers, State.ASKED, now)
    if not readers and known.state is not State.LEAVING:
        return Sublist(name, known.address, (), State.LEAVING, now)
    known = replace(known, readers=readers)
    is_open = known.state is State.ASKED or (known.state is State.LEAVING and not known.answers)
    if is_open and now >= known.since + ASK_AGAIN and known.questions < MOST_QUESTIONS:
        return replace(known, since=now, questions=known.questions + 1)
    if known.state is State.LEAVING and now >= known.since + FORGOTTEN_AFTER:
        return None
    return known


def _question(one: Sublist) -> Question:
    action = Role.UNSUBSCRIBE if one.state is State.LEAVING else Role.SUBSCRIBE
    name, _, domain = one.list.rpartition("@")
    return Question(parse_address(one.address), parse_address(f"{name}-{action.value}@{domain}"), action)


def arrival(
    one: Sublist, sender: Address | None, section: bytes, message: str, now: float
) -> tuple[Verdict, Address | None]:
    """What to do with what came to our address; the address to answer to, where that is it. `message`: what tells it
    from others."""
    name, _, domain = one.list.rpartition("@")
    authors = _addresses(section, b"reply-to") or _addresses(section, b"from")
    is_again = message == one.answered_to
    if is_again or (one.state is not State.JOINED and now < one.since + ANSWERED_WITHIN):
        starts = tuple(name + each for each in _CONFIRMS)
        for author in authors:
            if author.domain_key == domain and author.local_part.lower().startswith(starts):
                may = is_again or one.answers < MOST_ANSWERS
                return (Verdict.CONFIRM, author) if may else (Verdict.REFUSE, None)
    ids = " ".join(values(section, b"list-id")).lower()
    is_its = sender is not None and f".{sender.domain_key}".endswith(f".{domain}")
    return (Verdict.DELIVER if is_its or domain in ids else Verdict.REFUSE), None


def answered(one: Sublist, message: str) -> Sublist:
    """After a confirmation was answered."""
    if message == one.answered_to:
        return one
    state = State.LEAVING if one.state is State.LEAVING else State.JOINED
    return replace(one, answers=one.answers + 1, answered_to=message, state=state)


def unasked(one: Sublist) -> Sublist:
    """After the question could not be sent: it is due again."""
    return replace(one, questions=one.questions - 1, since=0.0)


def delivered(one: Sublist) -> Sublist:
    """After the list sent something: we are on it, whether or not it asked us to confirm."""
    return replace(one, state=State.JOINED) if one.state is State.ASKED else one


def _addresses(section: bytes, name: bytes) -> list[Address]:
    found: list[Address] = []
    for value in islice(values(section, name), MOST_AUTHORS):
        for text in _BETWEEN.split(value[:4096]):
            if "@" in text and len(found) < MOST_AUTHORS:
                with suppress(InvalidAddress):
                    found.append(parse_address(text))
    return found
