"""docs/grafana-dashboard.json in the types that Grafana publishes of its dashboards (grafana-foundation-sdk).

What those types do not know is lost on the way through them, and so is found.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.prometheus import Dataquery

DASHBOARD = json.loads((Path(__file__).parents[2] / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8"))


def through_the_types(tree: Any) -> Any:
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(copy.deepcopy(tree))))


def lost(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """Where `after` has not what `before` had."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from lost(value, after.get(key), f"{at}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{at}[{index}]")
    elif before != after:
        yield at


def test_grafana_knows_every_key() -> None:
    assert list(lost(DASHBOARD, through_the_types(DASHBOARD))) == []


def test_queries_are_those_of_prometheus() -> None:
    register_default_plugins()
    panels = Dashboard.from_json(copy.deepcopy(DASHBOARD)).panels or []
    queries = [target for panel in panels for target in panel.targets or []]  # type: ignore[union-attr]
    assert len(queries) > 30
    assert all(isinstance(query, Dataquery) and query.expr for query in queries)


def test_a_key_that_grafana_does_not_know_is_found() -> None:
    wrong = copy.deepcopy(DASHBOARD)
    wrong["panels"][3]["gridpos"] = wrong["panels"][3].pop("gridPos")
    wrong["refersh"] = "3s"
    assert list(lost(wrong, through_the_types(wrong))) == [".panels[3].gridpos", ".refersh"]
