"""Points as remote-write messages: one item is a point's `TimeSeries` messages one after another, as in a `WriteRequest`.

`encode` is the reference; `columns` makes the same bytes faster. A sample is the value (fixed64) and the time in milliseconds
(varint), always in this order and both always written, so an item's length does not change from export to export.

What a point becomes: a number one series; an explicit histogram `_bucket` series (cumulative, `le` up to `+Inf`), `_sum`, `_count`, or
a native histogram with these bounds; an exponential histogram a native one. What is left out, each under its code: sums and
histograms of no known temporality, exponential histograms where only 1.0 is sent (it has no native ones), names without a letter or digit,
integers beyond a double. Any NaN travels as the ordinary NaN: one of the many NaNs is Prometheus' stale marker and would end the series.

What only 2.0 carries (`newer`) is in the same messages, and `symbols` leaves it out of a request of 1.0: start times in samples, and
before the labels exemplars and native histograms, as Prometheus numbers them in `prompb`. Metadata enclose the items of a metric.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.encoding.protobuf import field, varint
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus_remote_write.exemplars import encoded_exemplars, of_buckets
from magictel.exporters.prometheus_remote_write.native import encoded_histogram
from magictel.formats.prometheus.label_columns import encoded_label
from magictel.formats.prometheus.metadata import metadata
from magictel.formats.prometheus.native import is_native
from magictel.formats.prometheus.series import IDENTITY, SeriesNames, identity, milliseconds, samples
from magictel.model.metrics import Group, Kind, Point, Series, Stream, times_of

_NAN_BYTES = struct.pack("<Q", 0x7FF8000000000001)
"""The ordinary NaN, in the bits that Prometheus itself writes (model/value)."""


class Encoder(SeriesNames):
    """Encodes points. `newer`: with what only remote write 2.0 carries."""

    def __init__(self, *, newer: bool = False, **choices: Any) -> None:
        super().__init__(**choices)
        self.newer = newer

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point's `TimeSeries` messages, or why it is left out."""
        name, why = self.name(series.stream), self.left_out(series.stream)
        if name is None:
            why = ("prom.rw.name", "the metric's name has no letter or digit that Prometheus allows")
        elif why is None and series.stream.kind is Kind.EXPONENTIAL_HISTOGRAM and not is_native(point):
            why = ("prom.rw.scale", "the scale of this exponential histogram is below -4, the smallest in Prometheus")
        if why is not None:
            return Withheld(*why, str(series))
        try:
            return self._encoded(series, point, name or "")
        except OverflowError:
            return Withheld("prom.rw.number", "a number is too large for a 64-bit float", str(series))
        except ValueError as failure:
            return Withheld("prom.rw.buckets", str(failure), str(series))

    def _encoded(self, series: Series, point: Point, name: str) -> bytes:
        stream = series.stream
        time = milliseconds(point.time_unix_nano)
        start = start_of(point.start_time_unix_nano, time) if self.has_start(stream) else 0
        labels = self.labels(series)
        exemplars = encoded_exemplars(point, self.named(stream)) if self.newer and self.has_start(stream) else []
        leading = b"".join(encoded for _, encoded in exemplars)
        if self.native(stream):
            return message({**labels, "__name__": name}, leading + field(4, encoded_histogram(point, time, start)))
        if not isinstance(point, HistogramDataPoint):
            return message({**labels, "__name__": name}, leading, sample(samples(point)[0][2], time, start))
        parts = samples(point, self.bound_text(stream))
        buckets = of_buckets(exemplars, point.explicit_bounds, len(parts))
        return b"".join(
            message({**labels, **extra, "__name__": f"{name}{suffix}"}, leading, sample(value, time, start))
            for (suffix, extra, value), leading in zip(parts, buckets, strict=True)
        )

    def left_out(self, stream: Stream) -> tuple[str, str] | None:
        """Code and sentence of the rule by which a whole stream is left out."""
        if stream.kind is Kind.EXPONENTIAL_HISTOGRAM and not self.newer:
            return (
                "prom.rw.exponential",
                "remote write 1.0 has no native histograms, which exponential histograms need",
            )
        if stream.kind is not Kind.GAUGE and stream.temporality != "cumulative":
            return (
                "prom.rw.delta",
                f"Prometheus needs cumulative points, these are {stream.temporality or 'of no known temporality'}",
            )
        return None

    def has_start(self, stream: Stream) -> bool:
        """Return whether points are sent with the time when counting began: those of counters and histograms, in 2.0."""
        return self.newer and (stream.monotonic or stream.kind in (Kind.HISTOGRAM, Kind.EXPONENTIAL_HISTOGRAM))

    def metadata(self, stream: Stream) -> tuple[bytes, ...]:
        """What encloses the items of a stream: `symbols.Metadata`; nothing where only 1.0 is sent."""
        if not self.newer:
            return ()
        kind, help_text, unit = metadata(stream)
        native = b"native" if self.native(stream) else b""
        return bytes((kind,)), native, help_text.encode("utf-8", "replace"), unit.encode("utf-8", "replace")

    def carries(self, series: Series, point: Point) -> bool:
        """True for a point that is sent."""
        return isinstance(self.encode(series, point), bytes)

    def target_info(self, group: Group) -> bytes:
        """The series that carries a resource's other attributes, at the time of the group's last point; empty without any."""
        resource = group.stream.resource
        identity_labels = identity(resource)
        if not identity_labels or resource.keys() <= set(IDENTITY) or self.verbatim(group.stream):
            return b""
        others = self.resource_labels(resource)
        time = milliseconds(max(times_of(group.points)))
        return time_series({**others, **identity_labels, "__name__": "target_info"}, 1.0, time)


def time_series(labels: Mapping[str, str], value: float, time: int) -> bytes:
    """One `TimeSeries` with one sample, as field 1 of a `WriteRequest`."""
    return message(labels, b"", sample(value, time))


def message(labels: Mapping[str, str], leading: bytes, last: bytes = b"") -> bytes:
    """One `TimeSeries` as field 1 of a `WriteRequest`: what only 2.0 carries, the labels in the order of their names, the sample."""
    return field(1, leading + b"".join(encoded_label(name, labels[name]) for name in sorted(labels)) + last)


def sample(value: float, time: int, start: int = 0) -> bytes:
    """A sample as field 2 of a `TimeSeries`; times in milliseconds, a start of 0 is none."""
    number = _NAN_BYTES if value != value else struct.pack("<d", value)
    return field(2, b"\x09" + number + b"\x10" + varint(time) + (b"\x18" + varint(start) if start else b""))


def start_of(nanoseconds: int | None, time: int) -> int:
    """Return when a point began to count, in milliseconds; 0 if that is not known or not before its time."""
    start = milliseconds(nanoseconds or 0)
    return start if 0 < start <= time else 0
