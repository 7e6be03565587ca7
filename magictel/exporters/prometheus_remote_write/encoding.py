"""Points as remote-write 1.0 messages: one item is a point's `TimeSeries` messages behind each other, ready to stand in a `WriteRequest`.

`encode` is the plain truth; `columns` makes the same bytes faster. A sample is the value (fixed64) and the
time in milliseconds (varint), always in this order and both always written, so an item's length does not change from export to export.

What a point becomes: a number one series; an explicit histogram `_bucket` series (cumulative, `le` up to `+Inf`), `_sum`, `_count`.
What is left out, each under its code: delta points (Prometheus adds nothing up), exponential histograms (remote write 1.0 has no
native ones), names without a letter or digit, integers beyond a double. Any NaN travels as the ordinary NaN: one of the
many NaNs is Prometheus' stale marker and would end the series.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.encoding.templates import Withheld
from magictel.formats.prometheus.names import LabelNames, label_name, label_value, labels, metric_name
from magictel.model.metrics import (
    PROMETHEUS_TYPE,
    SUMMARY_NAME,
    SUMMARY_UNIT,
    Group,
    Kind,
    Point,
    Series,
    Stream,
    named_by_prometheus,
    number_text,
    times_of,
)
from magictel.sources.prometheus_number import open_metrics

_NAN_BYTES = struct.pack("<Q", 0x7FF8000000000001)
"""The ordinary NaN, in the bits that Prometheus itself writes (model/value)."""
_IDENTITY = ("service.namespace", "service.name", "service.instance.id")


class Encoder:
    """Encodes points. `suffixes`: unit and type in names; `scope_labels`: `otel_scope_name` and so on; `label_names`: whose
    rules; `page_names`: series of a Prometheus page keep their names and labels.
    """

    def __init__(
        self,
        *,
        suffixes: bool = True,
        scope_labels: bool = True,
        label_names: LabelNames = "prometheus",
        page_names: bool = True,
    ) -> None:
        self.suffixes = suffixes
        self.scope_labels = scope_labels
        self.page_names = page_names
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

    def name(self, stream: Stream) -> str | None:
        """The metric's name in Prometheus."""
        if self.verbatim(stream):
            return stream.name or None
        summary = dict(stream.metadata)
        whole = summary.get(SUMMARY_NAME, "")
        if whole and stream.name.startswith(whole):
            name = metric_name(whole, summary.get(SUMMARY_UNIT, ""), suffixes=self.suffixes)
            return name and name + stream.name.removeprefix(whole)
        return metric_name(
            stream.name, stream.unit, counter=stream.monotonic, gauge=stream.kind is Kind.GAUGE, suffixes=self.suffixes
        )

    def fixed(self, stream: Stream) -> dict[str, str]:
        """The labels that every series of a stream carries: job and instance, and the scope."""
        made = identity(stream.resource)
        if self.scope_labels and stream.scope_name and not self.verbatim(stream):
            made |= self._scope(stream)
        return made

    def _scope(self, stream: Stream) -> dict[str, str]:
        """As Prometheus promotes them: attributes, then name, version and schema, which nothing may hide."""
        told = {self._label_name(f"otel_scope_{key}"): value for key, value in stream.scope_attributes.items()}
        told |= {"otel_scope_name": stream.scope_name, "otel_scope_version": stream.scope_version}
        told["otel_scope_schema_url"] = stream.scope_schema_url
        return {name: text for name, value in told.items() if (text := label_value(value))}

    def labels(self, series: Series) -> dict[str, str]:
        """The labels of a point without `__name__` and `le`, unsorted."""
        fixed = self.fixed(series.stream)
        return {**labels(series.attributes, reserved(series.stream, fixed), self.named(series.stream)), **fixed}

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point's `TimeSeries` messages, or why it is left out."""
        name, why = self.name(series.stream), left_out(series.stream)
        if name is None:
            why = ("prom.rw.name", "no letter or digit is left of the metric's name for Prometheus")
        if why is not None:
            return Withheld(*why, describe(series))
        time = milliseconds(point.time_unix_nano)
        made = self.labels(series)
        try:
            return b"".join(
                time_series({**made, **extra, "__name__": f"{name}{suffix}"}, value, time)
                for suffix, extra, value in samples(point, self.bound_text(series.stream))
            )
        except OverflowError:
            return Withheld("prom.rw.number", "a number is beyond what a 64-bit float holds", describe(series))
        except ValueError as failure:
            return Withheld("prom.rw.buckets", str(failure), describe(series))

    def resource_labels(self, resource: Mapping[str, Any]) -> dict[str, str]:
        """Return the labels of `target_info`: a resource's attributes beyond job and instance."""
        others = {key: value for key, value in resource.items() if key not in _IDENTITY}
        return labels(others, (*identity(resource), "__name__"), self._label_name)

    def target_info(self, group: Group) -> bytes:
        """The series that carries a resource's other attributes, at the time of the group's last point; empty without any."""
        resource = group.stream.resource
        own = identity(resource)
        if not own or resource.keys() <= set(_IDENTITY) or self.verbatim(group.stream):
            return b""
        others = self.resource_labels(resource)
        time = milliseconds(max(times_of(group.points)))
        return time_series({**others, **own, "__name__": "target_info"}, 1.0, time)


