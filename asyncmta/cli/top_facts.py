"""What `asyncmta top` knows at a moment, out of the answers of the HTTP interface: rates, queue, latency, sites. Pure.

Promises: `shown` is what `--once` prints as JSON, so its keys are what scripts read; times are Unix seconds, latencies
seconds, null is "there was none". Never: a look at a clock, a screen, or the network.

docs/top.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

Shown = dict[str, Any]

COUNTED = ("accepted", "delivered", "deferred", "failed", "refused")
LATENCIES = ("p50", "p95", "p99")
SORTS = ("queued", "waiting", "sessions", "back-off", "name")
BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN_BLOCKS = " .:-=+*#@"
LATELY = 5  # steps that "now" is the mean of, so that a figure can be read


class Facts(Struct, frozen=True):
    """Answers of `/v1/rates`, `/v1/sites`, `/v1/log` and `/v1/pauses`. `queued`: messages by next hop, where they have
    been counted; `leading`: by the key of a site, all next hops that were seen to lead there."""

    rates: Shown
    sites: tuple[Shown, ...] = ()
    failures: tuple[Shown, ...] = ()
    paused: tuple[str, ...] = ()
    queued: Mapping[str, int] | None = None
    leading: Mapping[str, frozenset[str]] = {}

    @property
    def at(self) -> float:
        at: float = self.rates["at"]
        return at

    def destinations(self, site: Shown) -> list[str]:
        """Next hops that lead to a site."""
        return sorted({*site["destinations"], *self.leading.get(site["key"], ())})

    def queued_for(self, site: Shown) -> int | None:
        """Messages that are to go there; None where it is not known."""
        if self.queued is None:
            return None
        return sum(self.queued.get(name, 0) for name in self.destinations(site))


def rate(facts: Facts, name: str, steps: int | None = None) -> float:
    """Per second, over the last so many steps."""
    counts, seconds = facts.rates[name], facts.rates["seconds"]
    if steps is not None:
        counts, seconds = counts[-steps:], seconds[-steps:]
    time = sum(seconds)
    return float(sum(counts) / time) if time > 0 else 0.0


def course(facts: Facts, name: str) -> list[float]:
    """Per second, step by step."""
    pairs = zip(facts.rates[name], facts.rates["seconds"], strict=True)
    return [count / length if length > 0 else 0.0 for count, length in pairs]


def latest(facts: Facts, name: str) -> float | None:
    """The last one there was."""
    return next((value for value in reversed(facts.rates[name]) if value is not None), None)


def worst(facts: Facts, name: str) -> float | None:
    return max((value for value in facts.rates[name] if value is not None), default=None)


def spark(values: Sequence[float], width: int, blocks: str = BLOCKS) -> str:
    """The last `width` of them as blocks, the highest of these full; blank is nothing at all."""
    values = values[-width:] if width > 0 else ()
    most = max(values, default=0.0)
    if most <= 0:
        return blocks[0] * len(values)
    top = len(blocks) - 1
    return "".join(blocks[min(top, max(1, round(value / most * top)))] if value > 0 else blocks[0] for value in values)


def seconds(value: float | None) -> str:
    """`-`, `0.4ms`, `12ms`, `1.24s`, `3m2s`."""
    if value is None:
        return "-"
    if value < 0.01:
        return f"{value * 1000:.1f}ms"
    if value < 1:
        return f"{value * 1000:.0f}ms"
    return f"{value:.2f}s" if value < 60 else f"{int(value // 60)}m{int(value % 60)}s"


def per_second(value: float) -> str:
    """`0`, `<0.1`, `0.4`, `12.5`, `1234`."""
    if 0 < value < 0.1:
        return "<0.1"
    return "0" if value == 0 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ordered(facts: Facts, sort: str, wanted: str) -> list[Shown]:
    """The sites with `wanted` in their key, hosts, next hops or last failure, in this order."""
    wanted = wanted.lower()
    found = [site for site in facts.sites if wanted in _said_of(facts, site)]
    if sort == "name":
        return sorted(found, key=lambda site: site["key"])
    measures: dict[str, Callable[[Shown], tuple[float, ...]]] = {
        "queued": lambda site: (facts.queued_for(site) or 0, site["waiting"], site["sessions"]),
        "waiting": lambda site: (site["waiting"], site["sessions"]),
        "sessions": lambda site: (site["sessions"], site["waiting"]),
        "back-off": lambda site: (site["suspended_until"] or 0.0,),
    }
    measure = measures[sort]
    return sorted(found, key=lambda site: (*(-each for each in measure(site)), site["key"]))


def failing(facts: Facts, wanted: str) -> list[Shown]:
    """Lines of the log with `wanted` in recipient or reply, the newest first."""
    wanted = wanted.lower()
    return [line for line in facts.failures if wanted in f"{line.get('recipient')} {line.get('reply')}".lower()]


def _said_of(facts: Facts, site: Shown) -> str:
    return " ".join((site["key"], *site["hosts"], *facts.destinations(site), site["last_failure"])).lower()


def shown(facts: Facts) -> Shown:
    """As JSON."""
    now = facts.rates["now"]
    return {
        "at": facts.at,
        "rates": {name: {"now": rate(facts, name, LATELY), "minute": rate(facts, name)} for name in COUNTED},
        "latency": {name: latest(facts, name) for name in LATENCIES},
        "sync": latest(facts, "sync"),
        "lag": worst(facts, "lag"),
        "queue": now["queue"],
        "oldest_accepted_at": now["oldest_accepted_at"],
        "sessions_in": now["sessions_in"],
        "sessions_out": now["sessions_out"],
        "sites": [
            {**site, "destinations": facts.destinations(site), "queued": facts.queued_for(site)}
            for site in ordered(facts, "queued", "")
        ],
        "failures": list(facts.failures),
        "paused": list(facts.paused),
    }
