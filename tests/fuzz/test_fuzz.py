"""The corpus of the fuzz targets played through them, as it is and changed a little at random; `make fuzz` goes on.

Needs no Atheris, and changes the same each time.
"""

from __future__ import annotations

import pathlib
import random
from collections.abc import Callable

import pytest

from asyncmta.inbound.data import ContentReader
from tests.fuzz import address_target, journal_target, session_target

HERE = pathlib.Path(__file__).parent
TARGETS: dict[str, tuple[Callable[[bytes], None], int]] = {
    "session": (session_target.check, 600),
    "address": (address_target.check, 20_000),
    "journal": (journal_target.check, 2000),
}


def corpus(name: str) -> list[bytes]:
    return [file.read_bytes() for file in sorted((HERE / "corpus" / name).iterdir())]


def changed(chance: random.Random, inputs: list[bytes]) -> bytes:
    """One or two of them with a few octets put in, taken out, changed, or exchanged between them."""
    octets, other = bytearray(chance.choice(inputs)), chance.choice(inputs)
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randint(0, len(octets)), chance.randint(1, 12)
        start = chance.randint(0, len(other))
        put = chance.choice((chance.randbytes(size), other[start : start + size], other[start:], b"\r\n", b""))
        octets[at : at + chance.choice((0, 0, 1, size))] = put
    return bytes(octets)


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    check, _ = TARGETS[name]
    inputs = corpus(name)
    assert len(inputs) >= 20
    for octets in inputs:
        check(octets)


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_changed_at_random(name: str) -> None:
    check, times = TARGETS[name]
    inputs, chance = corpus(name), random.Random(f"{name} 2026-11-22")
    for _ in range(times):
        octets = changed(chance, inputs)
        try:
            check(octets)
        except Exception as error:
            raise AssertionError(f"{octets!r} breaks {name}") from error


def test_a_target_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Content that ends at a bare LF dot LF as well, which is the hole that S01 is about."""
    end = b"EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n\x1ex\n.\n\r\n.\r\n"
    session_target.check(b"\0\0\0\0" + end)
    reader = ContentReader
    feed = reader.feed

    def hasty(self: object, chunk: bytes, at: int) -> int:
        found = chunk.find(b"\n.\n", at)
        return feed(self, chunk, at) if found < 0 else found + 3  # type: ignore[arg-type]

    monkeypatch.setattr(reader, "feed", hasty)
    with pytest.raises(AssertionError):
        session_target.check(b"\0\0\0\0" + end)
