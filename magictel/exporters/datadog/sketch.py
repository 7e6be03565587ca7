"""Histograms as the sketches of Datadog's agent: counts in bins whose bounds grow by 1/64 (github.com/DataDog/datadog-agent, pkg/quantile).

A bin is a key and a count. Tests compare both forms with the results of Datadog's own translator, but for two of its bugs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

_GAMMA = 1 + 2 / 128
_LOG_GAMMA = math.log1p(2 / 128)
_BIAS = 1338
_MIN = _GAMMA ** (1 - _BIAS)
_LARGEST_KEY = (1 << 15) - 2
MOST_BINS = 4096
LARGEST_COUNT = (1 << 16) - 1
"""The largest count of a bin in the agent; more are written as further bins with the same key."""


Bins = list[tuple[int, int]]


class Sketch(NamedTuple):
    """A sketch on the wire: `keys` ascend, and `counts` are their bins'."""

    total: int
    smallest: float
    largest: float
    average: float
    sum: float
    keys: Sequence[int]
    counts: Sequence[int]


def key(value: float) -> int:
    """Return the key of the bin that contains a finite value."""
    if value < 0:
        return -key(-value)
    if value < _MIN:
        return 0
    return max(1, min(round(math.log(value) / _LOG_GAMMA) + _BIAS, _LARGEST_KEY))


def lower_bound(key: int) -> float:
    """Return the bin's bound that is nearer to zero."""
    if key < 0:
        return -lower_bound(-key)
    return _GAMMA ** (key - _BIAS) if key else 0.0


def of_histogram(point: HistogramDataPoint) -> Sketch | None:
    """Return the sketch of a delta histogram, or None if it is empty. A bucket's count is spread evenly over its width."""
    bounds = point.explicit_bounds
    if not point.count:
        return None
    if not bounds:  # one bucket, or none
        mean = point.sum / point.count
        low, high = known_or(point.min, mean), known_or(point.max, mean)
        return _sketch(point, spread(low, high, point.count), low, high)
    bins: Bins = []
    buckets = [at for at, count in enumerate(point.bucket_counts) if count]
    for at in buckets:
        # A bucket without a bound on one side is a single value: the bound on its other side.
        low, high = bounds[max(0, at - 1)], bounds[min(at, len(bounds) - 1)]
        bins += spread(low, high, point.bucket_counts[at])
    lowest = bounds[buckets[0] - 1] if buckets[0] else None
    highest = bounds[buckets[-1]] if buckets[-1] < len(bounds) else None
    return _sketch(point, bins, lowest, highest)


def of_exponential(point: ExponentialHistogramDataPoint) -> Sketch | None:
    """Return the sketch of a delta exponential histogram, or None if it is empty."""
    if point.count == 1:  # the sum is the value
        return _sketch(point, [(key(point.sum), 1)], point.sum, point.sum)
    shares: dict[int, float] = {}
    for sign, side in ((-1, point.negative), (1, point.positive)):
        for at, count in enumerate(side.bucket_counts):
            if count:
                _overlap(shares, sign, side.offset + at, point.scale, count)
    shares[0] = shares.get(0, 0.0) + point.zero_count
    bins: Bins = []
    total, whole = 0.0, 0
    for bin_key in sorted(shares):  # rounded so that the counts up to each key are right
        total += shares[bin_key]
        count = math.floor(total + 0.5) - whole
        whole += count
        bins.append((bin_key, count))
    return _sketch(point, bins, None, None)


def spread(low: float, high: float, count: int) -> Bins:
    """Return the bins of a bucket, whose count is spread evenly over its width."""
    first, last = key(low), key(high)
    bins: Bins = []
    rest, left, lower = count, 0.0, lower_bound(first)
    for following in range(first + 1, last + 1):
        if not rest:
            break
        upper = lower_bound(following)
        share = (upper - lower) / (high - low) * count
        whole = int(share)
        if share > 1:  # shares below 1 are not carried over: they would make many bins of one
            left += share - whole
        if left > 1:
            whole, left = whole + 1, left - 1
        if whole:
            whole = min(whole, rest)
            bins.append((first, whole))
            rest, first, lower = rest - whole, following, upper
    if rest:
        bins.append((first, rest))
    return bins


def _overlap(shares: dict[int, float], sign: int, index: int, scale: int, count: int) -> None:
    """Add a bucket's count to the keys of the bins that it overlaps, in proportion to the overlap."""
    base = math.ldexp(1.0, -scale)  # the logarithm to base 2 of the ratio of two bounds
    low, high = _power(index * base), _power((index + 1) * base)
    at = math.floor(math.log(low) / _LOG_GAMMA + _BIAS + 0.5)
    rest = float(count)
    while low < high and at < _LARGEST_KEY and (lower := _GAMMA ** (at - _BIAS - 0.5)) < high:
        lower, upper = max(lower, low), min(_GAMMA ** (at - _BIAS + 0.5), high)
        share = (upper - lower) / (high - low) * count
        bin_key = sign * at if at > 0 else 0
        shares[bin_key] = shares.get(bin_key, 0.0) + share
        rest -= share
        at += 1
    if rest > count * 1e-9:  # beyond the keys, or a bucket narrower than two adjacent floats
        bin_key = sign * max(0, min(at, _LARGEST_KEY))
        shares[bin_key] = shares.get(bin_key, 0.0) + rest


def _power(exponent: float) -> float:
    """Return 2 to a power, within the finite numbers."""
    return float(2.0 ** max(-1074.0, min(exponent, 1023.999)))


def _sketch(
    point: HistogramDataPoint | ExponentialHistogramDataPoint, bins: Bins, low: float | None, high: float | None
) -> Sketch | None:
    """Return the sketch of these bins. `low` and `high`: known limits of the values, where the point has no minimum or maximum."""
    counts: dict[int, int] = {}
    for bin_key, count in bins:
        if count:
            counts[bin_key] = counts.get(bin_key, 0) + count
    if not counts:
        return None
    keys = sorted(counts)
    total = point.count or sum(counts.values())
    smallest = known_or(point.min, known_or(low, lower_bound(keys[0])))
    largest = known_or(point.max, known_or(high, lower_bound(keys[-1])))
    return Sketch(total, smallest, largest, point.sum / total, point.sum, *_limited(keys, counts))


def known_or(edge: float | None, otherwise: float) -> float:
    """Return a minimum or maximum if it is known."""
    return edge if edge is not None and math.isfinite(edge) else otherwise


def _limited(keys: list[int], counts: dict[int, int]) -> tuple[list[int], list[int]]:
    """Return keys and counts with at most as many bins as the agent's sketches have: the lowest ones are merged."""
    limited: Bins = []
    largest = max(
        LARGEST_COUNT, sum(counts.values()) // (MOST_BINS // 2)
    )  # a huge count must not become millions of bins
    for bin_key in keys:
        left = counts[bin_key]
        while left > largest:
            limited.append((bin_key, largest))
            left -= largest
        limited.append((bin_key, left))
    if len(limited) > MOST_BINS:
        surplus = len(limited) - MOST_BINS + 1
        merged = limited[surplus - 1][0], sum(count for _, count in limited[:surplus])
        limited = [merged, *limited[surplus:]]
    return [bin_key for bin_key, _ in limited], [count for _, count in limited]
