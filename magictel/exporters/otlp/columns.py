"""The same bytes as `encoding` creates, column by column: a point's times and numbers are holes, its attributes are constant."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Hashable, Sequence
from itertools import chain, repeat
from operator import add, attrgetter
from typing import Any

from magictel.encoding.columns import by_distinct, histogram_columns, little_endian, pieces, rows_by_keys
from magictel.encoding.protobuf import field, varint
from magictel.encoding.templates import Column, Constant, Filled
from magictel.exporters.otlp.encoding import fixed, key_value, packed
from magictel.model.metrics import Attributes, Kind, NumberPoints, Point, Stream, starts_of, times_of, values_of

_PLAIN = ({str}, {int}, {bool})
"""Types of a column's values in which equal values are encoded alike: 1, True and 1.0 are equal too, and so are 0.0 and -0.0."""
_SUM_MIN_MAX = tuple(map(attrgetter, ("sum", "min", "max")))
_exemplars = attrgetter("exemplars")


class Columns:
    """Implements `magictel.encoding.templates.Template`."""

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """Return one hole for a number, two for a histogram; None for exponential histograms, exemplars and mixed types."""
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
        """Return the length of each point, and its attributes between the holes or behind the hole."""
        assert isinstance(variant, tuple)
        width, bounds = variant
        if bounds is None:
            written = _attributes(7, attributes)
            return [_leads(written, width), written]
        between = packed(7, struct.pack(f"<{len(bounds)}d", *bounds))
        written = list(map(between.__add__, _attributes(9, attributes)))
        return [_leads(written, width), written, b""]


def _attributes(place: int, attributes: Sequence[Attributes]) -> list[bytes]:
    """Return the attributes of each point as fields of this number."""
    whole: list[bytes] = [b""] * len(attributes)
    for rows in rows_by_keys(attributes):
        columns = [_column(place, key, values) for key, values in zip(rows.keys, rows.columns(), strict=True)]
        joined = list(map(b"".join, zip(*columns, strict=True))) if columns else [b""] * len(rows.attributes)
        if rows.positions is None:
            return joined
        for position, written in zip(rows.positions, joined, strict=True):
            whole[position] = written
    return whole


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
    pairs = list(zip(starts_of(points), times_of(points), strict=True))
    written = by_distinct(pairs, lambda pair: fixed(2, pair[0] or 0) + fixed(3, pair[1]))
    width = len(written[0])
    if set(map(len, written)) != {width}:
        return None
    return width, written[0] if pairs.count(pairs[0]) == len(pairs) else written


def _numbers(points: Sequence[Point], width: int, times: bytes | list[bytes]) -> Filled | None:
    values = values_of(points)
    kinds = set(map(type, values))
    if kinds not in ({float}, {int}):
        return None
    tag, code = (b"\x21", "d") if kinds == {float} else (b"\x31", "q")
    try:
        raw = little_endian(array(code, values))
    except OverflowError:
        return None
    width += 9
    column: Column
    if isinstance(times, list):
        column = list(map(add, map(add, times, repeat(tag)), pieces(raw, 8)))
    else:
        whole = bytearray((times + tag + b"\0" * 8) * len(values))
        for place in range(8):
            whole[width - 8 + place :: width] = raw[place::8]
        column = pieces(whole, width)
    return Filled((width, None), [column], width)


def _histograms(points: Sequence[Point], width: int, times: bytes | list[bytes]) -> Filled | None:
    columns = histogram_columns(points)
    edges = [list(map(number, points)) for number in _SUM_MIN_MAX]
    if columns is None or any(None in given for given in edges):
        return None
    bounds, counts, size = tuple(columns.bounds), columns.counts, len(columns.bounds) + 1
    if 0 in counts:  # protobuf leaves a 0 out
        return None
    try:
        numbers = pieces(little_endian(array("Q", chain.from_iterable(columns.buckets))), 8 * size)
        totals = pieces(little_endian(array("Q", counts)), 8)
        sums, smallest, largest = (pieces(little_endian(array("d", column)), 8) for column in edges)
    except (OverflowError, TypeError):
        return None
    head = b"\x32" + varint(8 * size)
    join = b"".join
    before = [times] * len(points) if isinstance(times, bytes) else times
    first = [
        join((time, b"\x21", total, b"\x29", summed, head, given))
        for time, total, summed, given in zip(before, totals, sums, numbers, strict=True)
    ]
    last = [join((b"\x59", low, b"\x61", high)) for low, high in zip(smallest, largest, strict=True)]
    width += 18 + len(head) + 8 * size + 18
    return Filled((width, bounds), [first, last], width)
