"""Histograms as messages of Datadog's intake, encoded bucket by bucket: the same bins as in `sketch`."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise, starmap
from operator import lt, truediv
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.columns import by_distinct, histogram_columns
from magictel.encoding.protobuf import small_varint, varint, zigzag
from magictel.exporters.datadog.sketch import (
    LARGEST_COUNT,
    MOST_BINS,
    key,
    known_or,
    lower_bound,
    of_exponential,
    of_histogram,
    spread,
)
from magictel.model.metrics import times_of

_MOST_COUNTS = 500
"""Counts of a bucket whose bins are remembered."""
_pack = struct.Struct("<cdcdcdcd").pack


class Buckets:
    """The bins of histograms with these bounds, encoded: what a bucket with a count adds is computed once.

    `usable`: whether adjacent buckets share a bin at most, and no histogram has more bins than a sketch may have.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        keys = list(map(key, bounds)) if all(map(math.isfinite, bounds)) else []
        self.usable = len(keys) > 0 and all(map(lt, keys, keys[1:])) and keys[-1] - keys[0] < MOST_BINS
        self._last = b"".join(map(_encoded_key, keys[-1:]))
        self._buckets = list(starmap(_Bucket, pairwise(bounds)))
        self._smallest = [*map(lower_bound, keys[:1]), *bounds]
        self._largest = [*bounds, *map(lower_bound, keys[-1:])]

    def bins(self, counts: Sequence[int]) -> tuple[bytes, bytes]:
        """Return the keys and the counts of a histogram's bins as varints. Adjacent buckets share the bin of the bound between them."""
        keys: list[bytes] = []
        numbers: list[bytes] = []
        shared = counts[0]
        for bucket, count in zip(self._buckets, counts[1:], strict=False):
            first, inner_keys, keys_with_first, inner_counts, last = bucket[count]
            shared += first
            if shared:
                keys.append(keys_with_first)
                numbers += small_varint(shared), inner_counts
            elif inner_keys:
                keys.append(inner_keys)
                numbers.append(inner_counts)
            shared = last
        shared += counts[-1]
        if shared:
            keys.append(self._last)
            numbers.append(small_varint(shared))
        return b"".join(keys), b"".join(numbers)

    def extremes(self, point: HistogramDataPoint) -> tuple[float, float]:
        """Return minimum and maximum, or limits of the values where they are not known."""
        low, high = point.min, point.max
        if low is None or high is None or not math.isfinite(high - low):
            filled = [at for at, count in enumerate(point.bucket_counts) if count]
            return known_or(low, self._smallest[filled[0]]), known_or(high, self._largest[filled[-1]])
        return low, high


_Share = tuple[int, bytes, bytes, bytes, int]


class _Bucket(dict[int, _Share]):
    """The bins of a bucket by its count: the count of its first bin, the keys that follow, these with the first, their counts, and the
    count of the bin at its upper bound.
    """

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def __missing__(self, count: int) -> _Share:
        bins = spread(self._low, self._high, count)
        first = bins.pop(0)[1] if bins else 0
        last = bins.pop()[1] if bins and bins[-1][0] == key(self._high) else 0
        keys = b"".join([_encoded_key(bin_key) for bin_key, _ in bins])
        if len(self) >= _MOST_COUNTS:
            self.clear()
        share = first, keys, _encoded_key(key(self._low)) + keys, b"".join([varint(number) for _, number in bins]), last
        self[count] = share
        return share


def _encoded_key(bin_key: int) -> bytes:
    return varint(zigzag(bin_key))


buckets = lru_cache(maxsize=50)(Buckets)
"""`Buckets` of these bounds."""


def encoded(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> bytes | None:
    """Return a delta histogram as a `Dogsketch`, or None if it is empty."""
    if isinstance(point, HistogramDataPoint):
        known = buckets(tuple(point.explicit_bounds))
        if (
            known.usable
            and 0 < point.count <= LARGEST_COUNT
            and len(point.bucket_counts) == len(point.explicit_bounds) + 1
        ):
            numbers = _numbers(*known.extremes(point), point.sum / point.count, point.sum)
            return _message(_time(point.time_unix_nano), point.count, numbers, *known.bins(point.bucket_counts))
        bins = of_histogram(point)
    else:
        bins = of_exponential(point)
    if bins is None:
        return None
    keys, counts = b"".join(map(_encoded_key, bins.keys)), b"".join(map(varint, bins.counts))
    numbers = _numbers(bins.smallest, bins.largest, bins.average, bins.sum)
    return _message(_time(point.time_unix_nano), bins.total, numbers, keys, counts)


def encoded_column(points: Sequence[Any]) -> list[bytes] | None:
    """Return many histograms as `Dogsketch`; None if one is empty, has other bounds, or too large a count for a bin."""
    columns = histogram_columns(points)
    if columns is None or not 0 < min(columns.counts) <= max(columns.counts) <= LARGEST_COUNT:
        return None
    known = buckets(tuple(columns.bounds))
    if not known.usable:
        return None
    lows, highs = zip(*map(known.extremes, points), strict=True)
    numbers = map(_numbers, lows, highs, map(truediv, columns.sums, columns.counts), columns.sums)
    times = by_distinct(times_of(points), _time)
    keys, counts = zip(*map(known.bins, columns.buckets), strict=True)
    return list(map(_message, times, columns.counts, numbers, keys, counts))


def _message(time: bytes, total: int, numbers: bytes, keys: bytes, counts: bytes) -> bytes:
    parts = (
        small_varint(total),
        numbers,
        b"\x3a",
        small_varint(len(keys)),
        keys,
        b"\x42",
        small_varint(len(counts)),
        counts,
    )
    return time + b"".join(parts)


def _time(nanoseconds: int) -> bytes:
    """Return the time of a sketch, and the tag of its total."""
    return b"\x08" + varint(nanoseconds // 1_000_000_000) + b"\x10"


def _numbers(smallest: float, largest: float, average: float, total: float) -> bytes:
    return _pack(b"\x19", smallest, b"\x21", largest, b"\x29", average, b"\x31", total)
