"""Every conversation in this folder, whole, octet by octet and at random splits, with the same result."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.dialogs.player import Dialog, Player, octet_by_octet, unescape, whole

FILES = sorted(Path(__file__).parent.glob("*.smtp"))
RANDOM_SPLITS = 4
MAX_BY_OCTET = 50_000  # larger dialogs are split in pieces only


def result(player: Player) -> tuple[object, ...]:
    return player.out, player.messages, player.refused, player.closing


def pieces(seed: int, octets: bytes) -> Iterable[bytes]:
    chance = random.Random(f"{seed} {len(octets)}")
    longest = chance.choice([3, 17, 300, 5000]) if len(octets) < MAX_BY_OCTET else 70_000
    at = 0
    while at < len(octets):
        size = chance.randint(1, longest)
        yield octets[at : at + size]
        at += size


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_dialog(file: Path) -> None:
    dialog = Dialog(file.read_text("utf-8"))
    expected = result(dialog.run(whole))
    if dialog.at_once:
        return
    size = sum(len(argument) for mark, argument in dialog.steps if mark == "C")
    if size < MAX_BY_OCTET:
        assert result(dialog.run(octet_by_octet)) == expected
    for seed in range(RANDOM_SPLITS):
        assert result(dialog.run(lambda octets, seed=seed: pieces(seed, octets))) == expected


def test_there_are_enough_dialogs_and_each_says_what_it_is_about() -> None:
    assert len(FILES) >= 125
    for file in FILES:
        assert file.read_text("utf-8").startswith("# "), file.name


def test_the_runner_notices_what_differs() -> None:
    """A dialog that expects something else fails in each of its ways."""
    right = "S: 220 mx\nC: NOOP\nS: 250 2.0.0\n"
    Dialog(right).run(whole)
    for wrong in (
        right.replace("S: 250", "S: 251"),
        right.replace("S: 250 2.0.0\n", ""),
        right + "X:\n",
        right + "C: QUIT\nS: 221\n",
        right + "S: 250",
    ):
        with pytest.raises(AssertionError):
            Dialog(wrong).run(whole)


def test_escapes_of_the_files() -> None:
    assert unescape(r"a\r\n\x00{xy*3}\\") == b"a\r\n\x00xyxyxy\\"
