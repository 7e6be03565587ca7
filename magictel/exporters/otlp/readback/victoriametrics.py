"""What VictoriaMetrics makes of OTLP (1.151, measured; lib/protoparser/opentelemetry/pb/pb.go).

Names stay as sent. Resource attributes and the scope become labels of each series.
Exponential histograms become `_bucket` series of ranges (`vmrange`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint

from magictel.formats.prometheus.names import label_name, label_value
from magictel.formats.prometheus.series import SeriesNames
from magictel.model.metrics import Point, Series, Stream, number_text

_UNKNOWN = "unknown"
"""Name and version of a scope that has none."""


class VictoriaMetricsNames(SeriesNames):
    """Names as VictoriaMetrics gives them. `prometheus_naming`: it runs with `-opentelemetry.usePrometheusNaming`."""

    def __init__(self, *, prometheus_naming: bool = False) -> None:
        super().__init__(scope_labels=False, page_names=False)
        self.native_histograms = False
        self._prometheus_naming = prometheus_naming
        self._label_name = label_name if prometheus_naming else str

    def name(self, stream: Stream) -> str | None:
        """Return the name as sent, or as Prometheus has it."""
        return super().name(stream) if self._prometheus_naming else stream.name or None

    def fixed(self, stream: Stream) -> dict[str, str]:
        """Return no label: a point's attributes replace those of its resource."""
        return {}

    def labels(self, series: Series) -> dict[str, str]:
        """Return the labels of resource, scope and point; the last of a name counts."""
        stream = series.stream
        scope = {
            "scope.name": stream.scope_name or _UNKNOWN,
            "scope.version": stream.scope_version or _UNKNOWN,
            **{f"scope.attributes.{key}": value for key, value in stream.scope_attributes.items()},
        }
        pairs = [*_flat(stream.resource), *_flat(scope), *_flat(series.attributes)]
        return {self._label_name(key): text for key, value in pairs if (text := _text(value))}

    def samples(self, stream: Stream, point: Point) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """Return count, sum and buckets of an exponential histogram; other points as Prometheus has them."""
        return _ranges(point) if isinstance(point, ExponentialHistogramDataPoint) else super().samples(stream, point)


def _ranges(point: ExponentialHistogramDataPoint) -> Iterator[tuple[str, Mapping[str, str], float]]:
    yield "_count", {}, float(point.count)
    yield "_sum", {}, float(point.sum or 0.0)
    threshold = getattr(point, "zero_threshold", 0.0)
    if point.zero_count:
        yield "_bucket", _range(-threshold, threshold), float(point.zero_count)
    base = 2.0 ** (2.0**-point.scale)
    for side, sign in ((point.positive, 1), (point.negative, -1)):
        for index, count in enumerate(side.bucket_counts, side.offset):
            if count:
                inner, outer = sign * base**index, sign * base ** (index + 1)
                yield "_bucket", _range(min(inner, outer), max(inner, outer)), float(count)


def _range(low: float, high: float) -> Mapping[str, str]:
    return {"vmrange": f"{low:.3e}...{high:.3e}"}


def _flat(attributes: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the attributes, and those within maps under keys that dots join."""
    for key, value in attributes.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _text(value: Any) -> str:
    """Return a value as text; a float without an exponent."""
    return number_text(value) if isinstance(value, float) else label_value(value)
