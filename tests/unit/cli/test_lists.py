"""`asyncmta list`: what files say of lists, whether or not anything runs."""

from __future__ import annotations

import json

import pytest

from asyncmta.lists.bounce_counts import Bounce, line


@pytest.fixture
def lists(config):
    config.write_text(
        config.read_text()
        + '[local]\ndomains = ["a.example"]\n[[list]]\naddress = "Dev@a.example"\nmembers = "dev"\nverp = true\n'
        + '[[list]]\naddress = "news@a.example"\nmembers = "news"\nsubscribe = "confirm"\nowner = "ann"\n'
    )
    (config.parent / "dev").write_text("ann@a.example\nbob@b.example\n")
    (config.parent / "news").write_text("")
    return config.parent


def test_which_there_are(run, lists):
    assert run("check-config").code == 0
    ended = run("list", "show")
    assert ended.code == 0
    assert ended.out == (
        "dev@a.example  members: 2  subscribe: closed  verp: yes\n"
        "news@a.example  members: 0  subscribe: confirm  verp: no\n"
    )
    found = json.loads(run("list", "show", "--json").out)
    assert [each["owner"] for each in found] == ["postmaster@mta.example", "ann@a.example"]


def test_whose_mail_bounces(run, lists):
    assert run("list", "bounces", "dev").out == ""
    (lists / "spool" / "lists").mkdir()
    octets = line(Bounce("bob@b.example", 0.0, "1")) + line(Bounce("ann@a.example", 1.0, "2"))
    octets += line(Bounce("bob@b.example", 86400.0, "3")) + b"half"
    (lists / "spool" / "lists" / "dev@a.example.bounces").write_bytes(octets)
    ended = run("list", "bounces", "DEV@a.example")
    assert ended.out == (
        "     2  bob@b.example  last Fri, 02 Jan 1970 00:00:00 +0000\n"
        "     1  ann@a.example  last Thu, 01 Jan 1970 00:00:01 +0000\n"
    )
    assert [each["count"] for each in json.loads(run("list", "bounces", "dev", "--json").out)] == [2, 1]


def test_what_is_not_there(run, lists):
    ended = run("list", "bounces", "nobody\x1b[2J")
    assert ended.code == 65
    assert "\x1b" not in ended.err
    assert "dev@a.example, news@a.example" in ended.err
    (lists / "dev").write_bytes(b"\xff")
    assert run("list", "show").code == 74
    (lists / "spool" / "lists").mkdir()
    (lists / "spool" / "lists" / "dev@a.example.bounces").symlink_to("elsewhere")
    assert run("list", "bounces", "dev").code == 74
