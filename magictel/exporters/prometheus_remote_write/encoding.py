"""Points as remote-write 1.0 messages: one item is a point's `TimeSeries` messages behind each other, ready to stand in a `WriteRequest`.

`encode` is the plain truth; `columns` makes the same bytes faster. A sample is the value (fixed64) and the
time in milliseconds (varint), always in this order and both always written, so an item's length does not change from export to export.

What a point becomes: a number one series; an explicit histogram `_bucket` series (cumulative, `le` up to `+Inf`), `_sum`, `_count`.
What is left out, each under its code: delta points (Prometheus adds nothing up), exponential histograms (remote write 1.0 has no
native ones), names without a letter or digit, integers beyond a double. Any NaN travels as the ordinary NaN: one of the
many NaNs is Prometheus' stale marker and would end the series.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from magictel.encoding.protobuf import field, fields_of, varint
from magictel.encoding.withheld import Withheld
from magictel.formats.prometheus.label_columns import encoded_label
from magictel.formats.prometheus.series import IDENTITY, SeriesNames, identity, milliseconds, samples
from magictel.model.metrics import Group, Kind, Point, Series, Stream, times_of

_NAN_BYTES = struct.pack("<Q", 0x7FF8000000000001)
"""The ordinary NaN, in the bits that Prometheus itself writes (model/value)."""


class Encoder(SeriesNames):
    """Encodes points."""

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point's `TimeSeries` messages, or why it is left out."""
        name, why = self.name(series.stream), left_out(series.stream)
        if name is None:
            why = ("prom.rw.name", "the metric's name has no letter or digit that Prometheus allows")
        if why is not None:
            return Withheld(*why, str(series))
        time = milliseconds(point.time_unix_nano)
        labels = self.labels(series)
        try:
            return b"".join(
                time_series({**labels, **extra, "__name__": f"{name}{suffix}"}, value, time)
                for suffix, extra, value in samples(point, self.bound_text(series.stream))
            )
        except OverflowError:
            return Withheld("prom.rw.number", "a number is too large for a 64-bit float", str(series))
        except ValueError as failure:
            return Withheld("prom.rw.buckets", str(failure), str(series))

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
    """One `TimeSeries` with one sample, as field 1 of a `WriteRequest`; labels in the order of their names."""
    number = _NAN_BYTES if value != value else struct.pack("<d", value)
    sample = b"\x09" + number + b"\x10" + varint(time)
    return field(1, b"".join(encoded_label(name, labels[name]) for name in sorted(labels)) + field(2, sample))


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


def count_series(body: bytes) -> int:
    """Return the number of series in a request, of one sample each: a histogram's point is one for each bucket, its sum and count."""
    return sum(1 for _ in fields_of(body))
