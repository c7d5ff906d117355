"""Who an address stands for in the end: aliases followed until only mailboxes and strangers are left.

Promises: every expansion ends (ten levels, a hundred thousand addresses); an address that stands for itself is its own
mailbox, any longer circle is a loop; what cannot be told makes the whole answer "cannot be told", so that nobody is
left out without a word, unless it is of one mailbox alone, or of what its owner wants: then the others do not wait for
it. One address is given once, whatever ways lead to it. Never: a look at a table or the disk; `look` is asked.

RFC 5321 3.9 (aliases and lists), seeds D11, W-161, W-236.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from enum import Enum

from msgspec import Struct

from asyncmta.mail.address import Address, InvalidAddress, parse_address
from asyncmta.mailboxes.alias_text import Everybody, Include, Somebody, Target

MOST_RESULTS = 100_000
MOST_LEVELS = 10


class Alias(Struct, frozen=True):
    """The address stands for these. `owner`: in whose name they are written to, where somebody is named for it.
    `is_wish`: the owner of the mailbox wants it so, and what is wrong with it is no matter to others."""

    targets: tuple[Target, ...]
    owner: Address | None = None
    is_wish: bool = False


class Ending(Enum):
    """What an address is that stands for nobody else."""

    MAILBOX = "a mailbox of ours"
    ELSEWHERE = "not at a domain of ours"
    NOBODY = "nobody"
    SERVICE = "answered by the MTA itself"
    MOVED = "moved away"
    RELAYED = "nobody whom we know, and for the server of its domain that may"
    LATER = "not to be told now; a message of its own waits for it"


_NOT_HERE = frozenset({Ending.NOBODY, Ending.MOVED})


class Untold(Struct, frozen=True):
    """It cannot be told now who that is. `is_alone`: of that one address, and no table that others stand in."""

    reason: str
    is_alone: bool = False


Finding = Alias | Ending | Untold
Look = Callable[[Address, bool], Awaitable[Finding]]
"""An address, and whether its mailbox itself is meant and no alias -> what it is."""


class Reached(Struct, frozen=True):
    """Somebody that the address stands for. `owner`: the reverse-path to send with, or None for that of the message."""

    address: Address
    ending: Ending
    owner: Address | None = None


class Expanded(Struct, frozen=True):
    """Everybody that the address stands for (an empty list: nobody). `is_itself`: that is only the address as it was
    given."""

    reached: tuple[Reached, ...]
    is_itself: bool

    @property
    def is_nobody(self) -> bool:
        """Is there nobody at all at the end of it?"""
        return all(one.ending in _NOT_HERE for one in self.reached)


class Endless(Struct, frozen=True):
    """It stands for itself by way of others, or for more than can be (`is_too_many`)."""

    reason: str
    is_too_many: bool = False


class _Step(Struct, frozen=True):
    """An address on the way, and those before it."""

    address: Address
    is_final: bool
    owner: Address | None
    level: int
    before: _Step | None


class _Way(Struct, frozen=True):
    """Addresses to follow. `wish`: the mailbox whose owner wants them, unless it is the one that was asked for; and how
    much was known when they were begun."""

    steps: Iterator[_Step | Untold]
    wish: _Step | None = None
    reached: int = 0
    visited: int = 0


async def expand(address: Address, look: Look, *, most: int = MOST_RESULTS) -> Expanded | Endless | Untold:
    """Follow the aliases of an address."""
    reached: dict[str, Reached] = {}
    visited: dict[tuple[str, bool], None] = {}
    doubts: dict[str, tuple[Reached, Untold]] = {}
    ways = [_Way(iter((_Step(address, False, None, 0, None),)))]
    while ways:
        step = next(ways[-1].steps, None)  # one at a time, so that a long list gives others their turn
        if step is None:
            ways.pop()
            continue
        finding = step if isinstance(step, Untold) else await _found(step, look, visited)
        if isinstance(finding, Untold | Endless):
            is_alone = isinstance(step, _Step) and step.level > 0 and isinstance(finding, Untold) and finding.is_alone
            back = step if isinstance(step, _Step) and is_alone else _back(ways, reached, visited)
            if back is None:
                return finding
            one = _in_doubt(back, finding)
            if reached.setdefault(_key(back.address), one) is one and isinstance(finding, Untold):
                doubts[_key(back.address)] = (one, finding)
        elif isinstance(step, _Step) and isinstance(finding, Alias):
            wish = step if finding.is_wish and step.level else None
            ways.append(_Way(_onward(step, finding), wish, len(reached), len(visited)))
        elif isinstance(step, _Step) and isinstance(finding, Ending):
            before = reached.get(_key(step.address))
            if before is None or before.ending in _NOT_HERE:  # `\bob, bob`: no mailbox, and yet a relay or an alias
                reached[_key(step.address)] = Reached(step.address, finding, step.owner)
        if len(reached) > most or len(visited) > 2 * most:  # the second: aliases on the way are counted, too
            return Endless(f"it stands for more than {most} addresses", is_too_many=True)
    in_doubt = [doubts[key][1] for key, one in reached.items() if key in doubts and doubts[key][0] is one]
    if in_doubt and len(in_doubt) == sum(one.ending not in _NOT_HERE for one in reached.values()):
        return in_doubt[0]  # nobody is certain
    return Expanded(tuple(reached.values()), bool(reached) and len(visited) == 1)


def _in_doubt(step: _Step, finding: Untold | Endless) -> Reached:
    """The mailbox itself where it was meant, and where its owner's wish leads in a circle: were that asked again and
    again, so would the circle be gone round. Else it is asked again for a message of its own."""
    is_mailbox = step.is_final or isinstance(finding, Endless)
    return Reached(step.address, Ending.MAILBOX if is_mailbox else Ending.LATER, step.owner)


async def _found(step: _Step, look: Look, visited: dict[tuple[str, bool], None]) -> Finding | Endless | None:
    """What it is; None: it was asked before."""
    key = (_key(step.address), step.is_final)
    if key in visited:
        on_the_way = _is_on_the_way(step, key[0])
        return Endless(f"{step.address} stands for itself by way of others") if on_the_way else None
    visited[key] = None
    finding = await look(step.address, step.is_final)
    if isinstance(finding, Alias) and step.level == MOST_LEVELS:
        return Endless(f"aliases within aliases, more than {MOST_LEVELS} levels of them")
    return finding


def _key(address: Address) -> str:
    return address.mailbox_key.casefold()


def _back(ways: list[_Way], reached: dict[str, Reached], visited: dict[tuple[str, bool], None]) -> _Step | None:
    """Back to the nearest mailbox whose owner's wish led here, if there is one, as if it had not been followed."""
    while ways:
        way = ways.pop()
        if way.wish is not None:
            while len(reached) > way.reached:
                reached.popitem()
            while len(visited) > way.visited:
                visited.popitem()
            return way.wish
    return None


