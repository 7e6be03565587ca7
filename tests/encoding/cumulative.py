"""Sources of cumulative points of every kind, whose events are known: what their deltas must add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics.export import (
    Buckets,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
)

from magictel.model.metrics import Group, Kind, NumberPoints, Stream

KINDS = (Kind.SUM, Kind.HISTOGRAM, Kind.EXPONENTIAL_HISTOGRAM)
FINEST, COARSEST = 4, 0
BOUNDS = (10.0, 20.0)
RESOURCE: dict[str, Any] = {"service.name": "shop"}
SCOPE: dict[str, Any] = {}


def stream(kind: Kind, temporality: str | None = "cumulative", monotonic: bool = True) -> Stream:
    return Stream(
        "requests", "1", "", kind, temporality, monotonic and kind is Kind.SUM, RESOURCE, "", "scope", "", SCOPE, ""
    )


@dataclass
class Source:
    """A series that counts events; an event is a number from -31 to 31, its bucket at the finest scale."""

    attributes: dict[str, Any]
    kind: Kind
    start: int
    events: list[int] = field(default_factory=list)
    scale: int = FINEST

    def restart(self, start: int) -> None:
        self.start, self.events = start, []

    def point(self, time: int) -> Any:
        """Return the cumulative point."""
        return point(self.kind, self.attributes, self.start, time, self.events, self.scale)


def point(kind: Kind, attributes: dict[str, Any], start: int, time: int, events: Sequence[int], scale: int) -> Any:
    if kind is Kind.SUM:
        return NumberDataPoint(attributes, start, time, len(events))
    least, most = min(events, default=0), max(events, default=0)
    if kind is Kind.HISTOGRAM:
        buckets = [sum(_bucket(event) == number for event in events) for number in range(len(BOUNDS) + 1)]
        return HistogramDataPoint(attributes, start, time, len(events), sum(events), buckets, BOUNDS, least, most)
    sides = [_buckets([abs(event) >> FINEST - scale for event in events if event * sign > 0]) for sign in (1, -1)]
    return ExponentialHistogramDataPoint(
        attributes, start, time, len(events), sum(events), scale, events.count(0), *sides, 0, least, most
    )


def _bucket(event: int) -> int:
    return sum(event > bound for bound in BOUNDS)


def _buckets(indices: list[int]) -> Buckets:
    if not indices:
        return Buckets(0, [])
    first = min(indices)
    return Buckets(first, [indices.count(index) for index in range(first, max(indices) + 1)])


def expected(kind: Kind, events: Sequence[int]) -> Counter[Any]:
    """Return what points count together that count these events once each."""
    return counted([point(kind, {}, 0, 1, events, FINEST)])


def counted(points: Iterable[Any]) -> Counter[Any]:
    """Return what points count together, at the coarsest scale; without what is zero."""
    counts: Counter[Any] = Counter()
    for number in points:
        if isinstance(number, NumberDataPoint):
            counts["value"] += number.value
            continue
        counts["count"] += number.count
        counts["sum"] += number.sum
        if isinstance(number, HistogramDataPoint):
            counts.update(dict(enumerate(number.bucket_counts)))
            continue
        counts["zero"] += number.zero_count
        for side in ("positive", "negative"):
            buckets = getattr(number, side)
            for index, count in enumerate(buckets.bucket_counts, buckets.offset):
                counts[side, index >> number.scale - COARSEST] += count
    return Counter({key: count for key, count in counts.items() if count})


def group(kind: Kind, points: Sequence[Any], temporality: str | None = "cumulative") -> Group:
    """Return a group as sources hand it over: numbers as columns."""
    if kind is Kind.SUM and not any(number.exemplars for number in points):
        fields = ("attributes", "start_time_unix_nano", "time_unix_nano", "value")
        points = NumberPoints(*([getattr(number, name) for number in points] for name in fields))
    return Group(stream(kind, temporality), points)
