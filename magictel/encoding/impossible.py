"""Impossible histograms, which no backend can store: left out of a collection before it is encoded, each with its reason.

Recordings are checked where they are read; this is for data from an application's SDK (a view with bounds that do not
increase, a custom metric producer).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import starmap
from operator import attrgetter, le
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.withheld import Withheld
from magictel.model import validity
from magictel.model.metrics import Group, Kind, Series
from magictel.model.validity import LARGEST_COUNT, Problem

CODE = "delivery.impossible-point"
_DISTRIBUTIONS = (Kind.HISTOGRAM, Kind.EXPONENTIAL_HISTOGRAM)
_COLUMNS = tuple(map(attrgetter, ("explicit_bounds", "bucket_counts", "count", "min", "max")))


def possible(groups: Iterable[Group]) -> Iterator[Group | Withheld]:
    """Yield the groups without impossible histograms, and the reason for each of these."""
    for group in groups:
        if group.stream.kind not in _DISTRIBUTIONS:
            yield group
            continue
        problems = {} if _all_plain(group.points) else _problems(group.points)
        if not problems:
            yield group
            continue
        for at, problem in problems.items():
            series = Series(group.stream, group.points[at].attributes or {})
            yield Withheld(CODE, f"an impossible point: {problem}", str(series), refused=True)
        points = [point for at, point in enumerate(group.points) if at not in problems]
        if points:
            yield replace(group, points=points, attributes=None)


def _all_plain(points: Sequence[Any]) -> bool:
    """Return whether histograms with the same bounds, of which the first is valid, are all plain: checked column by column."""
    if not points or set(map(type, points)) != {HistogramDataPoint} or _problems(points[:1]):
        return False
    bounds, buckets, counts, smallest, largest = (list(map(field, points)) for field in _COLUMNS)
    totals = list(map(sum, buckets))
    pack = struct.Struct(f"{len(bounds[0]) + 1}Q").pack  # raises for a negative count, and for another number of them
    try:
        deque(starmap(pack, buckets), maxlen=0)
        return (
            bounds.count(bounds[0]) == len(bounds)
            and set(map(type, totals)) == {int}
            and totals == counts
            and max(totals) <= LARGEST_COUNT
            and all(map(le, smallest, largest))
        )
    except (TypeError, struct.error):  # also for no minimum or maximum
        return False


def _problems(points: Iterable[Any]) -> dict[int, Problem]:
    """Return the problems of points, by index."""
    problems: dict[int, Problem] = {}
    bounds: Any = None
    """Valid bounds of an earlier point: those of a stream are mostly the same object."""
    for at, point in enumerate(points):
        if isinstance(point, HistogramDataPoint):
            if point.explicit_bounds is bounds and _is_plain(point):
                continue
            problem = validity.histogram(point.explicit_bounds, point.bucket_counts, point.count, point.min, point.max)
            bounds = point.explicit_bounds if problem is None else None
        else:
            problem = _exponential(point)
        if problem is not None:
            problems[at] = problem
    return problems


def _is_plain(point: HistogramDataPoint) -> bool:
    """Return whether a histogram with valid bounds has integer counts that add up; only a sum of integers is an integer."""
    counts = point.bucket_counts
    total = sum(counts)
    return (
        len(counts) == len(point.explicit_bounds) + 1
        and type(total) is int
        and total == point.count <= LARGEST_COUNT
        and min(counts) >= 0
        and (point.min is None or point.max is None or point.min <= point.max)
    )


def _exponential(point: ExponentialHistogramDataPoint) -> Problem | None:
    positive, negative = point.positive, point.negative
    sides = (positive.offset, positive.bucket_counts), (negative.offset, negative.bucket_counts)
    return validity.exponential_histogram(point.scale, point.zero_count, *sides, point.count, point.min, point.max)
