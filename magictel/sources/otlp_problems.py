"""Validity of points in OTLP JSON: the rules of `validity` applied to its messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magictel.model import validity
from magictel.model.validity import Problem
from magictel.sources import otlp_messages as otlp


def number_problem(point: otlp.Point) -> Problem | None:
    """Return the problem of a number point, or None."""
    if point.asDouble is None:
        return Problem("asDouble", "and asInt are missing: the point has no value") if point.asInt is None else None
    return None if point.asInt is None else Problem("asInt", "is set beside asDouble: a point has one value")


def _histogram_problem(point: otlp.Histogram) -> Problem | None:
    return validity.histogram(point.explicitBounds, point.bucketCounts, point.count, point.min, point.max)


def _exponential_problem(point: otlp.Exponential) -> Problem | None:
    positive, negative = point.positive or otlp.Buckets(), point.negative or otlp.Buckets()
    sides = (positive.offset, positive.bucketCounts), (negative.offset, negative.bucketCounts)
    return validity.exponential_histogram(
        point.scale, point.zeroCount, *sides, point.count, point.min, point.max, point.zeroThreshold
    )


def _summary_problem(point: otlp.Summary) -> Problem | None:
    return validity.summary(point.count, [value.quantile for value in point.quantileValues])


PROBLEMS: dict[str, Callable[[Any], Problem | None]] = {
    "histogram": _histogram_problem,
    "exponentialHistogram": _exponential_problem,
    "summary": _summary_problem,
}
