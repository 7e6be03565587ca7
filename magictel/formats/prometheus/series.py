"""Points as the series that Prometheus knows: their names, labels and samples, whatever carries them there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.formats.prometheus.names import LabelNames, label_name, label_value, labels, metric_name
from magictel.formats.prometheus.native import Numbers, sent_numbers
from magictel.formats.prometheus.numbers import open_metrics
from magictel.model.metrics import (
    PROMETHEUS_TYPE,
    SUMMARY_NAME,
    SUMMARY_UNIT,
    Kind,
    Point,
    Series,
    Stream,
    named_by_prometheus,
    number_text,
)

HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")
"""What a classic histogram's name ends in, in its samples."""
IDENTITY = ("service.namespace", "service.name", "service.instance.id")
"""The attributes of a resource that become job and instance."""


_WITH_BOUNDS = (Kind.HISTOGRAM, Kind.EXPONENTIAL_HISTOGRAM)


class SeriesNames:
    """Names series and their labels. `suffixes`: unit and type in names; `scope_labels`: `otel_scope_name` and so on; `label_names`: whose
    rules; `page_names`: series of a Prometheus page keep their names and labels; `custom_buckets`: explicit histograms are native ones.
    """

    def __init__(
        self,
        *,
        suffixes: bool = True,
        scope_labels: bool = True,
        label_names: LabelNames = "prometheus",
        page_names: bool = True,
        custom_buckets: bool = False,
    ) -> None:
        self.suffixes = suffixes
        self.custom_buckets = custom_buckets
        self.scope_labels = scope_labels
        self.page_names = page_names
        self.native_histograms = True
        """Whether exponential histograms are native ones; otherwise `samples` says what they are."""
        self._label_name: Callable[[str], str] = partial(label_name, style=label_names)

    def verbatim(self, stream: Stream) -> bool:
        """Return whether a stream keeps its names and gets no label: it is named by Prometheus already."""
        return self.page_names and named_by_prometheus(stream)

    def named(self, stream: Stream) -> Callable[[str], str]:
        """Return what makes label names of a stream's keys."""
        return str if self.verbatim(stream) else self._label_name

    def bound_text(self, stream: Stream) -> Callable[[float], str]:
        """Return what writes a histogram's bounds: as Prometheus 3 stores them from a page (`1.0`), or from OTLP (`1`)."""
        return open_metrics if self.page_names and (PROMETHEUS_TYPE, "histogram") in stream.metadata else number_text

    def label(self, key: str) -> str:
        """Return the label of an attribute of a stream that Prometheus did not name."""
        return self._label_name(key)

    def native(self, stream: Stream) -> bool:
        """Return whether the points of a stream become native histograms."""
        if stream.kind is Kind.EXPONENTIAL_HISTOGRAM:
            return self.native_histograms
        return self.custom_buckets and stream.kind is Kind.HISTOGRAM

    def name(self, stream: Stream) -> str | None:
        """The metric's name in Prometheus."""
        if self.verbatim(stream):
            return stream.name or None
        summary = dict(stream.metadata)
        whole = summary.get(SUMMARY_NAME, "")
        if whole and stream.name.startswith(whole):
            name = self._metric_name(whole, summary.get(SUMMARY_UNIT, ""))
            return name and name + stream.name.removeprefix(whole)
        return self._metric_name(stream.name, stream.unit, counter=stream.monotonic, gauge=stream.kind is Kind.GAUGE)

    def _metric_name(self, name: str, unit: str, *, counter: bool = False, gauge: bool = False) -> str | None:
        return metric_name(name, unit, counter=counter, gauge=gauge, suffixes=self.suffixes)

    def sample_suffixes(self, stream: Stream) -> tuple[str, ...]:
        """Return what a metric's name ends in, in its samples."""
        return HISTOGRAM_SUFFIXES if stream.kind is Kind.HISTOGRAM and not self.native(stream) else ("",)

    def samples(self, stream: Stream, point: Point) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """Return what a point of a stream becomes that is no native histogram, as `samples` does."""
        return samples(point, self.bound_text(stream))

    def values(self, stream: Stream, point: Point) -> Iterable[tuple[str, Mapping[str, str], float | Numbers]]:
        """Return what a point becomes, as `samples` does; the value of a native histogram is its numbers."""
        return [("", {}, sent_numbers(point))] if self.native(stream) else self.samples(stream, point)

    def target_labels(self, resource: Mapping[str, Any]) -> dict[str, str]:
        """Return the labels by which series are of a resource: `job` and `instance`."""
        return identity(resource)

    def fixed(self, stream: Stream) -> dict[str, str]:
        """The labels that every series of a stream carries: job and instance, and the scope."""
        labels = self.target_labels(stream.resource)
        if self.scope_labels and stream.scope_name and not self.verbatim(stream):
            labels |= self._scope(stream)
        return labels

    def _scope(self, stream: Stream) -> dict[str, str]:
        """As Prometheus promotes them: attributes, then name, version and schema, which nothing may hide."""
        labels = {self._label_name(f"otel_scope_{key}"): value for key, value in stream.scope_attributes.items()}
        labels |= {"otel_scope_name": stream.scope_name, "otel_scope_version": stream.scope_version}
        labels["otel_scope_schema_url"] = stream.scope_schema_url
        return {name: text for name, value in labels.items() if (text := label_value(value))}

    def labels(self, series: Series) -> dict[str, str]:
        """The labels of a point without `__name__` and `le`, unsorted."""
        fixed = self.fixed(series.stream)
        return {**labels(series.attributes, reserved(series.stream, fixed), self.named(series.stream)), **fixed}

    def has_target_info(self, resource: Mapping[str, Any]) -> bool:
        """Return whether a resource has the series `target_info`: job or instance have to say whose it is."""
        return bool(self.target_labels(resource))

    def resource_labels(self, resource: Mapping[str, Any]) -> dict[str, str]:
        """Return the labels of `target_info`: a resource's attributes beyond job and instance."""
        others = {key: value for key, value in resource.items() if key not in IDENTITY}
        return labels(others, (*identity(resource), "__name__"), self._label_name)


