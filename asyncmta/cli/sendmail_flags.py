"""The arguments of `sendmail`, by the grammar that programs rely on since Berkeley: flags in, a `Call` out. Pure.

One letter for a flag; those with a value have it attached (`-fme@x`) or next (`-f me@x`), those without may stand
together (`-ti`). Promises: what mailers, cron, PHP and git pass is understood or let pass; a flag that nobody has is
said, and nothing is sent. Never: addresses taken apart, files, the name under which we were called (`sendmail`).

Row D-30; peers.md 3.6; sendmail(8), Postfix's sendmail(1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.inbound.injection import Reports
from asyncmta.inbound.parameters import is_envid, parse_notify

Mode = Literal["deliver", "smtp", "list", "aliases", "flush"]

# What these say is about other mailers, or is so with us anyway.
_IGNORED = frozenset("GUcmnx")
_IGNORED_WITH_VALUE = frozenset("ADLMOXehp")
_VALUED = frozenset("BCFNRVbfor") | _IGNORED_WITH_VALUE
_ATTACHED = frozenset("dq")  # a value, or none; never the next argument
_MODES: dict[str, Mode] = {"m": "deliver", "s": "smtp", "p": "list", "i": "aliases"}
_NOT_OURS = {
    "d": "the MTA is run by `asyncmta serve`",
    "D": "the MTA is run by `asyncmta serve`",
    "l": "the MTA is run by `asyncmta serve`",
    "v": "`asyncmta route ADDRESS` says what would happen to an address",
    "t": "`asyncmta route ADDRESS` says what would happen to an address",
    "h": "`asyncmta queue stats` counts what waits for each destination",
    "H": "a restart forgets what is known of hosts",
}
_SELECTED = {"I": "id", "R": "domain", "S": "sender"}
_INTERVAL = re.compile(r"[fp]?(?:[0-9]+[smhdw]?)*\Z")


class Misused(ValueError):
    """The arguments cannot be meant so; the text says why."""


class Call(Struct, frozen=True, kw_only=True):
    """What is wanted. `sender` None: nothing was said; "" is the null one. `selection`: of -q, "id", "domain" or
    "sender" and its value; None: all."""

    mode: Mode = "deliver"
    sender: str | None = None
    full_name: str | None = None
    from_header: bool = False
    keeps_dot: bool = False
    is_verbose: bool = False
    reports: Reports = Reports()
    config: str | None = None
    selection: tuple[str, str] | None = None
    recipients: tuple[str, ...] = ()


def parse_flags(arguments: Sequence[str]) -> Call:
    """All behind the command's name; raises Misused."""
    call = Call()
    left = list(reversed(arguments))
    recipients: list[str] = []
    while left:
        word = left.pop()
        if word == "--":
            recipients += reversed(left)
            break
        if word.startswith("-") and word != "-":
            call = _cluster(call, word[1:], left)
        else:
            recipients.append(word)
    return replace(call, recipients=tuple(recipients))


def _cluster(call: Call, letters: str, left: list[str]) -> Call:
    """What stands behind one hyphen; `left` is what comes behind it, the next one last."""
    for at, flag in enumerate(letters):
        rest = letters[at + 1 :]
        if flag in _ATTACHED:
            return _flush(call, rest) if flag == "q" else call
        if flag in _VALUED:
            if not rest and not left:
                raise Misused(f"-{flag} needs a value")
            return _with_value(call, flag, rest or left.pop())
        call = _alone(call, flag)
    return call


def _alone(call: Call, flag: str) -> Call:
    match flag:
        case "t":
            return replace(call, from_header=True)
        case "i":
            return replace(call, keeps_dot=True)
        case "v":
            return replace(call, is_verbose=True)
        case "I":
            return replace(call, mode="aliases")
    if flag in _IGNORED:
        return call
    raise Misused(f"-{flag}: there is no such flag")


def _with_value(call: Call, flag: str, value: str) -> Call:
    match flag:
        case "f" | "r":
            return replace(call, sender=value)
        case "F":
            return replace(call, full_name=value)
        case "C":
            return replace(call, config=value)
        case "b":
            return _mode(call, value)
        case "o":
            return replace(call, keeps_dot=True) if value == "i" else call
        case "B":
            if value.upper() not in ("7BIT", "8BITMIME"):
                raise Misused(f"-B {value}: 7BIT or 8BITMIME")
        case "X":  # Postfix's; Sendmail's names a log file, and is nothing to us
            return replace(call, reports=replace(call.reports, verp=True)) if value in ("V", "V+=") else call
        case "N" | "R" | "V":
            return replace(call, reports=_reports(call.reports, flag, value))
    return call


def _mode(call: Call, value: str) -> Call:
    if value in _MODES:
        return replace(call, mode=_MODES[value])
    raise Misused(f"-b{value}: {_NOT_OURS.get(value, 'there is no such mode')}")


def _reports(reports: Reports, flag: str, value: str) -> Reports:
    if flag == "N":
        if parse_notify(value) is None:
            raise Misused(f"-N {value}: never, or a list of success, failure, delay")
        return replace(reports, notify=value.upper())
    if flag == "R":
        if value.upper() not in ("FULL", "HDRS"):
            raise Misused(f"-R {value}: full or hdrs")
        return replace(reports, ret=value.upper())
    if not is_envid(value):
        raise Misused("-V: an envelope id is xtext (RFC 3461), at most 100 characters")
    return replace(reports, envid=value)


def _flush(call: Call, value: str) -> Call:
    """-q: try what waits; how often a queue is run (-q30m) is for `serve`, which knows better."""
    if value[:1] in _SELECTED and len(value) > 1:
        return replace(call, mode="flush", selection=(_SELECTED[value[0]], value[1:]))
    if _INTERVAL.match(value):
        return replace(call, mode="flush")
    raise Misused(f"-q{value}: there is no such way to run the queue")
