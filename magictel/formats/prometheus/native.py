"""Exponential histograms as the native histograms that Prometheus makes of them: what a query shows of one, as numbers to compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint

_SCALES = range(-4, 9)
"""Prometheus' schemas: a larger scale is lowered, a smaller one is refused."""
Numbers = tuple[float, ...]
"""Count, sum, and the counts of all buckets that are not empty, from the lowest values to the highest."""


def is_native(point: Any) -> bool:
    """Return whether a point becomes a native histogram."""
    return isinstance(point, ExponentialHistogramDataPoint) and point.scale >= _SCALES[0]


def sent_numbers(point: ExponentialHistogramDataPoint) -> Numbers:
    """Return the numbers of a point after Prometheus has lowered its scale, which merges neighbouring buckets."""
    shift = max(0, point.scale - _SCALES[-1])
    negative, positive = (_merged(side.offset, side.bucket_counts, shift) for side in (point.negative, point.positive))
    buckets = [*reversed(negative), point.zero_count, *positive]
    return (float(point.count), float(point.sum or 0.0), *(float(count) for count in buckets if count))


def seen_numbers(shown: Mapping[str, Any]) -> Numbers:
    """Return the numbers of a histogram in a query's result: `{"count": "3", "sum": "6", "buckets": [[0, "1", "2", "3"], …]}`."""
    buckets = [float(count) for *_, count in shown.get("buckets") or ()]
    return (float(shown["count"]), float(shown["sum"]), *(count for count in buckets if count))


def _merged(offset: int, counts: Any, shift: int) -> list[int]:
    merged: dict[int, int] = {}
    for index, count in enumerate(counts, offset):
        merged[index >> shift] = merged.get(index >> shift, 0) + count
    return [merged[index] for index in sorted(merged)]
