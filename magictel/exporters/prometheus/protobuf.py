"""Points as `io.prometheus.client.Metric` messages: the only form of a page with native histograms.

An exponential histogram becomes a native one; a classic histogram's buckets end with that of `+Inf`. `encode` is the reference;
`columns` and `constants` make the same bytes faster.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import accumulate, repeat
from operator import add
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.columns import by_distinct, doubles, histogram_columns, transposed
from magictel.encoding.protobuf import field, packed_varints, varint, zigzag
from magictel.encoding.templates import Column, Constant, Filled
from magictel.exporters.prometheus.exemplars import by_bucket, exemplar_labels, exemplars_of, latest
from magictel.exporters.prometheus.families import Family
from magictel.exporters.prometheus.family_encoder import FamilyEncoder
from magictel.exporters.prometheus.names import PageNames
from magictel.formats.prometheus.label_columns import Labellers, encoded_label, encoded_labels, in_place
from magictel.formats.prometheus.names import label_value
from magictel.formats.prometheus.native import Side, is_native, native
from magictel.model.metrics import Attributes, Kind, Stream, attributes_of, starts_of, values_of

_TYPES = {"counter": 0, "gauge": 1, "info": 1, "unknown": 3, "histogram": 4}
_VALUES = {"counter": 3, "gauge": 2, "info": 2, "unknown": 5, "histogram": 7}
"""The fields of a `Metric` that hold its value."""
_METRIC = b"\x22"
"""The tag of a metric within its family."""
_NAN, _STALE = (struct.pack("<Q", bits) for bits in (0x7FF8000000000001, 0x7FF0000000000002))
"""The ordinary NaN, in the bits that Prometheus writes, and the marker of a series that has ended (model/value)."""


class ProtobufFamily(FamilyEncoder):
    """A family's metrics (field 4 of the family), and the template that makes them."""

    def __init__(self, names: PageNames, family: Family, labellers: Labellers) -> None:
        super().__init__(names, labellers, _pairs, encoded_labels)
        self._counter = family.type == "counter"
        self._tag = varint(_VALUES[family.type] << 3 | 2)
        name, text = family.name.encode(), label_value(family.help).encode()
        unit = family.unit.encode() if _ends_in(family, family.unit) else b""
        self._head = field(1, name) + (field(2, text) if text else b"") + b"\x18" + varint(_TYPES[family.type])
        self._head += field(5, unit) if unit else b""

    def head(self) -> bytes:
        """Return the fields of the family that are not metrics."""
        return self._head

    def info(self, labels_of_info: Mapping[str, str]) -> bytes:
        """Return the metric of an info."""
        return self._whole(_pairs(labels_of_info), b"\x09" + struct.pack("<d", 1.0))

    # ---- point by point ------------------------------------------------------------------------------------------------

    def _value(self, point: Any) -> bytes:
        if isinstance(point, HistogramDataPoint):
            return self._classic(point, point.explicit_bounds, point.bucket_counts)
        if isinstance(point, ExponentialHistogramDataPoint):
            native_shape = self._names.native_histograms and is_native(point)
            return self._native_value(point) if native_shape else self._classic(point, (), ())
        value = b"\x09" + _double(point.value)
        if not self._counter:
            return value
        exemplar = latest(point.exemplars)
        start = _timestamp(3, point.start_time_unix_nano)
        return value + (field(2, self._exemplar(exemplar)) if exemplar is not None else b"") + start

    def _whole(self, encoded: bytes, value: bytes, point: Any = None) -> bytes:
        return field(4, encoded + self._tag + varint(len(value)) + value)

    def _classic(self, point: Any, bounds: Sequence[float], counts: Sequence[int]) -> bytes:
        shown = by_bucket(point.exemplars, bounds)
        running = [*accumulate(counts[:-1]), point.count]
        parts = [_count(1, point.count), b"\x11", _STALE if point.sum is None else _double(point.sum)]
        for index, (count, bound) in enumerate(zip(running, [*bounds, math.inf], strict=True)):
            exemplar = field(3, self._exemplar(shown[index])) if index in shown else b""
            parts.append(field(3, _count(1, count) + b"\x11" + struct.pack("<d", bound) + exemplar))
        return b"".join(parts) + _timestamp(15, point.start_time_unix_nano)

    def _native_value(self, point: ExponentialHistogramDataPoint) -> bytes:
        histogram = native(point)
        total: float | None = point.sum
        return b"".join(
            (
                _count(1, point.count) + b"\x11" + _double(math.nan if total is None else total),
                b"\x28" + varint(zigzag(histogram.schema)),
                b"\x31" + _double(histogram.zero_threshold) + _count(7, histogram.zero_count),
                *_side(9, histogram.negative),
                *_side(12, histogram.positive),
                _timestamp(15, point.start_time_unix_nano),
                *(field(16, self._exemplar(exemplar)) for exemplar in point.exemplars),
            )
        )

    def _exemplar(self, exemplar: Any) -> bytes:
        pairs = exemplar_labels(self._names, exemplar)
        time = _timestamp(3, exemplar.time_unix_nano)
        return b"".join(map(encoded_label, pairs, pairs.values())) + b"\x11" + _double(exemplar.value) + time

    # ---- column by column ----------------------------------------------------------------------------------------------

    def columns(self, stream: Stream, points: Sequence[Any]) -> Filled | None:
        """Of numbers the value, and a counter's start, whose size is the variant; of histograms the whole metric, without a variant."""
        if stream.kind is Kind.EXPONENTIAL_HISTOGRAM or exemplars_of(points):
            return None
        try:
            if stream.kind is Kind.HISTOGRAM:
                values = _classic_column(points)
                return None if values is None else Filled(None, [self._wholes(stream, attributes_of(points), values)])
            starts = starts_of(points) if self._counter else [0]
            tails = {start: _timestamp(3, start) for start in set(starts)}
            sizes = set(map(len, tails.values()))
            if len(sizes) > 1:
                return None
            width = 8 + sizes.pop()
            tail = tails[starts[0]] if len(tails) == 1 else list(map(tails.__getitem__, starts))
            column = doubles(values_of(points), tail)
        except OverflowError:
            return None
        return None if column is None else Filled(width, [column], width)

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """The bytes around the value."""
        if variant is None:
            return [b"", b""]
        assert isinstance(variant, int)
        ending = self._tag + varint(variant + 1) + b"\x09"
        labelled = self._labelled(stream, attributes)
        leads = {size: _METRIC + varint(size + len(ending) + variant) for size in set(map(len, labelled))}
        return [[leads[len(pairs)] + pairs + ending for pairs in labelled], b""]

    def _wholes(self, stream: Stream, attributes: Sequence[Attributes], values: Column) -> Column:
        """Return metrics of these values, which have sizes of their own."""
        tags = {size: self._tag + varint(size) for size in set(map(len, values))}
        return [
            b"".join((_METRIC, varint(len(pairs) + len(tag) + len(value)), pairs, tag, value))
            for pairs, value in zip(self._labelled(stream, attributes), values, strict=True)
            for tag in (tags[len(value)],)
        ]

    def _labelled(self, stream: Stream, attributes: Sequence[Attributes]) -> Sequence[bytes]:
        """Return the labels of each series."""
        columns, positions = self._label_columns(stream, attributes)
        if len(columns) > 1:
            whole: Any = in_place(len(attributes), columns, positions)
            return list(whole)
        return [columns[0]] * len(attributes) if isinstance(columns[0], bytes) else columns[0]


