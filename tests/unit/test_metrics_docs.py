"""What is written about metrics is true: the table in docs/metrics.md, the dashboard, and the alert rules."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from asyncmta.metric_names import CATALOGUE, PREFIX, PROCESS, Metric

DOCS = Path(__file__).parents[2] / "docs"
NAME = re.compile(rf"\b{PREFIX}\w+")


def shown(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.shown}` | {metric.kind} | {labels} | {metric.meaning} |"


def on_the_page() -> set[str]:
    """All names that samples may have."""
    names = set()
    for metric in (*CATALOGUE, *PROCESS):
        ends = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        names |= {metric.shown + end for end in ends}
    return names


def dashboard_expressions() -> list[str]:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_names_are_unique_and_say_their_unit():
    names = [metric.shown for metric in (*CATALOGUE, *PROCESS)]
    assert len(names) == len(set(names))
    for metric in CATALOGUE:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", metric.name)
        assert metric.meaning.endswith(".")
        if metric.kind == "histogram":
            assert metric.name.endswith(("_seconds", "_records"))


def test_the_table_of_metrics_is_the_catalogue():
    lines = (DOCS / "metrics.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith(f"| `{PREFIX}")]
    assert table == [shown(metric) for metric in (*CATALOGUE, *PROCESS)]


@pytest.mark.parametrize("expression", dashboard_expressions())
def test_the_dashboard_names_metrics_that_exist(expression):
    found = set(NAME.findall(expression))
    assert found
    assert found <= on_the_page()


def test_the_alerts_name_metrics_that_exist():
    text = (DOCS / "alerts.yml").read_text(encoding="utf-8")
    found = set(NAME.findall(text))
    assert len(found) > 12
    assert found <= on_the_page()


def test_the_labels_asked_for_are_there():
    """`{state="ready"}` of a metric that has a label `state`: in the alerts and on the dashboard."""
    known = {metric.shown: metric for metric in CATALOGUE}
    texts = [*dashboard_expressions(), (DOCS / "alerts.yml").read_text(encoding="utf-8")]
    selections = [found for text in texts for found in re.findall(rf"({PREFIX}\w+){{([^}}]*)}}", text)]
    assert len(selections) > 20
    for name, labels in selections:
        metric = known.get(re.sub("_(bucket|sum|count)$", "", name)) or known.get(name)
        asked = set(re.findall(r"(\w+)\s*[!=]", labels)) - {"instance", "job", "le"}
        assert asked <= set(metric.labels if metric else ()), (name, asked)


def test_the_dashboard_is_one():
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 20
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
