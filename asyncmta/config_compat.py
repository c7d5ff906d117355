"""Settings that come from the variables of another program's image: put where ours say nothing, each with a remark.

`ASYNCMTA_COMPAT=boky`, as our own image says it, switches it on. Promises: what config.toml or a variable of ours says
wins, and that is said; except where the other image's variable restricts who may send: then it is a fault, since one of
the two would be dropped. Never: what a variable means (`config_boky`).

docs/container.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from asyncmta.config_boky import Said, translate
from asyncmta.config_tables import ARRAYS

COMPAT_VARIABLE = "ASYNCMTA_COMPAT"
KNOWN = ("boky", "")


class CompatNote(Struct, frozen=True):
    """For the log at the start: what became of one variable. `ours`: our keys, as variables; empty: none."""

    variable: str
    ours: tuple[str, ...] = ()
    text: str = ""


class Compat(Struct, frozen=True):
    """What is to be put, and what is to be said."""

    said: tuple[Said, ...] = ()
    notes: tuple[CompatNote, ...] = ()
    faults: tuple[str, ...] = ()


def read_compat(environ: Mapping[str, str], tree: Mapping[str, Any]) -> Compat:
    """Beside the settings of `tree`, which are ours."""
    word = environ.get(COMPAT_VARIABLE, "")
    if word not in KNOWN:
        return Compat(faults=(f'environment: {COMPAT_VARIABLE}: expected "boky" or nothing, got "{word[:80]}"',))
    if not word:
        return Compat()
    translation = translate(environ)
    faults = list(translation.faults)
    kept: list[Said] = []
    notes: dict[str, list[str]] = {}
    passed: dict[str, str] = {}
    for said in translation.said:
        if _is_said(tree, said.path):
            passed[said.variable] = variable_of(said.path)
            if said.path[0] == "rule" and said.path[1:] == ("0", "sender"):
                wanted = "there is a [[rule]] of your own, which would drop this one; say it there, and take this away"
                faults.append(f"environment: {said.variable}: {wanted}")
            continue
        kept.append(said)
        notes.setdefault(said.variable, []).append(variable_of(said.path))
    found = [CompatNote(variable, ours=tuple(ours)) for variable, ours in notes.items()]
    found += [
        CompatNote(variable, text=f"is passed over: {ours} or its table is set")
        for variable, ours in passed.items()
        if variable not in notes
    ]
    found += [CompatNote(remark.variable, text=remark.text) for remark in translation.remarks]
    return Compat(tuple(kept), tuple(found), tuple(faults))


def variable_of(path: tuple[str, ...]) -> str:
    """The variable of ours for a key."""
    return "ASYNCMTA_" + "__".join(path).upper()


def _is_said(tree: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Is this key there already? Of an array that is a list of decisions, any entry counts; of listeners, the key."""
    first = tree.get(path[0])
    if path[0] == "route" and tree.get("smarthost"):
        return True
    if path[0] not in ARRAYS:
        return path[-1] in first if len(path) == 2 and isinstance(first, Mapping) else first is not None
    if path[0] != "listener" or not isinstance(first, list):
        return first is not None
    return len(first) > 1 or any(path[-1] in entry for entry in first if isinstance(entry, Mapping))
