"""The settings as they are shown: every key once, where each came from, no secret, and what a restart is needed for."""

from __future__ import annotations

import json

from asyncmta import Settings
from asyncmta.config_tables import known_paths
from asyncmta.mta_settings import told

FILE = """
smarthost = "smtp.example.net:587"
[queue]
lifetime = "3d"
[admin]
token = "a-secret-of-32-letters-or-so-0001"
[[route]]
recipient = "*@a.test"
via = "smarthost"
hosts = ["relay.test:25"]
username = "u"
password = "hush-hush"
"""


def rows_of(settings, waiting=()):
    return {row["key"]: row for row in told(settings, waiting)}


def loaded(tmp_path, environ=None):
    path = tmp_path / "config.toml"
    path.write_text(FILE)
    return Settings.load(path, environ=environ or {})


def test_every_key_is_there_once(tmp_path):
    found = list(told(loaded(tmp_path)))
    keys = [row["key"] for row in found]
    assert len(keys) == len(set(keys))
    there = {"listener.0", "route.0"}  # of the arrays that have an entry
    expected = {path for path in known_paths() if ".0." not in path or path.rpartition(".")[0] in there}
    assert set(keys) == expected


def test_each_tells_where_it_came_from(tmp_path):
    secret = tmp_path / "token"
    secret.write_text("another-secret-of-32-letters-0002\n")
    environ = {"ASYNCMTA_QUEUE__DELAY_WARNING": "1h", "ASYNCMTA_ADMIN__TOKEN_FILE": str(secret)}
    found = rows_of(loaded(tmp_path, environ))
    told = {key: (found[key]["value"], found[key]["source"], found[key]["variable"]) for key in found}
    assert told["queue.lifetime"] == ("3d", "file", None)
    assert told["queue.delay_warning"] == ("1h", "environment", "ASYNCMTA_QUEUE__DELAY_WARNING")
    assert told["queue.bounce_lifetime"] == ("1d", "default", None)
    assert told["admin.token"] == ("********", "environment", "ASYNCMTA_ADMIN__TOKEN_FILE")
    assert told["route.0.password"] == ("********", "file", None)
    assert told["route.0.recipient"][1] == "file"
    assert told["listener.0.port"] == (2525, "default", None)
    assert "of-32-letters" not in json.dumps(list(found.values()))
    assert "hush" not in json.dumps(list(found.values()))


def test_of_a_program(tmp_path):
    found = rows_of(Settings.from_dict({"hostname": "mta.test", "spool": str(tmp_path)}))
    assert found["hostname"]["source"] == "program"
    assert found["queue.lifetime"]["source"] == "default"


def test_what_needs_a_restart_is_what_a_reload_does_not_take(tmp_path):
    found = rows_of(loaded(tmp_path))
    needing = {key for key in found if found[key]["needs_restart"]}
    assert {"spool", "hostname", "admin.token", "remote.port", "log.format", "listener.0.port"} <= needing
    assert not needing & {"smarthost", "queue.lifetime", "route.0.via", "limits.hops", "log.level"}


def test_what_waits_for_one_is_named(tmp_path):
    found = rows_of(loaded(tmp_path), ("listener", "dns.timeout", "postmaster.local_part"))
    waiting = {key for key in found if found[key]["waits_for_restart"]}
    assert {"dns.timeout", "listener.0.port", "postmaster"} <= waiting
    assert not waiting & {"dns.servers", "queue.lifetime"}
