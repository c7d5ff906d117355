"""Whether the libraries of the extra `otel` are installed: looked up, and as good as nothing of them is imported."""

from __future__ import annotations

from importlib.util import find_spec

NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def has_extra() -> bool:
    try:
        return all(find_spec(name) is not None for name in NEEDED)
    except ModuleNotFoundError:  # not even what is above it
        return False
