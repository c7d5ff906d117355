"""Writes docs/server-faults.md from the table that the tests of faults play (tests/faults/fault_table.py).

`make docs` runs it; tests/faults/test_fault_page.py fails when the page is not what this would write.
"""

import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "server-faults.md"
sys.path.insert(0, str(ROOT))

from tests.faults.fault_table import TABLE  # noqa: E402
from tests.faults.words import Kind, Pair, Step, Verdict  # noqa: E402

HEAD = """# When servers go wrong

What asyncmta does when a server that it delivers to goes wrong: at each step of a session, for each way of going wrong.
This page is made from `tests/faults/fault_table.py`, and each of its {count} pairs of a step and a fault is played
against a real remote transport over sockets, on a clock moved by hand; so it is what happens, not what was meant to.

The scene: one message for three recipients of one domain. **Outcome** has a letter for each of them: **D**elivered,
d**E**ferred (to be tried again), **F**ailed (to be reported). **Kept** is the reply that the queue shows for the first
one that was not delivered (one of our own where the peer made no sense), with its cause and scope: what is of scope
SITE is held against the host, what is of scope MESSAGE or RECIPIENT is not. **Next host**: another exchanger of the
domain is asked within the same pass. **Used again**: the session is kept for what comes next.
**Twice?**: the server may have taken the message although we do not know it, so that the next attempt may be a
duplicate; nobody else is asked in the same pass, it is counted, and it is only so after all of the content was sent.

The rules behind it, in the order in which they decide:

1. Nothing is lost: whoever is not delivered or failed is deferred.
2. Nobody fails but by a 5yz that a server gave in its place, from MAIL on; never by nonsense, silence, or a broken
   connection.
3. What is said before MAIL is about a host, so that the next one is asked, and nothing bounces for it.
4. The first digit decides, and an enhanced status of another class is dropped (RFC 3463).
5. A session that was out of step is closed; a new one costs little, a wrong reply to the right question costs mail.

"""


def _columns(verdict: Verdict) -> str:
    kept = f"`{verdict.reply}` {verdict.cause} {verdict.scope}" if verdict.reply else ""
    flags = (verdict.next_host, verdict.is_used_again, verdict.may_be_duplicate)
    return " | ".join([verdict.outcomes, kept, *("yes" if flag else "" for flag in flags)])


def _table(pairs: list[Pair]) -> list[str]:
    """One line for each verdict, with all faults that lead to it."""
    lines = ["| the server | outcome | kept | next host | used again | twice? |", "|---|---|---|---|---|---|"]
    by_verdict: dict[Verdict, list[str]] = {}
    for pair in pairs:
        by_verdict.setdefault(pair.verdict, []).append(pair.fault.value)
    lines += [f"| {'; '.join(faults)} | {_columns(verdict)} |" for verdict, faults in by_verdict.items()]
    return [*lines, ""]


def _section(step: Step, pairs: list[Pair]) -> list[str]:
    """Kinds of sessions to which the same happens share a table."""
    tables: dict[str, list[Kind]] = {}
    for kind in dict.fromkeys(pair.kind for pair in pairs):
        text = "\n".join(_table([pair for pair in pairs if pair.kind is kind]))
        tables.setdefault(text, []).append(kind)
    lines = [f"## At {step.value}", ""]
    for text, kinds in tables.items():
        lines += [f"*{', '.join(kind.value for kind in kinds)}*", "", text]
    return lines


def page() -> str:
    order = list(Step)
    pairs = sorted(TABLE, key=lambda pair: order.index(pair.step))
    lines = [line for step, found in groupby(pairs, key=lambda pair: pair.step) for line in _section(step, list(found))]
    return HEAD.format(count=len(TABLE)) + "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
