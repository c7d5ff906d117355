"""The benchmarks of hostile and of idle clients in small: who is served, who is told what, and that all is given back.

No timing: their large forms (`benchmarks/hostile.py`, `benchmarks/idle.py`) are for that.
"""

from __future__ import annotations

import asyncio

from benchmarks import attackers, hostile, idle

SCALE = 0.003  # 3,000 recipients are enough to be thrown out


def test_hostile_clients_at_once(tmp_path):
    found = asyncio.run(hostile.run(tmp_path / "mta", SCALE, 3.0))
    assert found.times
    assert not found.refused
    assert not found.failed
    assert found.descriptors[0] == found.descriptors[1]
    said = found.attackers
    assert set(said["slow"]) == {
        "silent, last told 220 mta.b",
        "dripping, last told 220 mta.b",
        "in content, last told 354 End d",
    }
    assert sum(said["slow"].values()) == int(attackers.SLOW * SCALE)
    assert said["line"]["how"] == "all was read"
    assert said["recipients"]["how"] in ("all was read", "closed")
    assert said["headers"]["last"].startswith("221 ")


def test_idle_sessions(tmp_path):
    for found in idle.run(tmp_path / "mta", 0.01, 0.0):
        assert found.greeted == found.sessions
        assert found.descriptors[0] == found.descriptors[1]
