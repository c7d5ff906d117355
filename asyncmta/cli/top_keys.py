"""What a key does to `asyncmta top`: the state of the picture, and what is to be done beside it. Pure.

Promises: every state is one that can be drawn; a key that means nothing changes nothing. Never: a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from asyncmta.cli.top_facts import SORTS

QUIT, RETRY, LOOK = "quit", "retry", "look"
_MOVES = {"j": 1, "down": 1, "k": -1, "up": -1, "page down": 10, "page up": -10, "home": -(1 << 20), "end": 1 << 20}
MOST_TYPED = 100


class State(Struct, frozen=True):
    """`picked`: the key of a site, "" for none yet; `wanted`: the filter, which is being typed where `is_typing`;
    `note`: what the last action did; `absent`: why nobody answers, "" as long as somebody does."""

    sort: str = SORTS[0]
    picked: str = ""
    wanted: str = ""
    is_typing: bool = False
    is_paused: bool = False
    note: str = ""
    absent: str = ""


def pressed(state: State, key: str, sites: Sequence[str]) -> tuple[State, str]:
    """The state after it, and QUIT, RETRY, LOOK (draw from new facts) or "". `sites`: their keys as they are drawn."""
    if state.is_typing:
        return _typed(state, key), ""
    state = replace(state, note="")
    if key in ("q", "Q"):
        return state, QUIT
    if key in ("p", " "):
        return replace(state, is_paused=not state.is_paused), LOOK if state.is_paused else ""
    if key == "s":
        return replace(state, sort=SORTS[(SORTS.index(state.sort) + 1) % len(SORTS)]), ""
    if key == "/":
        return replace(state, is_typing=True), ""
    if key == "escape":
        return replace(state, wanted="", picked=""), ""
    if key == "r":
        return (state, RETRY) if state.picked in sites else (replace(state, note="pick a site first: j, k"), "")
    if key in _MOVES and sites:
        return replace(state, picked=_moved(state.picked, _MOVES[key], sites)), ""
    return state, ""


def _moved(picked: str, by: int, sites: Sequence[str]) -> str:
    if picked not in sites:
        return sites[0 if by > 0 else -1] if abs(by) == 1 else sites[0 if by < 0 else -1]
    return sites[min(len(sites) - 1, max(0, sites.index(picked) + by))]


def _typed(state: State, key: str) -> State:
    if key == "enter":
        return replace(state, is_typing=False)
    if key == "escape":
        return replace(state, is_typing=False, wanted="")
    if key == "backspace":
        return replace(state, wanted=state.wanted[:-1])
    if len(key) == 1 and key.isprintable() and len(state.wanted) < MOST_TYPED:
        return replace(state, wanted=state.wanted + key)
    return state
