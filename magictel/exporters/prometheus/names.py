"""Names on the page: OpenTelemetry's translation strategies, then the escaping that the scraper asked for, which overrides them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint

from magictel.formats.prometheus.escaping import Escaping, escaped_label_name, escaped_metric_name
from magictel.formats.prometheus.names import (
    LabelNames,
    TranslationStrategy,
    label_name,
    label_value,
    labels,
    unit_words,
    utf8_metric_name,
)
from magictel.formats.prometheus.numbers import open_metrics
from magictel.formats.prometheus.series import HISTOGRAM_SUFFIXES, SeriesNames, samples
from magictel.model.metrics import Kind, Point, Stream


class PageNames(SeriesNames):
    """Names the series of a page. `escaping`: the scraper's. `several`: whether the page has several resources.
    `native_histograms`: whether exponential histograms are native ones on it.

    A page of one resource is its target's: the scraper adds `job` and `instance`, and `target_info` has all of the resource's
    attributes. Several resources differ by `job` and `instance` of their own, as those of a federated page.
    """

    def __init__(
        self,
        strategy: TranslationStrategy = "UnderscoreEscapingWithSuffixes",
        escaping: Escaping = "underscores",
        *,
        scope_labels: bool = True,
        label_names: LabelNames = "prometheus",
        several: bool = False,
        native_histograms: bool = False,
    ) -> None:
        super().__init__(suffixes=strategy.endswith("WithSuffixes"), scope_labels=scope_labels)
        self.native_histograms = native_histograms
        self._utf8 = strategy.startswith("No")
        self._escaping = escaping
        self._several = several
        translated: Callable[[str], str] = str if self._utf8 else partial(label_name, style=label_names)
        self._label_name = lru_cache(maxsize=5_000)(lambda key: self._escaped(translated(key)))
        self._label_of_page = lru_cache(maxsize=5_000)(self._escaped)

    def name(self, stream: Stream) -> str | None:
        """Return the metric's name on the page, without a histogram's suffixes; None if it has no usable character."""
        name = super().name(stream)
        return escaped_metric_name(label_value(name), self._escaping) if name else None

    def _metric_name(self, name: str, unit: str, *, counter: bool = False, gauge: bool = False) -> str | None:
        if not self._utf8:
            return super()._metric_name(name, unit, counter=counter, gauge=gauge)
        return utf8_metric_name(name, unit, counter=counter, gauge=gauge) if self.suffixes else name or None

    def unit(self, stream: Stream) -> str:
        """Return the unit that the metric's name should end in (before `_total`), or ""."""
        if self.verbatim(stream):
            return stream.unit
        return unit_words(stream.unit) or ("ratio" if stream.unit == "1" and stream.kind is Kind.GAUGE else "")

    def named(self, stream: Stream) -> Callable[[str], str]:
        """Return what makes label names of a stream's keys."""
        return self._label_of_page if self.verbatim(stream) else self._label_name

    def bound_text(self, stream: Stream) -> Callable[[float], str]:  # the same for all
        """Return what writes bounds: as Prometheus 3 stores them from every form of a page, `1.0`."""
        return open_metrics

    def target_labels(self, resource: Mapping[str, Any]) -> dict[str, str]:
        """Return `job` and `instance` on a page of several resources; otherwise the scraper adds its own."""
        return super().target_labels(resource) if self._several else {}

    def has_target_info(self, resource: Mapping[str, Any]) -> bool:
        """Return whether a resource has the series `target_info`: it is the target's, unless there are several."""
        return super().has_target_info(resource) if self._several else bool(resource)

    def resource_labels(self, resource: Mapping[str, Any]) -> dict[str, str]:
        """Return the labels of `target_info`: the resource's attributes."""
        if self._several:
            return super().resource_labels(resource) | self.target_labels(resource)
        return labels(resource, ("__name__",), self._label_name)

    def exemplar_labels(self, attributes: Mapping[str, Any]) -> dict[str, str]:
        """Return the labels of an exemplar's attributes."""
        return labels(attributes, (), self._label_name)

    def sample_suffixes(self, stream: Stream) -> tuple[str, ...]:
        """Return what a metric's name ends in, in its samples: an exponential histogram's are those of a classic one."""
        return HISTOGRAM_SUFFIXES if stream.kind is Kind.EXPONENTIAL_HISTOGRAM else super().sample_suffixes(stream)

    def samples(self, stream: Stream, point: Point) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """Return what a point becomes in text; of an exponential histogram, which needs protobuf, the count and the sum."""
        if isinstance(point, ExponentialHistogramDataPoint):
            values: tuple[tuple[str, dict[str, str], float | None], ...]
            values = (("_bucket", {"le": "+Inf"}, point.count), ("_sum", {}, point.sum), ("_count", {}, point.count))
            return [(suffix, extra, float(value)) for suffix, extra, value in values if value is not None]
        return samples(point, self.bound_text(stream))

    def _escaped(self, name: str) -> str:
        return escaped_label_name(label_value(name), self._escaping)
