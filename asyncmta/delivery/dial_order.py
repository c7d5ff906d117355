"""In which order the hosts of a site are dialled, and their addresses; and for how long each.

Equal hosts come in an order that a salt decides: each as often as the others, or, where an operator gave weights, by
these. IPv4 and IPv6 take turns, or one of them is preferred, or left out. One address never takes the time of all
others: it gets its share, though never so little that a slow network would look like a dead one. Never: chance of its
own, sockets, the time.

RFC 5321 5.1, RFC 2782 (weights).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b

from asyncmta.delivery.exchange import Exchanger, Site

SHORTEST_ATTEMPT = 5.0  # two further tries of the kernel, after one and three seconds


def walk_order(site: Site, salt: int) -> tuple[Exchanger, ...]:
    """The exchangers by preference, equals in an order that the salt decides (RFC 5321 5.1), with their weights."""
    exchangers = site.exchangers
    if len(exchangers) == 1:
        return exchangers
    seed = (salt % (1 << 128)).to_bytes(16, "big")

    def place(exchanger: Exchanger) -> tuple[int, float, bytes]:
        drawn = blake2b(exchanger.host.encode() + exchanger.port.to_bytes(4, "big"), digest_size=8, salt=seed).digest()
        # Exponential with the weight as rate: the smallest is each one's with the probability of its weight.
        number = (int.from_bytes(drawn, "big") + 1) / (1 << 64)
        return exchanger.rank, -math.log(number) / exchanger.weight if exchanger.weight else math.inf, drawn

    return tuple(sorted(exchangers, key=place))


def by_family(ips: Sequence[str], preference: str) -> list[str]:
    """The addresses in the order of `remote.addresses`; of "both" the resolver has made turns already."""
    if preference == "both":
        return list(ips)
    six = [ip for ip in ips if ":" in ip]
    four = [ip for ip in ips if ":" not in ip]
    match preference:
        case "ipv4":
            return four
        case "ipv6":
            return six
        case "prefer-ipv4":
            return four + six
        case _:
            return six + four


def at_most(ips: Sequence[str], most: int) -> list[str]:
    """So many of them; the last of several is of the other family, where that would be left out."""
    taken = list(ips[:most])
    if len(taken) > 1 and len({":" in ip for ip in taken}) == 1:
        other = next((ip for ip in ips[most:] if (":" in ip) != (":" in taken[0])), None)
        if other is not None:
            taken[-1] = other
    return taken


def attempt_time(left: float, longest: float, others: int) -> float:
    """For how long one address may be dialled, of so many seconds that are left for it and so many others."""
    share = left / (1 + others)
    return min(max(share, min(SHORTEST_ATTEMPT, longest)), longest, left)


def most_of_one_host(left: int, hosts_ahead: int) -> int:
    """How many addresses one host may use up of those left, so that each host behind it has one."""
    return max(1, left - hosts_ahead)
