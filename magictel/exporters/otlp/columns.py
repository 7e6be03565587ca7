"""The same bytes as `encoding` creates, column by column: a point's times and numbers are holes, its attributes are constant."""

from __future__ import annotations

import struct
from collections.abc import Hashable, Sequence
from functools import partial
from itertools import starmap
from operator import add, attrgetter
from typing import Any

from magictel.encoding.columns import by_distinct, encoded_attributes, histogram_columns, little_endian, pieces
from magictel.encoding.protobuf import field, varint
from magictel.encoding.templates import Column, Constant, Filled
from magictel.exporters.otlp.encoding import fixed, key_value, packed
from magictel.model.metrics import Attributes, Kind, NumberPoints, Point, Stream, starts_of, times_of, values_of

_PLAIN = ({str}, {int}, {bool})
"""Types of a column's values in which equal values are encoded alike: 1, True and 1.0 are equal too, and so are 0.0 and -0.0."""
_MIN_MAX = attrgetter("min"), attrgetter("max")
_exemplars = attrgetter("exemplars")


class Columns:
    """Implements `magictel.encoding.templates.Template`."""

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """Return one hole for a number, three for a histogram; None for exponential histograms, exemplars and mixed types."""
        if stream.kind is Kind.EXPONENTIAL_HISTOGRAM:
            return None
        if not isinstance(points, NumberPoints) and any(map(_exemplars, points)):
            return None
        times = _times(points)
        if times is None:
            return None
        width, written = times
        return (
            _histograms(points, width, written) if stream.kind is Kind.HISTOGRAM else _numbers(points, width, written)
        )

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """Return the length of each point, and its attributes behind a number, or before the last hole of a histogram."""
        assert isinstance(variant, tuple)
        width, bounds = variant
        if bounds is None:
            written = _attributes(7, attributes)
            return [_leads(written, width), written]
        between = packed(7, struct.pack(f"<{len(bounds)}d", *bounds))
        written = list(map(between.__add__, _attributes(9, attributes)))
        return [_leads(written, width), b"", written, b""]


def _attributes(place: int, attributes: Sequence[Attributes]) -> list[bytes]:
    """Return the attributes of each point as fields of this number."""
    return encoded_attributes(attributes, partial(_column, place))


def _column(place: int, key: str, values: Sequence[Any]) -> list[bytes]:
    def write(value: Any) -> bytes:
        return field(place, key_value(key, value))

    kinds = set(map(type, values))
    if kinds == {str} and len(set(values)) > len(values) / 2:
        return _texts(place, key, values)
    return by_distinct(values, write) if kinds in _PLAIN else list(map(write, values))


def _texts(place: int, key: str, values: Sequence[str]) -> list[bytes]:
    """Return texts that mostly differ: what precedes them depends on their length only."""
    texts = [text.encode("utf-8", "replace") for text in values]
    empty = key_value(key, "")
    before = {}
    for size in set(map(len, texts)):
        content = varint(size)
        value = b"\x12" + varint(1 + len(content) + size) + b"\x0a" + content
        head = empty[: -len(b"\x12\x02\x0a\x00")] + value
        before[size] = varint(place << 3 | 2) + varint(len(head) + size) + head
    return list(map(add, map(before.__getitem__, map(len, texts)), texts))


def _leads(written: list[bytes], width: int) -> Column:
    """Return the tag and length before points with these attributes and holes of `width` bytes."""
    sizes = list(map(len, written))
    by_size = {size: b"\x0a" + varint(size + width) for size in set(sizes)}
    return list(map(by_size.__getitem__, sizes))


def _times(points: Sequence[Point]) -> tuple[int, bytes | list[bytes]] | None:
    """Return the width of start and time, and their bytes: the same for all points, or of each; None: the widths differ."""
    starts, times = starts_of(points), times_of(points)
    written = [fixed(2, starts[0] or 0) + fixed(3, times[0])]
    width = len(written[0])
    if starts.count(starts[0]) == times.count(times[0]) == len(points):
        return width, written[0]
    pairs = list(zip(starts, times, strict=True))
    written = by_distinct(pairs, lambda pair: fixed(2, pair[0] or 0) + fixed(3, pair[1]))
    return (width, written) if set(map(len, written)) == {width} else None


def _numbers(points: Sequence[Point], width: int, times: bytes | list[bytes]) -> Filled | None:
    values = values_of(points)
    kinds = set(map(type, values))
    if kinds not in ({float}, {int}):
        return None
    tag, code = (b"\x21", "d") if kinds == {float} else (b"\x31", "q")
    try:
        raw = little_endian(code, values)
    except OverflowError:
        return None
    width += 9
    return Filled((width, None), [_after_times(times, [(tag, raw)])], width)


def _after_times(times: bytes | list[bytes], fields: Sequence[tuple[bytes, bytes]], tail: bytes = b"") -> Column:
    """Return the times of each point, 64-bit numbers, each behind its tag, and a tail."""
    if isinstance(times, list):
        return list(map(add, times, _fields(fields, tail)))
    (tag, raw), *others = fields
    return _fields([(times + tag, raw), *others], tail)


def _fields(fields: Sequence[tuple[bytes, bytes]], tail: bytes = b"") -> Column:
    """Return 64-bit numbers of each point, each behind its tag, and a tail: byte by byte in bulk, not point by point."""
    count = len(fields[0][1]) // 8
    row = b"".join([tag + b"\0" * 8 for tag, _ in fields]) + tail
    whole = bytearray(row * count)
    start = 0
    for tag, raw in fields:
        start += len(tag)
        for place in range(8):
            whole[start + place :: len(row)] = raw[place::8]
        start += 8
    return pieces(whole, len(row))


def _histograms(points: Sequence[Point], width: int, times: bytes | list[bytes]) -> Filled | None:
    columns = histogram_columns(points)
    if columns is None or 0 in columns.counts:  # protobuf leaves a 0 out
        return None
    bounds, size = tuple(columns.bounds), len(columns.bounds) + 1
    try:
        numbers = list(starmap(struct.Struct(f"<{size}Q").pack, columns.buckets))
        totals, sums = little_endian("Q", columns.counts), little_endian("d", columns.sums)
        smallest, largest = (little_endian("d", list(map(edge, points))) for edge in _MIN_MAX)  # not without one
    except (OverflowError, struct.error):
        return None
    head = b"\x32" + varint(8 * size)
    first = _after_times(times, [(b"\x21", totals), (b"\x29", sums)], head)
    last = _fields([(b"\x59", smallest), (b"\x61", largest)])
    width += 18 + len(head) + 8 * size + 18
    return Filled((width, bounds), [first, numbers, last], width)
