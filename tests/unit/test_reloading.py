"""What a reload takes over, and what it says needs a restart."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from asyncmta.config import Settings
from asyncmta.config_tables import known_paths
from asyncmta.reloading import TAKEN_OVER, compare

ROOT = Path(__file__).parents[2]
BASE: dict[str, Any] = {"hostname": "mx.example", "spool": "/spool"}


def settings(**more: Any) -> Settings:
    return Settings.from_dict(BASE | more)


def test_the_same_settings_change_nothing() -> None:
    before = settings()
    change = compare(before, settings())
    assert (change.changed, change.needs_restart) == ((), ())
    assert change.settings == before


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"route": [{"recipient": "*", "via": "hold"}]}, "route"),
        ({"smarthost": "relay.example:25"}, "smarthost"),
        ({"relay": {"networks": ["192.0.2.0/24"]}}, "relay.networks"),
        ({"local": {"domains": ["a.example"]}}, "local.domains"),
        ({"limits": {"hops": 20}}, "limits.hops"),
        ({"rule": [{"action": "reject", "sender": ["x@y.example"]}]}, "rule"),
        ({"queue": {"drain_timeout": "10s"}}, "queue.drain_timeout"),
        ({"log": {"level": "debug"}}, "log.level"),
    ],
)
def test_what_is_taken_over(more: dict[str, Any], key: str) -> None:
    wanted = settings(**more)
    change = compare(settings(), wanted)
    assert (change.changed, change.needs_restart) == ((key,), ())
    assert change.settings == wanted


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"hostname": "other.example", "postmaster": "me@a.example"}, "hostname"),
        ({"listener": [{"port": 2526}]}, "listener"),
        ({"remote": {"port": 26}}, "remote.port"),
        ({"queue": {"min_free_space": "1MiB"}}, "queue.min_free_space"),
        ({"log": {"format": "json"}}, "log.format"),
        ({"admin": {"listen": "127.0.0.1:8025"}}, "admin.listen"),
    ],
)
def test_what_needs_a_restart_stays_as_it_was(more: dict[str, Any], key: str) -> None:
    before = settings(postmaster="me@a.example")
    change = compare(before, settings(**({"postmaster": "me@a.example"} | more)))
    assert (change.changed, change.needs_restart) == ((), (key,))
    assert replace(change.settings, source=before.source) == before


def test_both_at_once_in_one_table() -> None:
    change = compare(settings(), settings(queue={"lifetime": "2d", "min_free_space": "1MiB"}))
    assert (change.changed, change.needs_restart) == (("queue.lifetime",), ("queue.min_free_space",))
    assert change.settings.queue.lifetime == 2 * 86400
    assert change.settings.queue.min_free_space == settings().queue.min_free_space


def test_what_is_taken_over_are_fields_that_there_are() -> None:
    assert set(TAKEN_OVER) <= set(Settings.__struct_fields__)


def test_a_postmaster_is_one_key() -> None:
    change = compare(settings(), settings(postmaster="me@a.example"))
    assert (change.changed, change.needs_restart) == ((), ("postmaster",))


def test_the_page_has_the_table_of_all_keys() -> None:
    script = runpy.run_path(str(ROOT / ".ci" / "reload_table.py"))
    page = (ROOT / "docs" / "life.md").read_text()
    assert page == script["renewed"](page), "run .venv/bin/python .ci/reload_table.py"
    listed = sum(len(now) + len(later) for _, now, later in script["rows"]())
    assert listed == len(known_paths())
