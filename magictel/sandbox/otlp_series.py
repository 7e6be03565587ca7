"""What Prometheus 3's OTLP receiver makes of a request: series, as `UnderscoreEscapingWithSuffixes` names them.

Written from prometheus/otlptranslator and Prometheus' documentation, apart from the names that exporters use: one error in both would hide
itself. Tests compare the two, and both with the real server. Exponential histograms become native ones, of a scale of at most 8.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import accumulate
from typing import Any

from magictel.sandbox.prometheus_store import NativeHistogram, RefusedError, Sample

Series = tuple[list[tuple[str, str]], list[Sample]]
"""Labels, and samples as milliseconds and value."""
_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds",
    "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes", "TiBy": "tibibytes", "KBy": "kilobytes",
    "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes", "m": "meters", "V": "volts", "A": "amperes", "J": "joules",
    "W": "watts", "g": "grams", "Cel": "celsius", "Hz": "hertz", "%": "percent",
}  # fmt: skip
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_IDENTITY = ("service.namespace", "service.name", "service.instance.id")


class DeltaError(Exception):
    """A metric whose temporality Prometheus refuses."""


def series_of(resource_metrics: Any) -> list[Series]:
    """Return the series of a `ResourceMetrics`. Raise `DeltaError` and `RefusedError`."""
    resource = attributes(resource_metrics.resource.attributes)
    identity = _identity(resource)
    series: list[Series] = []
    newest = 0
    for scope_metrics in resource_metrics.scope_metrics:
        for metric in scope_metrics.metrics:
            for kind in ("gauge", "sum", "histogram", "exponential_histogram"):
                data = getattr(metric, kind)
                if not metric.HasField(kind) or not data.data_points:
                    continue
                if kind != "gauge" and data.aggregation_temporality != 2:
                    raise DeltaError(metric.name)
                newest = max(newest, *(point.time_unix_nano for point in data.data_points))
                series += _series(metric, kind, data, identity)
    others = {key: value for key, value in resource.items() if key not in _IDENTITY}
    if identity and others and newest:
        labels = {**_labels(others), **identity, "__name__": "target_info"}
        series.append((list(labels.items()), [(newest // 1_000_000, 1.0)]))
    return series


def _series(metric: Any, kind: str, data: Any, identity: Mapping[str, str]) -> Iterator[Series]:
    name = metric_name(metric.name, metric.unit, counter=kind == "sum" and data.is_monotonic, gauge=kind == "gauge")
    for point in data.data_points:
        labels = {**_labels(attributes(point.attributes)), **identity}
        time = point.time_unix_nano // 1_000_000
        for suffix, bound, value in _samples(point, kind):
            yield [*{**labels, **bound, "__name__": name + suffix}.items()], [(time, value)]


def _samples(point: Any, kind: str) -> Iterator[tuple[str, dict[str, str], float | NativeHistogram]]:
    if kind == "exponential_histogram":
        yield "", {}, _native(point)
        return
    if kind != "histogram":
        yield "", {}, float(point.as_int if point.HasField("as_int") else point.as_double)
        return
    for bound, count in zip(point.explicit_bounds, accumulate(point.bucket_counts), strict=False):
        if bound != math.inf:
            yield "_bucket", {"le": number(bound)}, float(count)
    yield "_bucket", {"le": "+Inf"}, float(point.count)
    if point.HasField("sum"):
        yield "_sum", {}, point.sum
    yield "_count", {}, float(point.count)


def _native(point: Any) -> NativeHistogram:
    if point.scale < -4:
        why = f"cannot convert exponential to native histogram. Scale must be >= -4, was {point.scale}"
        raise RefusedError(500, why)
    lowered = max(0, point.scale - 8)
    base = 2.0 ** (2.0 ** -(point.scale - lowered))
    buckets: list[tuple[float, float, int]] = []
    for side, sign in ((point.negative, -1), (point.positive, 1)):
        counts: dict[int, int] = {}
        for at, count in enumerate(side.bucket_counts):
            index = (side.offset + at) >> lowered
            counts[index] = counts.get(index, 0) + count
        for index, count in counts.items():
            buckets.append((*sorted((sign * base**index, sign * base ** (index + 1))), count))
    buckets.append((-point.zero_threshold, point.zero_threshold, point.zero_count))
    filled = sorted(bucket for bucket in buckets if bucket[2])
    return NativeHistogram(point.count, point.sum, tuple(filled))


def metric_name(name: str, unit: str, *, counter: bool, gauge: bool) -> str:
    """Return a metric's name: words of letters, digits and colons, then the unit and the type."""
    words = re.findall(r"[a-zA-Z0-9:]+", name)
    main, _, per = (part.strip() for part in unit.partition("/"))
    main = "" if main == "1" or set(main) & set("{}") else _UNITS.get(main, main)
    per = "" if set(per) & set("{}") else _PER.get(per, per)
    for suffix in (main, f"per_{per}" if per else ""):
        suffix = re.sub("[^a-zA-Z0-9:]+", "_", suffix).strip("_")
        if suffix and suffix not in words:
            words.append(suffix)
    if counter:
        words = [word for word in words if word != "total"] + ["total"]
    if gauge and unit == "1":
        words = [word for word in words if word != "ratio"] + ["ratio"]
    joined = "_".join(words)
    if not joined:
        raise RefusedError(500, f'normalization for metric "{name}" resulted in empty name')
    return f"_{joined}" if joined[:1].isdigit() else joined


def _labels(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of attributes; values of keys that become one name are joined by `;` in the order of the keys."""
    labels: dict[str, str] = {}
    for key in sorted(given):
        name = label_name(key)
        text = label_value(given[key])
        labels[name] = f"{labels[name]};{text}" if name in labels else text
    return labels


def label_name(key: str) -> str:
    """Return a label's name."""
    name = re.sub("[^a-zA-Z0-9_]", "_", key)
    if name[:1].isdigit():
        return f"key_{name}"
    return f"key{name}" if name.startswith("_") and not name.startswith("__") else name


def label_value(value: Any) -> str:
    """Return a label's value: text as it is, numbers and words as JSON writes them, lists and maps as JSON, bytes in base64."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case bool():
            return "true" if value else "false"
        case float():
            small_or_large = value != 0 and math.isfinite(value) and not 1e-6 <= abs(value) < 1e21
            return repr(value).replace("e-0", "e-") if small_or_large else number(value).replace("+Inf", "Infinity")
        case int():
            return str(value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=label_value)


def number(value: float) -> str:
    """Return a number in its shortest form without an exponent."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _identity(resource: Mapping[str, Any]) -> dict[str, str]:
    namespace, name, instance = (label_value(resource.get(key)) for key in _IDENTITY)
    job = f"{namespace}/{name}" if namespace and name else name
    return {label: text for label, text in (("job", job), ("instance", instance)) if text}


def attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """Return decoded attributes as a mapping."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    for field, content in value.ListFields():
        match field.name:
            case "array_value":
                return [_value(each) for each in content.values]
            case "kvlist_value":
                return attributes(content.values)
        return content
    return None
