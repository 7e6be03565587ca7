"""What cumulative and delta points count, with its arithmetic: numbers, and histograms bucket by bucket.

The amount of a number point is its value; that of a histogram is the point itself, whose times do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, repeat
from operator import add, attrgetter, is_, sub
from typing import Any, NamedTuple, TypeVar

from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.model.metrics import (
    Attributes,
    Group,
    Kind,
    NumberPoints,
    attributes_of,
    number_point,
    starts_of,
    times_of,
    values_of,
)

P = TypeVar("P")
_exemplars = attrgetter("exemplars")
_count = attrgetter("count")
_sum = attrgetter("sum")
_bounds = attrgetter("explicit_bounds")
_buckets = attrgetter("bucket_counts")


class Columns(NamedTuple):
    """Points of a stream by column."""

    attributes: list[Attributes]
    amounts: list[Any]
    starts: list[int]
    times: list[int]


class Arithmetic(NamedTuple):
    """The arithmetic of one kind of points.

    `amounts`: of points. `size`: a number that never falls unless counting begins anew. `less` and `plus`: a difference and a sum, with the
    times of the first operand; None if amounts cannot be compared (other bounds) or the difference is negative. `all_less`: the
    differences of two columns, or None if any is None or not finite. `points`: amounts as points like the given ones, with these
    attributes, start times and times.
    """

    amounts: Callable[[Sequence[Any]], list[Any]]
    size: Callable[[Any], float]
    less: Callable[[Any, Any], Any]
    plus: Callable[[Any, Any], Any]
    all_less: Callable[[list[Any], list[Any]], list[Any] | None]
    points: Callable[[Sequence[Any], list[Attributes], list[int], list[int], list[Any]], Sequence[Any]]


def _number(value: float) -> float:
    return value


def _number_less(now: float, before: float) -> float | None:
    return now - before if now >= before else None


def _numbers_less(now: list[float], before: list[float]) -> list[float] | None:
    differences = list(map(sub, now, before))
    total = sum(differences)
    return differences if min(differences) >= 0 and total - total == 0 else None


def _number_points(
    like: Sequence[Any], attributes: list[Attributes], starts: list[int], times: list[int], values: list[Any]
) -> Sequence[Any]:
    exemplars = [] if isinstance(like, NumberPoints) else list(map(_exemplars, like))
    if not any(exemplars):
        return NumberPoints(attributes, starts, times, values)
    return list(map(number_point, attributes, starts, times, values, exemplars))


def _histogram(
    first: HistogramDataPoint, second: HistogramDataPoint, combine: Callable[[Any, Any], Any]
) -> HistogramDataPoint | None:
    bounds, others = first.explicit_bounds, second.explicit_bounds
    counts, other_counts = first.bucket_counts, second.bucket_counts
    if len(counts) != len(other_counts) or (bounds is not others and list(bounds) != list(others)):
        return None
    buckets = list(map(combine, counts, other_counts))
    count = combine(first.count, second.count)
    if count < 0 or (buckets and min(buckets) < 0):
        return None
    return _changed(first, {"count": count, "bucket_counts": buckets, **_statistics(first, second, combine)})


def _histograms_less(now: list[HistogramDataPoint], before: list[HistogramDataPoint]) -> list[Any] | None:
    bounds, buckets = now[0].explicit_bounds, list(map(_buckets, now))
    known_buckets = list(map(_buckets, before))
    widths = {*map(len, buckets), *map(len, known_buckets)}
    if len(widths) > 1 or 0 in widths or not all(map(is_, map(_bounds, chain(now, before)), repeat(bounds))):
        return _each_less(_histogram_less, now, before)
    counts = list(map(sub, map(_count, now), map(_count, before)))
    cells = list(map(sub, chain.from_iterable(buckets), chain.from_iterable(known_buckets)))
    if min(cells) < 0:
        return None
    (width,) = widths
    rows = [cells[place : place + width] for place in range(0, len(cells), width)]
    try:
        sums: list[Any] = list(map(sub, map(_sum, now), map(_sum, before)))
    except TypeError:
        sums = [_statistics(*pair, sub)["sum"] for pair in zip(now, before, strict=True)]
    return [
        _changed(point, {"count": count, "sum": total, "bucket_counts": row, "min": None, "max": None})
        for point, count, total, row in zip(now, counts, sums, rows, strict=True)
    ]


def _exponential(
    first: ExponentialHistogramDataPoint,
    second: ExponentialHistogramDataPoint,
    combine: Callable[[Any, Any], Any],
) -> ExponentialHistogramDataPoint | None:
    """Combine at the coarser scale of the two: buckets merge exactly, and cannot be divided."""
    scale = min(first.scale, second.scale)
    count, zeros = combine(first.count, second.count), combine(first.zero_count, second.zero_count)
    if count < 0 or zeros < 0:
        return None
    sides = {}
    for name in ("positive", "negative"):
        buckets = _combined(
            _coarser(getattr(first, name), first.scale - scale),
            _coarser(getattr(second, name), second.scale - scale),
            combine,
        )
        if min(buckets.bucket_counts, default=0) < 0:
            return None
        sides[name] = buckets
    numbers = {"count": count, "zero_count": zeros, "scale": scale}
    return _changed(first, {**numbers, **sides, **_statistics(first, second, combine)})


def _each_less(less: Callable[[Any, Any], Any], now: list[Any], before: list[Any]) -> list[Any] | None:
    differences = list(map(less, now, before))
    return differences if all(differences) else None


def _coarser(buckets: Buckets, steps: int) -> Buckets:
    """Return the buckets at a scale that is lower by `steps`: each step merges two buckets into one."""
    counts, offset = buckets.bucket_counts, buckets.offset
    if not steps or not counts:
        return buckets
    first = offset >> steps
    merged = [0] * (((offset + len(counts) - 1) >> steps) - first + 1)
    for index, count in enumerate(counts, offset):
        merged[(index >> steps) - first] += count
    return Buckets(first, merged)


def _combined(first: Buckets, second: Buckets, combine: Callable[[int, int], int]) -> Buckets:
    """Return buckets of the same scale combined index by index."""
    if not second.bucket_counts:
        return first
    if not first.bucket_counts:
        return Buckets(second.offset, [combine(0, count) for count in second.bucket_counts])
    begin = min(first.offset, second.offset)
    end = max(first.offset + len(first.bucket_counts), second.offset + len(second.bucket_counts))
    counts = [0] * (end - begin)
    counts[first.offset - begin : first.offset - begin + len(first.bucket_counts)] = first.bucket_counts
    for place, count in enumerate(second.bucket_counts, second.offset - begin):
        counts[place] = combine(counts[place], count)
    return Buckets(begin, counts)


def _statistics(first: Any, second: Any, combine: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """Return the sum, the minimum and the maximum: those of a sum of intervals are known, those of a difference are not."""
    known = first.sum is not None and second.sum is not None
    changes = {"sum": combine(first.sum, second.sum) if known else None, "min": None, "max": None}
    if combine is add:
        for name, choose in (("min", min), ("max", max)):
            values = getattr(first, name), getattr(second, name)
            changes[name] = None if None in values else choose(values)
    return changes


def _histogram_points(
    like: Sequence[Any], attributes: list[Attributes], starts: list[int], times: list[int], amounts: list[Any]
) -> list[Any]:
    points = []
    for amount, given, start in zip(amounts, like, starts, strict=True):
        if amount is given:  # the source's own
            points.append(_changed(amount, {"start_time_unix_nano": start}))
        else:
            amount.__dict__["start_time_unix_nano"] = start
            points.append(amount)
    return points


def _changed(point: P, changes: dict[str, Any]) -> P:
    """Return a copy of a point, without the calls of its frozen `__init__`."""
    copy: P = object.__new__(type(point))
    object.__setattr__(copy, "__dict__", {**point.__dict__, **changes})
    return copy


_histogram_less = partial(_histogram, combine=sub)
_exponential_less = partial(_exponential, combine=sub)
ARITHMETIC = {
    Kind.SUM: Arithmetic(values_of, _number, _number_less, add, _numbers_less, _number_points),
    Kind.HISTOGRAM: Arithmetic(
        list, _count, _histogram_less, partial(_histogram, combine=add), _histograms_less, _histogram_points
    ),
    Kind.EXPONENTIAL_HISTOGRAM: Arithmetic(
        list,
        _count,
        _exponential_less,
        partial(_exponential, combine=add),
        partial(_each_less, _exponential_less),
        _histogram_points,
    ),
}


def columns_of(group: Group) -> Columns:
    """Return the points of a group by column."""
    points = group.points
    amounts = ARITHMETIC[group.stream.kind].amounts(points)
    return Columns(attributes_of(points), amounts, starts_of(points), times_of(points))


def points_of(group: Group, columns: Columns, kept: Sequence[int] | None = None) -> Sequence[Any]:
    """Return columns as points like those of the group, or like the `kept` ones."""
    like = group.points
    if kept is not None and not isinstance(like, NumberPoints):
        like = [like[at] for at in kept]
    return ARITHMETIC[group.stream.kind].points(
        like, columns.attributes, columns.starts, columns.times, columns.amounts
    )
