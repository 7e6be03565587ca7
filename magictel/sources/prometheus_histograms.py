"""Histograms of a page: the samples of a family are collected anywhere on the page and become points at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.model import validity
from magictel.model.metrics import Point, number_text
from magictel.sources.prometheus_metadata import Membership


class HistogramSample(NamedTuple):
    """A sample of a histogram: its value and position."""

    value: float
    line: int
    column: int


class HistogramError(ValueError):
    """Why samples are not a valid histogram, and the sample that shows it."""

    def __init__(self, why: str, shown_by: HistogramSample) -> None:
        super().__init__(why)
        self.line, self.column = shown_by.line, shown_by.column


@dataclass(slots=True)
class Gathered:
    """The samples of a histogram: same family, same labels except `le`, same time."""

    of: Membership
    attributes: dict[str, Any]
    key: int
    """Identifies the attributes."""
    time: int
    buckets: dict[float, HistogramSample] = field(default_factory=dict)
    sum: HistogramSample | None = None
    count: HistogramSample | None = None
    exemplars: list[Exemplar] = field(default_factory=list)

    def take(self, suffix: str, bound: float | None, counted: HistogramSample) -> bool:
        """Keep a sample; return False if there is one with another value."""
        if bound is not None:
            known = self.buckets.setdefault(bound, counted)
        elif suffix == "_sum":
            known = self.sum = self.sum or counted
        else:
            known = self.count = self.count or counted
        return known.value == counted.value or known is counted

    def point(self, start: int) -> Point:
        """Return the histogram with non-cumulative buckets. Raise `HistogramError`."""
        family = self.of.family
        named = [
            (f'{family}_bucket{{le="{number_text(bound)}"}}', self.buckets[bound]) for bound in sorted(self.buckets)
        ]
        last = None
        for name, counted in named:
            _count(name, counted)
            if last is not None and counted.value < last.value:
                raise HistogramError(f"{name} is {counted.value:.15g}, less than the bucket below it", counted)
            last = counted
        assert last is not None, "the reader omits histograms without buckets"
        infinite = self.buckets.get(inf)
        total = infinite or self.count
        if total is None:
            raise HistogramError(f'{family} has neither a bucket of le="+Inf" nor {family}_count', last)
        if self.count is not None:
            _count(f"{family}_count", self.count)
            if self.count.value != last.value if infinite else self.count.value < last.value:
                figures = f"{family}_count is {self.count.value:.15g}, but {named[-1][0]} is {last.value:.15g}"
                raise HistogramError(figures, self.count)
        bounds = sorted(bound for bound in self.buckets if bound != inf)
        grown = [int(self.buckets[bound].value) for bound in bounds] + [int(total.value)]
        counts = [after - before for before, after in zip([0, *grown], grown, strict=False)]
        problem = validity.histogram(bounds, counts, grown[-1])
        if problem is not None:
            raise HistogramError(f"{family}: {problem}", total)
        none: Any = None  # a page has no minimum and no maximum
        return HistogramDataPoint(
            self.attributes,
            start,
            self.time,
            grown[-1],
            self.sum.value if self.sum is not None else none,
            counts,
            bounds,
            none,
            none,
            self.exemplars,
        )


def _count(name: str, counted: HistogramSample) -> None:
    problem = validity.histogram((), (), counted.value)
    if problem is not None:
        raise HistogramError(f"{name} {problem.why}", counted)
