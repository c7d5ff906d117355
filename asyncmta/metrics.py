"""The page of metrics: names of the catalogue with their values, as Prometheus and OpenMetrics want them written.

Promises: one registry for each page and none that is global, so that several Mtas live in one process; an empty value
costs nothing; what an answer's label says cannot break the page. The only importer of prometheus_client. Never: where
values come from (`mta_metrics`), or counting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from asyncmta.metric_names import PREFIX
from asyncmta.metric_readings import Reading
from asyncmta.system.meter import Distribution


class Page(Collector):
    """Some readings, as prometheus_client wants to be given them."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    def describe(self) -> Iterable[Family]:
        """Nothing: else `collect` would be called for it."""
        return ()

    def collect(self) -> Iterator[Family]:
        for reading in self._readings:
            yield family(reading)


def render(readings: Sequence[Reading], accept: str) -> tuple[bytes, str]:
    """The page, and its Content-Type: what the field `Accept` of the request asks for. Reads of /proc too."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Page(readings))
    ProcessCollector(namespace=PREFIX.rstrip("_"), registry=registry)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def family(reading: Reading) -> Family:
    """In the library's words."""
    metric = reading.metric
    name, about, labels = PREFIX + metric.name, metric.meaning, metric.labels
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(name, about, labels=labels)
        for key, value in reading.values.items():
            assert isinstance(value, Distribution)
            histogram.add_metric(key, buckets_of(value), value.total)
        return histogram
    if metric.kind == "info":
        info = InfoMetricFamily(name, about, labels=())
        for key in reading.values:
            info.add_metric((), dict(zip(labels, key, strict=True)))
        return info
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    plain = kind(name, about, labels=labels)
    for key, value in reading.values.items():
        assert not isinstance(value, Distribution)
        plain.add_metric(key, value)
    return plain


def buckets_of(distribution: Distribution) -> list[tuple[str, float]]:
    """Cumulated, as the format has them."""
    buckets, sum_so_far = [], 0
    for bound, count in zip((*distribution.bounds, float("inf")), distribution.counts, strict=True):
        sum_so_far += count
        buckets.append(("+Inf" if bound == float("inf") else repr(float(bound)), float(sum_so_far)))
    return buckets
