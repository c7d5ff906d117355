"""Numbers from `GET /metrics` of a running asyncmta: sums of a metric over its labels, percentiles of histograms."""

from __future__ import annotations

import re
import time
import urllib.request

LINE = re.compile(r"^(asyncmta_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
BOUND = re.compile(r'le="([^"]+)"')

Page = dict[str, list[tuple[str, float]]]


def page(port: int) -> Page:
    """Name -> (labels, value)."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    found: Page = {}
    for name, labels, value in LINE.findall(text):
        found.setdefault(name, []).append((labels, float(value)))
    return found


def wait(port: int, timeout: float) -> None:
    """Until there is a page."""
    end = time.monotonic() + timeout
    while True:
        try:
            page(port)
            return
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(0.05)


def total(page: Page, name: str, having: str = "") -> float:
    return sum(value for labels, value in page.get(f"asyncmta_{name}", []) if having in labels)


def grown(before: Page, after: Page, name: str, having: str = "") -> float:
    return total(after, name, having) - total(before, name, having)


def percentile(before: Page, after: Page, name: str, share: float, having: str = "") -> float:
    """In seconds: the bound of a histogram below which so large a share of what came between the two pages lies. 0 when
    nothing came; infinite when it lies above all bounds."""
    bounds: dict[float, float] = {}
    for sign, page in ((-1, before), (1, after)):
        for labels, value in page.get(f"asyncmta_{name}_bucket", []):
            bound = BOUND.search(labels)
            if bound is not None and having in labels:
                bounds[float(bound[1])] = bounds.get(float(bound[1]), 0.0) + sign * value
    count = bounds.get(float("inf"), 0.0)
    if not count:
        return 0.0
    return next(bound for bound, below in sorted(bounds.items()) if below >= share * count)
