"""Collections for pages, and pages as the samples that each of the world's parsers reads of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from magictel.encoding.impossible import possible
from magictel.encoding.prepared import Prepared
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus.encoding import PageEncoding
from magictel.exporters.prometheus.negotiation import Form
from magictel.model.metrics import groups
from magictel.sandbox.prometheus_page_protobuf import families
from magictel.sources.prometheus_text import PrometheusText

CUMULATIVE, DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
START, NOW = 1_764_000_000_250_000_000, 1_764_000_100_000_000_000
RESOURCE = Resource({"service.name": "shop", "host.name": "h"})
BARE = Resource({})
SCOPE = InstrumentationScope("lib", "1.2")
TEXT, OPENMETRICS, PROTOBUF = Form(), Form("openmetrics", "1.0.0"), Form("protobuf", "")
UTF8 = Form("openmetrics", "1.0.0", "allow-utf-8")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Page(NamedTuple):
    """A page: its body, and the reasons for points left out."""

    body: bytes
    withheld: list[Withheld]

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def codes(self) -> list[str]:
        return [withheld.code for withheld in self.withheld]


def collection(*metrics: Metric, resource: Resource = RESOURCE, scope: InstrumentationScope = SCOPE) -> MetricsData:
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, list(metrics), "")], "")])


def number(
    value: float, *, start: int = START, time: int = NOW, exemplars: Iterable[Any] = (), **attributes: Any
) -> NumberDataPoint:
    return NumberDataPoint(attributes, start, time, value, list(exemplars))


def gauge(name: str, *points: NumberDataPoint, unit: str = "", text: str = "") -> Metric:
    return Metric(name, text, unit, Gauge(list(points)))


def counter(name: str, *points: NumberDataPoint, unit: str = "", text: str = "") -> Metric:
    return Metric(name, text, unit, Sum(list(points), CUMULATIVE, True))


def histogram(name: str, *points: HistogramDataPoint, unit: str = "", text: str = "") -> Metric:
    return Metric(name, text, unit, Histogram(list(points), CUMULATIVE))


def buckets(
    bounds: list[float], counts: list[int], total: float | None, *, exemplars: Iterable[Any] = (), **attributes: Any
) -> HistogramDataPoint:
    return HistogramDataPoint(attributes, START, NOW, sum(counts), total, counts, bounds, 0.0, 1.0, list(exemplars))  # type: ignore[arg-type]


def exponential(
    name: str,
    scale: int,
    positive: Buckets,
    negative: Buckets | None = None,
    *,
    zeros: int = 0,
    total: float = 1.5,
    **attributes: Any,
) -> Metric:
    negative = negative or Buckets(0, [])
    count = sum(positive.bucket_counts) + sum(negative.bucket_counts) + zeros
    point = ExponentialHistogramDataPoint(
        attributes, START, NOW, count, total, scale, zeros, positive, negative, 0, 0.0, 1.0
    )
    return Metric(name, "", "", ExponentialHistogram([point], CUMULATIVE))


def page(data: MetricsData, form: Form = TEXT, encoding: PageEncoding | None = None) -> Page:
    prepared = Prepared.of(possible(groups(data)), 0)
    parts = [*prepared.withheld, *(encoding or PageEncoding()).page(prepared.groups, form)]
    body = b"".join(part for part in parts if isinstance(part, bytes))
    return Page(body, [part for part in parts if isinstance(part, Withheld)])


def read(body: bytes, form: Form) -> Samples:
    """Return the samples by a parser that is not ours; none comes twice."""
    if form.syntax == "protobuf":
        return unique(sample for message in messages(body) for sample in message_samples(message))
    text = body.decode()
    if form.syntax == "openmetrics":
        named = [(sample.name, sample) for family in openmetrics_families(text) for sample in family.samples]
    else:
        # This parser adds `_total` to a counter's samples without it.
        named = [
            (sample.name if f" {sample.name} " in text else sample.name.removesuffix("_total"), sample)
            for family in text_families(text)
            for sample in family.samples
        ]
    return unique(((name, frozenset(sample.labels.items())), float(sample.value)) for name, sample in named)


def read_by_source(body: bytes, form: Form) -> Samples:
    """Return the samples by our own scrape source, without start times."""

    def refuse(error: Exception) -> None:
        raise error

    reader = PrometheusText("page", NOW, openmetrics=form.syntax == "openmetrics")
    samples: list[tuple[tuple[str, frozenset[tuple[str, str]]], float]] = []
    for batch in reader.read([body], refuse):
        for part in batch:
            for point in part.points:
                labels = frozenset((point.attributes or {}).items())
                if isinstance(point, HistogramDataPoint):
                    running = 0
                    for bound, count in zip([*point.explicit_bounds, math.inf], point.bucket_counts, strict=True):
                        running += count
                        samples.append(((f"{part.head.name}_bucket", labels | {("le", bound)}), float(running)))
                    samples.append(((f"{part.head.name}_count", labels), float(point.count)))
                    if point.sum is not None:
                        samples.append(((f"{part.head.name}_sum", labels), float(point.sum)))
                else:
                    samples.append(((part.head.name, labels), float(point.value)))
    return unique(samples)


def bounds_as_numbers(samples: Any) -> Any:
    """Return samples by names and labels, the bounds among them as numbers: each form and parser writes them in its own way."""
    return {
        (
            name,
            frozenset(
                (key, float(value) if key == "le" and name.endswith("_bucket") else value) for key, value in labels
            ),
        ): number
        for (name, labels), number in samples.items()
    }


def unique(samples: Iterable[tuple[tuple[str, frozenset[tuple[str, str]]], float]]) -> Samples:
    collected: Samples = {}
    for key, value in samples:
        assert key not in collected, key
        collected[key] = value
    return collected


def messages(body: bytes) -> Iterator[Any]:
    for message in families(body):
        assert message.metric, "a family without a metric"
        yield message


def message_samples(message: Any) -> Iterator[tuple[tuple[str, frozenset[tuple[str, str]]], float]]:
    value_fields = {0: "counter", 1: "gauge", 3: "untyped", 4: "histogram"}
    for metric in message.metric:
        labels = frozenset((label.name, label.value) for label in metric.label)
        assert len({name for name, _ in labels}) == len(metric.label), "labels are unique"
        (field,) = (name for name in value_fields.values() if metric.HasField(name))
        assert field == value_fields[message.type]
        value = getattr(metric, field)
        if field != "histogram":
            yield (message.name, labels), value.value
            continue
        for bucket in value.bucket:
            le = "+Inf" if math.isinf(bucket.upper_bound) else repr(bucket.upper_bound)
            yield (f"{message.name}_bucket", labels | {("le", le)}), float(bucket.cumulative_count)
        yield (f"{message.name}_count", labels), float(value.sample_count)
        yield (f"{message.name}_sum", labels), value.sample_sum