def identity(resource: Mapping[str, Any]) -> dict[str, str]:
    """`job` (`namespace/name`) and `instance` of a resource, where it names them."""
    namespace, name, instance = (label_value(resource.get(key)) for key in _IDENTITY)
    job = f"{namespace}/{name}" if _IDENTITY[0] in resource and _IDENTITY[1] in resource else name
    return {label: value for label, value in (("job", job), ("instance", instance)) if value}


def samples(
    point: Point, bound_text: Callable[[float], str] = number_text
) -> Iterable[tuple[str, Mapping[str, str], float]]:
    """What a point becomes: (suffix of the name, extra labels, value).

    Raises `OverflowError` for an integer no double holds, `ValueError` for a histogram whose counts do not fit its bounds.
    """
    if isinstance(point, HistogramDataPoint):
        own = parts(tuple(point.explicit_bounds), bound_text)
        if len(point.bucket_counts) != (
            len(point.explicit_bounds) + 1 if point.explicit_bounds or point.bucket_counts else 0
        ):
            raise ValueError(f"{len(point.bucket_counts)} counts do not fit {len(point.explicit_bounds)} bounds")
        running = list(accumulate(point.bucket_counts))[: len(own) - 3]
        values = [*running, point.count, point.sum, point.count]
        return [
            (suffix, {"le": le} if le else {}, float(value))
            for (suffix, le), value in zip(own, values, strict=True)
            if value is not None  # a sum is optional in OTLP
        ]
    return [("", {}, float(point.value))]  # type: ignore[union-attr] # exponential histograms are left out before


def milliseconds(nanoseconds: int) -> int:
    """A point's time as Prometheus keeps it: whole milliseconds, cut."""
    return nanoseconds // 1_000_000


def time_series(labels: Mapping[str, str], value: float, time: int) -> bytes:
    """One `TimeSeries` with one sample, as field 1 of a `WriteRequest`; labels in the order of their names."""
    number = _NAN_BYTES if value != value else struct.pack("<d", value)
    sample = b"\x09" + number + b"\x10" + varint(time)
    body = (
        b"".join(encoded_label(name, labels[name]) for name in sorted(labels)) + b"\x12" + varint(len(sample)) + sample
    )
    return b"\x0a" + varint(len(body)) + body


def describe(series: Series) -> str:
    """A series for people: the metric's name and its attributes, cut."""
    attributes = ", ".join(f"{key}={value}" for key, value in series.attributes.items())
    return f"{series.stream.name}{{{attributes}}}"[:200]


def left_out(stream: Stream) -> tuple[str, str] | None:
    """Code and sentence of the rule by which a whole stream is left out."""
    if stream.kind is Kind.EXPONENTIAL_HISTOGRAM:
        return (
            "prom.rw.exponential",
            "remote write 1.0 has no native histograms, and an exponential histogram is no classic one",
        )
    if stream.kind is not Kind.GAUGE and stream.temporality != "cumulative":
        return (
            "prom.rw.delta",
            f"Prometheus needs cumulative points, these are {stream.temporality or 'of no known temporality'}",
        )
    return None


def reserved(stream: Stream, fixed: Mapping[str, str]) -> tuple[str, ...]:
    """The label names that a stream needs for itself."""
    return (*fixed, "__name__", "le") if stream.kind is Kind.HISTOGRAM else (*fixed, "__name__")


def parts(bounds: Sequence[float], bound_text: Callable[[float], str] = number_text) -> list[tuple[str, str]]:
    """A histogram's series in their order: suffix of the name and `le` (empty: none)."""
    finite = [bound_text(bound) for bound in bounds if bound != math.inf]
    return [*(("_bucket", le) for le in [*finite, "+Inf"]), ("_sum", ""), ("_count", "")]


def encoded_label(name: str, value: str) -> bytes:
    """A label as field 1 of a `TimeSeries`."""
    key, text = name.encode(), value.encode()
    body = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(text)) + text
    return b"\x0a" + varint(len(body)) + body


def count_series(body: bytes) -> int:
    """How many series a request of ours holds, of one sample each: a histogram's point is one for each bucket, its sum and count."""
    at = count = 0
    while at < len(body):
        at, size, shift = at + 1, 0, 0
        while at < len(body):
            byte = body[at]
            size |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                break
        at += size
        count += 1
    return count


def varint(number: int) -> bytes:
    """A number as protobuf writes integers; a negative one as 64-bit two's complement."""
    if 0 <= number < 128:
        return bytes((number,))
    number &= (1 << 64) - 1
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)
