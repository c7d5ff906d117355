"""The files of users on a real disk: found, read, and left alone where that is better."""

from __future__ import annotations

import os

import pytest

from asyncmta.lists.request_files import RequestFiles

LIST = "dev@lists.example"


@pytest.fixture
def house(tmp_path):
    for name in ("alice", "bob", "x y", ".hidden"):
        (tmp_path / "a.example" / name).mkdir(parents=True)
    return tmp_path


def read(house, *known, pattern="{domain}/{local_part}/subscriptions"):
    return RequestFiles(f"{house}/{pattern}", ["a.example", "b.example"]).read(known)


def test_who_wants_what(house):
    (house / "a.example/alice/subscriptions").write_text(f"{LIST}\n")
    (house / "a.example/x y/subscriptions").write_text(f"{LIST}\n")
    (house / "a.example/bob/subscriptions").write_text("# nothing\n")
    assert read(house) == ({"alice@a.example": (LIST,), "x y@a.example": (LIST,)}, set())
    (house / "a.example/.hidden/subscriptions").write_text("")
    (house / "alice.subs").write_text(f"{LIST}\n")
    assert read(house, pattern="{local_part}.subs")[0]["alice@a.example"] == (LIST,)


def test_who_took_it_away_and_who_cannot_be_asked(house):
    """A disk that is not there is nobody's change of mind."""
    assert read(house, "alice@a.example") == ({}, set())
    assert read(house, "carol@a.example") == ({}, {"carol@a.example"})
    assert read(house / "unmounted", "alice@a.example") == ({}, {"alice@a.example"})


def test_what_is_not_read(house):
    place = house / "a.example/alice/subscriptions"
    os.mkfifo(place)
    assert read(house) == ({}, {"alice@a.example"})
    place.unlink()
    place.symlink_to(house / "elsewhere")
    assert read(house) == ({}, {"alice@a.example"})
    place.unlink()
    place.write_text(f"{LIST}\n" * 10_000)
    assert read(house) == ({}, {"alice@a.example"})
    place.unlink()
    place.mkdir()
    assert read(house) == ({}, {"alice@a.example"})
