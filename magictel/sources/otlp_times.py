"""The times in OTLP JSON: extracted from the text without decoding, and checked for plain nanoseconds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from magictel.model.validity import EARLY, LATEST
from magictel.sources import otlp_messages as otlp

_TIMES = re.compile(rb'"timeUnixNano"\s*:\s*"?(\d+)')
_TIME_NAME = b'"timeUnixNano"'
_TIME_MEMBER = b'"timeUnixNano":'
_MOMENT = itemgetter(slice(0, 22))
_PLAIN_MOMENT = re.compile(rb':"[1-9]\d{18}"')
"""A time after its name, as the Collector writes it: of fixed length, so that texts sort like numbers."""


def times(line: bytes) -> tuple[int, int] | None:
    """Return the oldest and newest time in a line (Unix nanoseconds) without decoding it, or None."""
    first = line.find(_TIME_NAME)
    if first < 0:
        return None
    member = line[first : first + len(_TIME_NAME) + 22]
    if _PLAIN_MOMENT.fullmatch(member, len(_TIME_NAME)) and line.count(member) == line.count(_TIME_NAME):
        texts = [member[len(_TIME_NAME) + 2 : -1]]  # the usual case: a collection has a single time
    else:
        moments = set(map(_MOMENT, line.split(_TIME_NAME)[1:]))
        plain = all(map(_PLAIN_MOMENT.fullmatch, moments))
        texts = [moment[2:-1] for moment in (min(moments), max(moments))] if plain else _TIMES.findall(line)
    numbers = [number for number in map(int, texts) if 0 < number <= LATEST]
    return (min(numbers), max(numbers)) if numbers else None


def _data(metric: otlp.Metric) -> Any:
    """Return a metric's data: the first one, as a decoder does."""
    return metric.gauge or metric.sum or metric.histogram or metric.exponentialHistogram or metric.summary


def _exemplars(request: otlp.Request) -> Iterator[list[otlp.Exemplar]]:
    for resource_metrics in request.resourceMetrics:
        for scope_metrics in resource_metrics.scopeMetrics:
            for metric in scope_metrics.metrics:
                data = _data(metric)
                for point in data.dataPoints if data is not None else ():
                    yield getattr(point, "exemplars", None) or []


def has_all_times(request: otlp.Request, text: bytes) -> bool:
    """Return whether a request has as many times as its text: otherwise points are lost in a duplicate member or a second type."""
    lists: list[list[Any]] = [
        data.dataPoints
        for resource_metrics in request.resourceMetrics
        for scope_metrics in resource_metrics.scopeMetrics
        for metric in scope_metrics.metrics
        if (data := _data(metric)) is not None
    ]
    count = sum(map(len, lists))
    if text.count(_TIME_MEMBER) == count:
        return True
    exemplars = [
        exemplar for points in lists for point in points for exemplar in getattr(point, "exemplars", None) or ()
    ]
    return text.count(_TIME_NAME) == count + len(exemplars) and all(exemplar.timeUnixNano for exemplar in exemplars)


def has_all_values(request: otlp.Request, text: bytes) -> bool:
    """Return whether the number points of a request have as many values as its text: otherwise one is duplicate and silently lost."""
    lists = [
        data.dataPoints
        for resource_metrics in request.resourceMetrics
        for scope_metrics in resource_metrics.scopeMetrics
        for metric in scope_metrics.metrics
        for data in (metric.gauge, metric.sum)
        if data is not None
    ]
    if not lists:
        return True
    count = sum(map(len, lists))
    values = text.count(b'"asDouble"') + text.count(b'"asInt"')
    if values > count and b'"exemplars"' in text:
        count += sum(len(exemplars) for exemplars in _exemplars(request))
    return values <= count


def plain_times(moments: list[int], starts: list[int]) -> bool:
    """Return whether all times are present, in nanoseconds, and plausible."""
    return all(
        low < given[0] <= LATEST if given.count(given[0]) == len(given) else low < min(given) <= max(given) <= LATEST
        for low, given in ((EARLY, moments), (-1, starts))
        if given
    )