def identity(resource: Mapping[str, Any]) -> dict[str, str]:
    """`job` (`namespace/name`) and `instance` of a resource, where it names them."""
    namespace, name, instance = (label_value(resource.get(key)) for key in IDENTITY)
    job = f"{namespace}/{name}" if IDENTITY[0] in resource and IDENTITY[1] in resource else name
    return {label: value for label, value in (("job", job), ("instance", instance)) if value}


def samples(
    point: Point, bound_text: Callable[[float], str] = number_text
) -> Sequence[tuple[str, Mapping[str, str], float]]:
    """What a point becomes: (suffix of the name, extra labels, value).

    Raises `OverflowError` for an integer no double holds, `ValueError` for a histogram whose counts do not fit its bounds.
    """
    if isinstance(point, HistogramDataPoint):
        series_parts = parts(tuple(point.explicit_bounds), bound_text)
        if len(point.bucket_counts) != (
            len(point.explicit_bounds) + 1 if point.explicit_bounds or point.bucket_counts else 0
        ):
            raise ValueError(f"{len(point.bucket_counts)} counts do not fit {len(point.explicit_bounds)} bounds")
        running = list(accumulate(point.bucket_counts))[: len(series_parts) - 3]
        values = [*running, point.count, point.sum, point.count]
        return [
            (suffix, {"le": le} if le else {}, float(value))
            for (suffix, le), value in zip(series_parts, values, strict=True)
            if value is not None  # a sum is optional in OTLP
        ]
    return [("", {}, float(point.value))]  # type: ignore[union-attr] # exponential histograms are left out before


def milliseconds(nanoseconds: int) -> int:
    """A point's time as Prometheus keeps it: whole milliseconds, cut."""
    return nanoseconds // 1_000_000


def reserved(stream: Stream, fixed: Mapping[str, str]) -> tuple[str, ...]:
    """The label names that a stream needs for itself."""
    return (*fixed, "__name__", "le") if stream.kind in _WITH_BOUNDS else (*fixed, "__name__")


def parts(bounds: Sequence[float], bound_text: Callable[[float], str] = number_text) -> list[tuple[str, str]]:
    """A histogram's series in their order: suffix of the name and `le` (empty: none)."""
    finite = [bound_text(bound) for bound in bounds if bound != math.inf]
    return [*(("_bucket", le) for le in [*finite, "+Inf"]), ("_sum", ""), ("_count", "")]
