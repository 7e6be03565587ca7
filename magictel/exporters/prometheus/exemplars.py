"""Exemplars of the page: of each counter and bucket the latest one, as OpenTelemetry's specification says."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from magictel.exporters.prometheus.names import PageNames
from magictel.model.metrics import NumberPoints

_LONGEST = 128
"""Characters of an exemplar's labels, names and values together: OpenMetrics 1.0 allows no more, and Prometheus refuses them."""
_exemplars = attrgetter("exemplars")
_time = attrgetter("time_unix_nano")


def exemplars_of(points: Sequence[Any]) -> list[Sequence[Any]] | None:
    """Return the exemplars of each point; None if no point has one."""
    if isinstance(points, NumberPoints):
        return None
    exemplars = list(map(_exemplars, points))
    return exemplars if any(exemplars) else None


def latest(exemplars: Iterable[Any]) -> Any | None:
    """Return the latest exemplar, or None without any."""
    return max(exemplars, key=_time, default=None)


def by_bucket(exemplars: Iterable[Any], bounds: Sequence[float]) -> dict[int, Any]:
    """Return the latest exemplar of each bucket that has one, by the bucket's index."""
    buckets: dict[int, list[Any]] = {}
    for exemplar in exemplars:
        if exemplar.value == exemplar.value:
            buckets.setdefault(bisect_left(bounds, exemplar.value), []).append(exemplar)
    return {index: latest(within) for index, within in buckets.items()}


def exemplar_labels(names: PageNames, exemplar: Any) -> Mapping[str, str]:
    """Return an exemplar's labels: its trace and span, and the attributes that the metric dropped.

    Without these if they are too long together, or contain the character NUL, at which Prometheus stops reading an exemplar.
    """
    ids = {
        name: format(number, f"0{digits}x")
        for name, number, digits in (("trace_id", exemplar.trace_id, 32), ("span_id", exemplar.span_id, 16))
        if number is not None
    }
    labels = names.exemplar_labels(exemplar.filtered_attributes or {}) | ids
    size = sum(len(name) + len(value) for name, value in labels.items())
    return labels if size <= _LONGEST and not any("\0" in value for value in labels.values()) else ids
