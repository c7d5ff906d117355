"""The cases of tests/aliases, as far as they are aliases(5), read by Postfix: the same names, and the same behind them.

A case that says `postfix` is one where we differ on purpose. Whole addresses it takes in virtual(5) only.
"""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from peerkit.null_clients import GROUP, OWNER
from peerkit.programs import PLACES, POSTFIX, postfix_environment, postfix_program

from asyncmta.mail.address import quote, unquote
from asyncmta.mailboxes.alias_text import Somebody, Target, parse_aliases, parse_include

pytestmark = pytest.mark.peers

CASES = Path(__file__).parent.parent / "aliases" / "cases"
GROUPS = ("names", "targets", "lines", "includes", "loops", "owners", "details")
ITS_OWN = ("@", "YP_LAST_MODIFIED", "YP_MASTER_NAME")


def _aliases() -> list[Any]:
    """Each text once."""
    found: dict[str, Any] = {}
    for group in GROUPS:
        for case in tomllib.loads((CASES / f"{group}.toml").read_text())["case"]:
            text = case.get("aliases", "").replace("$DIR", "/etc/mail")
            if text and "faults" not in case and "postfix" not in case:
                found.setdefault(text, pytest.param(text, id=f"{group}: {case['about']}"))
    return list(found.values())


def _read_by_postfix(text: str, home: Path) -> dict[str, str]:
    """Names, and what stands behind them, as it writes it into its own table."""
    for name in ("etc", "spool", "data", "log"):
        (home / name).mkdir()
    places = PLACES.format(home=home, top=POSTFIX.resolve(), owner=OWNER, group=GROUP)
    (home / "etc" / "main.cf").write_text(f"{places}myhostname = here.example\n")
    os.utime(home / "etc" / "main.cf", (1, 1))  # it would wait until that is two seconds old
    (home / "aliases").write_bytes(text.encode())
    command = [postfix_program("postalias"), "-c", str(home / "etc")]
    table = f"hash:{home}/aliases"
    subprocess.run([*command, table], env=postfix_environment(), check=True, capture_output=True, timeout=20)
    listed = subprocess.run(
        [*command, "-s", table], env=postfix_environment(), check=True, capture_output=True, timeout=20
    )
    pairs = (line.partition(":\t") for line in listed.stdout.decode().split("\n") if line)
    return {name: value for name, _, value in pairs if name not in ITS_OWN}


def _plain(target: Target) -> Target:
    """What is lost on the way into its table: quotes that nobody needs, and a backslash."""
    if isinstance(target, Somebody):
        return Somebody(quote(unquote(target.local_part)), target.domain)
    return target


@pytest.mark.parametrize("text", _aliases())
def test_postfix_reads_the_same(text: str, tmp_path: Path) -> None:
    entries = parse_aliases(text).entries.items()
    ours = {name.removesuffix("@"): targets for name, targets in entries if "@" not in name[:-1] or name[-1] == "@"}
    theirs = _read_by_postfix(text, tmp_path)
    assert set(theirs) == set(ours)
    for name, value in theirs.items():
        targets, faults = parse_include(value)
        assert not faults
        assert list(map(_plain, targets)) == list(map(_plain, ours[name]))


def test_there_are_enough_to_compare() -> None:
    assert len(_aliases()) >= 100
