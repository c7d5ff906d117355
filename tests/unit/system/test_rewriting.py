"""A file of an administrator, written anew by a process that may be killed at any moment."""

from __future__ import annotations

import os

import pytest

from asyncmta.system.rewriting import rewrite


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path, monkeypatch):
    path = tmp_path / "dev"
    path.write_text("ann\n")
    (tmp_path / f"dev.{os.getpid()}.new").write_text("half")
    rewrite(str(path), lambda octets: octets + b"bob\n")
    assert path.read_text() == "ann\nbob\n"
    assert os.listdir(tmp_path) == ["dev"]


@pytest.mark.parametrize("name", ["fsync", "rename"])
def test_killed_in_the_middle_the_old_one_stands(tmp_path, monkeypatch, name):
    path = tmp_path / "dev"
    path.write_text("ann\n")

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, name, die)
        with pytest.raises(Killed):
            rewrite(str(path), lambda octets: octets + b"bob\n")
    assert path.read_text() == "ann\n"


def test_a_new_one_is_for_its_owner_and_an_old_one_stays_whose_it_is(tmp_path):
    path = tmp_path / "dev"
    rewrite(str(path), lambda octets: octets + b"ann\n")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    rewrite(str(path), lambda octets: octets + b"bob\n")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("ann\nbob\n", 0o644)
