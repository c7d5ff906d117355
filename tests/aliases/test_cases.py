"""The table of cases: files of aliases and a question, and who is reached. One file of cases/ for each subject.

A case has `about`, the texts of the files (`aliases`, `virtual`, `relocated`, and any others in `files`; $DIR is where
they lie), a question (`ask`; a bare name is at here.example) and the answer (`is`): a list of those who are reached
(">" is before a stranger, "?" before nobody, "~" before somebody who is asked for again by himself,
"by" before the sender that they are written with), or "nobody", "loop",
"too deep", "moved: ADDRESS", "unknown: REASON" (as it begins). What is not in `faults` (as they begin) is none.
`postfix` says where Postfix would do otherwise, and why we do not.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from aliaskit.house import PEOPLE, House

FOLDER = Path(__file__).parent / "cases"
GROUPS = ("names", "targets", "lines", "includes", "loops", "owners", "virtual", "details", "moved", "forward")


def cases(group: str) -> list[dict[str, Any]]:
    return tomllib.loads((FOLDER / f"{group}.toml").read_text())["case"]


def _table() -> list[Any]:
    return [pytest.param(case, id=f"{group}: {case['about']}") for group in GROUPS for case in cases(group)]


@pytest.mark.parametrize("case", _table())
async def test_who_is_reached(case: dict[str, Any], tmp_path: Path) -> None:
    house = House(tmp_path, delimiters=case.get("delimiters", ""), mailboxes=case.get("mailboxes", PEOPLE))
    texts = {name: case[name] for name in ("aliases", "virtual", "relocated") if name in case}
    house.write(texts | case.get("files", {}))
    answer, expected = await house.ask(case["ask"]), case["is"]
    if isinstance(expected, str) and expected.startswith("unknown: "):
        assert isinstance(answer, str)
        assert answer.startswith(expected.replace("$DIR", str(tmp_path)))
    else:
        assert answer == expected
    wanted = [fault.replace("$DIR/", "").replace("$DIR", str(tmp_path)) for fault in case.get("faults", ())]
    said = [fault.replace(f"{tmp_path}/", "") for fault in dict.fromkeys(house.faults)]
    if expected != answer or wanted or not isinstance(expected, str):
        assert [one[: len(other)] for one, other in zip(said, wanted, strict=True)] == wanted


def test_the_table_is_as_long_as_it_is_said_to_be() -> None:
    assert sum(len(cases(group)) for group in (*GROUPS, "srs")) >= 250