class Seen(Struct, frozen=True):
    """An address on the way, how many aliases before it, and what it turned out to be."""

    level: int
    address: Address
    finding: Finding


async def trace(address: Address, look: Look, *, most: int) -> list[Seen]:
    """The way that `expand` goes, for people: each address in order, not more than `most`; each is followed once."""
    seen: list[Seen] = []
    visited: set[tuple[str, bool]] = set()
    steps = [_Step(address, False, None, 0, None)]
    while steps and len(seen) < most:
        step = steps.pop()
        finding = await look(step.address, step.is_final)
        seen.append(Seen(step.level, step.address, finding))
        key = (_key(step.address), step.is_final)
        if isinstance(finding, Alias) and key not in visited:
            visited.add(key)
            onward = list(_onward(step, finding))
            untold = next((one for one in onward if isinstance(one, Untold)), None)
            if untold is not None:
                seen.append(Seen(step.level + 1, step.address, untold))
            else:
                steps.extend(one for one in reversed(onward) if isinstance(one, _Step))
    return seen


def _onward(step: _Step, alias: Alias) -> Iterator[_Step | Untold]:
    """The next steps from an alias, each made when it is asked for."""
    owner = alias.owner or step.owner
    return (_next(step, target, owner) for target in alias.targets)


def _next(step: _Step, target: Target, owner: Address | None) -> _Step | Untold:
    address = _resolved(target, step.address)
    if not isinstance(address, Address):
        return address
    is_own = address.mailbox_key.casefold() == step.address.mailbox_key.casefold()
    is_final = is_own or (isinstance(target, Somebody) and target.is_final)
    return _Step(address, is_final, owner, step.level + 1, step)


def _resolved(target: Target, asker: Address) -> Address | Untold:
    match target:
        case Somebody(local_part, domain):
            text = f"{local_part}@{domain or asker.domain}"
        case Everybody(domain):
            text = f"{asker.local_part}@{domain}"
        case Include(path):
            return Untold(f"the included file {path} was not read")
        case _:
            return Untold(target.reason)
    try:
        return parse_address(text, smtputf8=True)
    except InvalidAddress as error:
        return Untold(f"{text}: {error}")


def _is_on_the_way(step: _Step, key: str) -> bool:
    before = step.before
    while before is not None:
        if before.address.mailbox_key.casefold() == key:
            return True
        before = before.before
    return False
