"""The table `[suppression]` of config.toml: every key with its type, what it may be, and its default.

As in `config_tables`. Never: a look at the list (`suppression/keeper`).

docs/suppression.md.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from asyncmta.config_kinds import Choice, Duration, Text, TextList, Unfit, Whole, named
from asyncmta.config_route_table import OptionalPath
from asyncmta.mail.failure_class import FailureClass
from asyncmta.suppression.counting import Automatic

MINUTE, DAY = 60.0, 86400.0


def failure_class(text: str) -> str:
    """One of them, or "hard": all that are about the address itself."""
    words = ("hard", *(each.value for each in FailureClass))
    if text not in words:
        raise Unfit(f"expected one of {', '.join(words)}, got {named(text)}")
    return text


class SuppressionTable(Struct, frozen=True, kw_only=True):
    file: Annotated[str, OptionalPath] = ""
    action: Annotated[str, Choice(("refuse", "drop"))] = "refuse"
    automatic: Annotated[tuple[str, ...], TextList(Text(failure_class))] = ()
    automatic_after: Annotated[int, Whole(1, 1000)] = 3
    automatic_window: Annotated[float, Duration(MINUTE, 365 * DAY)] = 30 * DAY
    automatic_expires: Annotated[float, Duration(MINUTE, 3650 * DAY, zero="never")] = 90 * DAY


def automatic_of(table: SuppressionTable) -> Automatic:
    """What is put on the list by itself; nothing by default."""
    classes = {each for each in table.automatic if each != "hard"}
    if "hard" in table.automatic:
        classes |= {each.value for each in FailureClass if each.is_hard}
    return Automatic(
        classes=frozenset(classes),
        after=table.automatic_after,
        window=table.automatic_window,
        expires=table.automatic_expires,
    )
