"""The picture of `asyncmta top`: facts and state as lines for a screen of some size.

Promises: never more lines than there is room for, and none wider than the screen, so that nothing scrolls; texts that a
peer sent are made printable, and no markup is read. Never: a terminal; that is `top`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import set_cell_size
from rich.text import Text

from asyncmta.cli.top_facts import (
    BLOCKS,
    COUNTED,
    LATELY,
    LATENCIES,
    Facts,
    Shown,
    course,
    failing,
    latest,
    ordered,
    per_second,
    rate,
    seconds,
    spark,
    worst,
)
from asyncmta.cli.top_keys import State
from asyncmta.cli.words import duration, printable

STYLES = {"accepted": "cyan", "delivered": "green", "deferred": "yellow", "failed": "red", "refused": "magenta"}
HEAD, BAD, DIM, PICKED = "bold", "bold red", "dim", "reverse"
LABEL = 11
SITE_COLUMNS = ((">", 7, "queued"), (">", 8, "waiting"), (">", 9, "sessions"), (">", 7, "window"), (">", 9, "back-off"))
MOST_FAILURES = 6
KEYS = "q quit  p pause  s sort  j/k pick  r retry site  / filter"


def lines(facts: Facts, state: State, width: int, height: int, blocks: str = BLOCKS) -> list[Text]:
    """At most `height` of them: figures first, sites as many as there is room for, then failures, then the keys."""
    top = [*_head(facts, state, width), *_rates(facts, width, blocks), *_figures(facts), Text("")]
    failures = _failures(failing(facts, state.wanted), width)
    foot = [_foot(state)]
    room = max(0, height - len(top) - len(foot))
    few = failures[: max(0, min(len(failures), room - 4))]
    shown = [*top, *_sites(facts, state, width, room - len(few)), *few]
    found = [*shown[: max(0, height - len(foot))], *foot]
    for line in found:
        line.truncate(width)
        line.no_wrap = True
    return found[:height]


def keys(facts: Facts, state: State) -> list[str]:
    """Of the sites, in the order of the picture."""
    return [site["key"] for site in ordered(facts, state.sort, state.wanted)]


def _head(facts: Facts, state: State, width: int) -> Iterator[Text]:
    now = facts.rates["now"]
    total = sum(now["queue"].values())
    oldest = now["oldest_accepted_at"]
    line = Text("asyncmta top", style=HEAD)
    line.append(f"  queue {total}", style="")
    line.append("" if oldest is None else f"  oldest {duration(facts.at - oldest)}", style="")
    line.append(f"  sessions {now['sessions_in']} in {now['sessions_out']} out")
    if state.is_paused:
        line.append("  PAUSED (p goes on)", style=BAD)
    yield line
    if state.absent:
        yield Text(printable(f"nobody answers, waiting: {state.absent}"), style=BAD)
    for reason in facts.paused:
        yield Text(printable(reason), style="yellow")
    yield Text("")


def _rates(facts: Facts, width: int, blocks: str) -> Iterator[Text]:
    yield Text(f"{'per second':<{LABEL}}{'now':>8}{'minute':>9}", style=DIM)
    for name in COUNTED:
        line = Text(f"{name:<{LABEL}}", style=STYLES[name])
        line.append(f"{per_second(rate(facts, name, LATELY)):>8}{per_second(rate(facts, name)):>9}  ")
        line.append(spark(course(facts, name), width - LABEL - 19, blocks))
        yield line


def _figures(facts: Facts) -> Iterator[Text]:
    queue = facts.rates["now"]["queue"]
    yield Text("queue      " + "  ".join(f"{name} {count}" for name, count in queue.items()))
    latencies = "  ".join(f"{name} {seconds(latest(facts, name))}" for name in LATENCIES)
    rest = f"  sync {seconds(latest(facts, 'sync'))}  loop lag {seconds(worst(facts, 'lag'))}"
    yield Text(f"latency    {latencies}{rest}")


def _sites(facts: Facts, state: State, width: int, room: int) -> Iterator[Text]:
    found = ordered(facts, state.sort, state.wanted)
    fixed = sum(size for _, size, _ in SITE_COLUMNS)
    name = max(10, min(36, (width - fixed) * 3 // 5))
    title = "site" + (f" (with {printable(state.wanted)!r})" if state.wanted else "")
    head = set_cell_size(title, name) + "".join(f"{text:>{size}}" for _, size, text in SITE_COLUMNS) + "  last failure"
    yield Text(head, style=HEAD)
    if not found:
        yield Text("none just now" if not facts.sites else "none of them has that", style=DIM)
        return
    for site in _window(found, state.picked, room - 1):
        cells = _cells(facts, site)
        row = "".join(f"{cell:>{size}}" for cell, (_, size, _) in zip(cells, SITE_COLUMNS, strict=True))
        is_off = site["suspended_until"] is not None and site["suspended_until"] > facts.at
        style = PICKED if site["key"] == state.picked else "red" if is_off else ""
        text = f"{set_cell_size(printable(site['key']), name)}{row}  {printable(site['last_failure'])}"
        yield Text(text, style=style)


def _cells(facts: Facts, site: Shown) -> list[str]:
    queued, until = facts.queued_for(site), site["suspended_until"]
    return [
        "-" if queued is None else str(queued),
        str(site["waiting"]),
        f"{site['sessions']}" + (f"+{site['opening']}" if site["opening"] else ""),
        f"{site['window']}/{site['limit']}",
        duration(until - facts.at) if until is not None and until > facts.at else "-",
    ]


def _window(found: Sequence[Shown], picked: str, room: int) -> Sequence[Shown]:
    """So many of them that there is room for, the picked one among them."""
    room = max(0, room)
    at = next((number for number, site in enumerate(found) if site["key"] == picked), 0)
    first = max(0, min(at - room + 1 if at >= room else 0, len(found) - room))
    return found[first : first + room]


def _failures(found: Sequence[Shown], width: int) -> list[Text]:
    if not found:
        return []
    shown = [Text(""), Text("recent failures", style=HEAD)]
    for line in found[:MOST_FAILURES]:
        time, event = str(line.get("ts", ""))[11:19], str(line.get("event", ""))
        who = set_cell_size(printable(str(line.get("recipient", ""))), max(10, min(32, width // 3)))
        text = Text(f"{printable(time)} ", style=DIM)
        text.append(f"{printable(event):<9}", style=STYLES.get(event, ""))
        text.append(f"{who} {printable(str(line.get('reply', '')))}")
        shown.append(text)
    return shown


def _foot(state: State) -> Text:
    if state.is_typing:
        return Text(f"/{state.wanted}_   Enter keeps the filter, Escape ends it", style=HEAD)
    line = Text(printable(f"{state.note}   ") if state.note else "", style=HEAD)
    line.append(f"{KEYS}  (by {state.sort})", style=DIM)
    return line
