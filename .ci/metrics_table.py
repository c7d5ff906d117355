"""Writes the table of metrics in docs/metrics.md from asyncmta/metric_names.py.

`make docs` runs it; tests/unit/test_metrics_docs.py fails when the table is not what this would write.
"""

import re
from pathlib import Path

from asyncmta.metric_names import CATALOGUE, PROCESS, Metric

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
MARKS = re.compile(r"(?<=<!-- metrics:begin -->\n).*(?=<!-- metrics:end -->)", re.DOTALL)


def line(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.shown}` | {metric.kind} | {labels} | {metric.meaning} |"


def table() -> str:
    head = ["| name | kind | labels | |", "|---|---|---|---|"]
    return "\n".join([*head, *map(line, (*CATALOGUE, *PROCESS)), ""])


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(MARKS.sub(lambda _: table(), page), encoding="utf-8")
