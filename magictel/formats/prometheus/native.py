"""Histograms as the native histograms that Prometheus makes of them: their buckets, and what a query shows, as numbers to compare."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

_SCALES = range(-4, 9)
"""Prometheus' schemas: a larger scale is lowered, a smaller one is refused."""
_CUSTOM = -53
"""The schema of a histogram whose bounds are listed."""
_ZERO_THRESHOLD = 1e-128
"""The width of the zero bucket of a point that does not say it, by OpenTelemetry's specification."""
_FINEST = 1 << _SCALES[-1]
"""Buckets between two powers of two at the largest scale: a bound of any scale is a bound of this one."""
Numbers = tuple[float, ...]
"""Count and sum, then the outer bound and the count of each bucket that is not empty, from the lowest values to the highest.

The outer bound is the one farther from zero, and 0 for the zero bucket.
"""


def is_native(point: Any) -> bool:
    """Return whether an exponential histogram becomes a native one."""
    return isinstance(point, ExponentialHistogramDataPoint) and point.scale >= _SCALES[0]


class Side(NamedTuple):
    """The buckets of a native histogram on one side of zero, as in the protobuf messages of Prometheus."""

    spans: list[tuple[int, int]]
    """Offset and length of each run of buckets: the first offset is a bucket's index, a later one the gap to the run before."""
    deltas: list[int]
    """Each bucket's count, less that of the bucket before."""


class Native(NamedTuple):
    """A native histogram without its count and sum."""

    schema: int
    zero_threshold: float
    zero_count: int
    positive: Side
    negative: Side


def native(point: ExponentialHistogramDataPoint) -> Native:
    """Return a point as a native histogram, with a scale of 8 at most; the zero bucket is 1e-128 wide if the point does not say."""
    threshold = getattr(point, "zero_threshold", 0.0) or _ZERO_THRESHOLD
    sides = (_side(_by_upper(point.scale, side)) for side in (point.positive, point.negative))
    return Native(min(point.scale, _SCALES[-1]), threshold, point.zero_count, *sides)


def custom_native(point: HistogramDataPoint) -> tuple[Native, tuple[float, ...]]:
    """Return an explicit histogram as a native one, and its bounds. Raise `ValueError` for counts that do not fit the bounds."""
    bounds, counts = _custom_buckets(point)
    return Native(_CUSTOM, 0.0, 0, _side(counts), Side([], [])), bounds


def _custom_buckets(point: HistogramDataPoint) -> tuple[tuple[float, ...], dict[int, int]]:
    """Return the finite bounds of an explicit histogram, and the counts of its buckets, the last of which has no bound."""
    counts, bounds = point.bucket_counts, point.explicit_bounds
    if len(counts) != (len(bounds) + 1 if bounds or counts else 0):
        raise ValueError(f"{len(counts)} counts do not fit {len(bounds)} bounds")
    finite = tuple(bound for bound in bounds if bound != math.inf)
    buckets = dict(enumerate(counts or [point.count]))
    for extra in range(len(finite) + 1, len(counts)):
        buckets[len(finite)] += buckets.pop(extra)
    return finite, buckets


def sent_numbers(point: Any) -> Numbers:
    """Return the numbers of a point's native histogram. Raise `ValueError` as `custom_native` does."""
    if isinstance(point, HistogramDataPoint):
        bounds, counts = _custom_buckets(point)
        edges = (-math.inf, *bounds, math.inf)
        explicit = [(_outer_bound(edges[at], edges[at + 1]), count) for at, count in counts.items()]
        return _numbers(point.count, point.sum or 0.0, explicit)
    negative = [(-bound, count) for bound, count in _buckets(point.scale, point.negative)]
    buckets = [*reversed(negative), (0.0, point.zero_count), *_buckets(point.scale, point.positive)]
    return _numbers(point.count, point.sum or 0.0, buckets)


def seen_numbers(shown: Mapping[str, Any]) -> Numbers:
    """Return the numbers of a histogram in a query's result: `{"count": "3", "sum": "6", "buckets": [[0, "1", "2", "3"], …]}`."""
    buckets = [(_outer_bound(float(low), float(high)), count) for _, low, high, count in shown.get("buckets") or ()]
    return _numbers(shown["count"], shown["sum"], buckets)


def _numbers(count: Any, total: Any, buckets: list[tuple[float, Any]]) -> Numbers:
    filled = [(bound, float(number)) for bound, number in buckets if float(number)]
    return (float(count), float(total), *(number for bucket in filled for number in bucket))


def _buckets(scale: int, side: Any) -> Iterator[tuple[float, int]]:
    """Yield the bound farther from zero, without its sign, and the count of each bucket of a side, outwards."""
    lowered = max(0, scale - _SCALES[-1])
    for index, count in _lowered(scale, side).items():
        yield _bound((index + 1) << (_SCALES[-1] - scale + lowered)), count


def _lowered(scale: int, side: Any) -> dict[int, int]:
    """Return the counts of a side's buckets by index, outwards, at a scale of 8 at most: lowering it merges neighbours."""
    lowered = max(0, scale - _SCALES[-1])
    merged: dict[int, int] = {}
    for index, count in enumerate(side.bucket_counts, side.offset):
        merged[index >> lowered] = merged.get(index >> lowered, 0) + count
    return merged


def _by_upper(scale: int, side: Any) -> dict[int, int]:
    """Return counts by Prometheus' index, which names a bucket by its upper bound; OpenTelemetry's by its lower one."""
    return {index + 1: count for index, count in _lowered(scale, side).items()}


def _side(counts: Mapping[int, int]) -> Side:
    spans: list[tuple[int, int]] = []
    deltas: list[int] = []
    end = before = 0
    for index, count in counts.items():
        if not count:
            continue
        if spans and index == end:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((index - end, 1))
        deltas.append(count - before)
        end, before = index + 1, count
    return Side(spans, deltas)


def _outer_bound(low: float, high: float) -> float:
    """Return a bucket's outer bound as `_bound` computes it: bounds of a server may differ in their last digit."""
    if low <= 0 <= high:
        return 0.0
    outer = max(abs(low), abs(high))
    bound = outer if math.isinf(outer) else _bound(round(math.log2(outer) * _FINEST))
    return -bound if high < 0 else bound


def _bound(index: int) -> float:
    """Return the bound with an index at the largest scale."""
    return 2.0 ** (index / _FINEST) if index < 1024 * _FINEST else math.inf