def _classic_column(points: Sequence[Any]) -> Column | None:
    """Return histograms with equal bounds; None where `ProtobufFamily.encode` has to. Raises `OverflowError`."""
    histograms = histogram_columns(points)
    sums = None if histograms is None else doubles(histograms.sums, b"")
    if histograms is None or sums is None:
        return None
    parts: list[Iterable[bytes]] = [map(_count_and_sum, histograms.counts), sums]
    running: list[int] = [0] * len(points)
    for counts, bound in zip(transposed(histograms.buckets), [*histograms.bounds, math.inf], strict=True):
        running = list(map(add, running, counts)) if bound != math.inf else histograms.counts
        parts += [map(_bucket, running), repeat(struct.pack("<d", bound))]
    parts.append(by_distinct(starts_of(points), partial(_timestamp, 15)))
    return list(map(b"".join, zip(*parts, strict=False)))


@lru_cache(maxsize=50_000)
def _count_and_sum(count: int) -> bytes:
    """Return a histogram up to its sum."""
    return _count(1, count) + b"\x11"


@lru_cache(maxsize=50_000)
def _bucket(count: int) -> bytes:
    """Return a bucket up to its bound."""
    content = _count(1, count) + b"\x11"
    return b"\x1a" + varint(len(content) + 8) + content


def _pairs(texts: Mapping[str, str]) -> bytes:
    return b"".join(encoded_label(name, texts[name]) for name in sorted(texts))


def _side(number: int, side: Side) -> list[bytes]:
    """Return the spans (field `number`) and deltas (the next field) of a side of a native histogram."""
    spans = [
        field(number, b"\x08" + varint(zigzag(offset)) + b"\x10" + varint(length)) for offset, length in side.spans
    ]
    return [*spans, packed_varints(number + 1, map(zigzag, side.deltas))] if spans else []


def _count(number: int, count: int) -> bytes:
    return varint(number << 3) + varint(count)


def _double(number: float) -> bytes:
    return _NAN if number != number else struct.pack("<d", float(number))


def _timestamp(number: int, nanoseconds: int) -> bytes:
    """Return a time as a field; nothing for 0, an unknown one."""
    if not nanoseconds:
        return b""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return field(number, b"\x08" + varint(seconds) + b"\x10" + varint(rest))


def _ends_in(family: Family, unit: str) -> bool:
    """Return whether a family's name ends in its unit, as it has to where the unit is stated."""
    return bool(unit) and family.name.removesuffix("_total").endswith(f"_{unit}")
