"""What a run of the simulated internet cost, as numbers and as a table for people."""

from __future__ import annotations

from msgspec import Struct

from tests.internet.mail import least_transactions
from tests.internet.providers import Provider
from tests.internet.simulation import Result


class Cost(Struct, frozen=True):
    """Of one provider. `mean` and `last`: seconds from the start until its recipients had their mail."""

    provider: Provider
    taken: int
    dials: int
    sessions: int
    transactions: int
    least: int
    refused: int
    mean: float
    last: float


def costs(result: Result) -> list[Cost]:
    least = least_transactions(result.letters, result.internet)
    return [_cost(result, provider, least[provider]) for provider in result.internet.providers]


def _cost(result: Result, provider: Provider, least: int) -> Cost:
    hosts = provider.hosts
    times = [each.time - result.began for host in hosts for each in host.taken] or [0.0]
    return Cost(
        provider,
        sum(len(host.taken) for host in hosts),
        sum(host.dials for host in hosts),
        sum(host.sessions_seen for host in hosts),
        sum(host.transactions for host in hosts),
        least,
        sum(host.refused for host in hosts),
        sum(times) / len(times),
        max(times),
    )


def connections_without_grouping(result: Result) -> tuple[int, int]:
    """How many there would be with one for each recipient; and with one for each domain of each letter."""
    by_domain = 0
    for letter in result.letters:
        by_domain += len({recipient.rpartition("@")[2] for recipient in letter.recipients})
    return sum(len(letter.recipients) for letter in result.letters), by_domain


def table(result: Result) -> str:
    by_recipient, by_domain = connections_without_grouping(result)
    found = costs(result)
    dials, transactions, least = (
        sum(getattr(cost, name) for cost in found) for name in ("dials", "transactions", "least")
    )
    lines = [
        f"{len(result.letters)} letters, {by_recipient} recipients, {len(result.internet.domains)} domains",
        f"{dials} connections (one for each recipient: {by_recipient}; one for each domain of a letter: {by_domain})",
        f"{transactions} transactions, at the least {least}; {result.seconds:.0f} s until nothing waits",
        "provider             domains recipients  dials sessions transactions  least refused   mean s    last s",
    ]
    lines += [
        f"{cost.provider.kind:20} {len(cost.provider.domains):7} {cost.taken:10} {cost.dials:6} {cost.sessions:8} "
        f"{cost.transactions:12} {cost.least:6} {cost.refused:7} {cost.mean:8.1f} {cost.last:9.1f}"
        for cost in found
    ]
    return "\n".join(lines)
