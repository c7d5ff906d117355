"""What was read of a metric: its values by their labels. Pure.

Apart from `metrics`, whose library takes three megabytes that a relay nobody scrapes does not need. Never: a count.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from asyncmta.metric_names import Metric
from asyncmta.system.meter import Distribution

Value = float | Distribution


class Reading(Struct, frozen=True):
    """A metric with its values by their labels, in the order of `metric.labels`."""

    metric: Metric
    values: Mapping[tuple[str, ...], Value]
