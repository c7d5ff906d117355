"""The curves of `scale.py` as PNG, by matplotlib, which only this file needs (requirements-bench.txt)."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

LIMIT = 1.3  # what the longest queue may cost, against the shortest
TITLES = {
    "queue": ("messages waiting in the queue", "CPU time of a message, against the length of the queue"),
    "destinations": ("destinations", "CPU time of a message, against the number of destinations"),
}


def draw(path: pathlib.Path, what: str, runs: Sequence[dict[str, Any]]) -> None:
    """One curve over a logarithmic axis; for the queue, what is allowed as a line."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - the rest goes without it
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        print(f"without {path.name}: matplotlib is not there (pip install -r requirements-bench.txt)", flush=True)
        return
    numbers = [run[what] for run in runs]
    costs = [run["cpu_per_1000"] * 1000 for run in runs]
    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(numbers, costs, marker="o", color="#1f5fa8")
    for number, cost in zip(numbers, costs, strict=True):
        axes.annotate(f"{cost:,.0f}", (number, cost), textcoords="offset points", xytext=(0, 8), ha="center")
    if what == "queue":
        axes.axhline(costs[0] * LIMIT, color="#b03030", linestyle="--", linewidth=1)
        axes.annotate(f"{LIMIT} x", (numbers[0], costs[0] * LIMIT), textcoords="offset points", xytext=(0, 4))
    label, title = TITLES[what]
    axes.set_xscale("log")
    axes.set_ylim(0, max([*costs, costs[0] * LIMIT]) * 1.2)
    axes.set_xlabel(label)
    axes.set_ylabel("µs of CPU for each message")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    figure.savefig(path)
    print(f"{path} is drawn", flush=True)
