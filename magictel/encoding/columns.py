"""Points by column, worked on in bulk and not point by point: their attributes key by key, their numbers and their times."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from itertools import chain
from operator import add, attrgetter, itemgetter, methodcaller
from typing import Any, NamedTuple, TypeVar

import msgspec
import orjson

from magictel.encoding.templates import Column
from magictel.model.metrics import Attributes, Point

H = TypeVar("H", bound=Hashable)
V = TypeVar("V")
_ROWS = 200
_EVERYDAY = {str, bool, int}
_values = methodcaller("values")


class Rows(msgspec.Struct, frozen=True):
    """Attributes with the same keys. `positions` are their places among all of the points; None: they are all."""

    keys: tuple[str, ...]
    attributes: Sequence[Attributes]
    positions: Sequence[int] | None = None

    def columns(self) -> list[list[Any]]:
        """Return the values of each key."""
        # No objects for each point (as `zip` makes): enough of them let the garbage collector walk over the whole application.
        return [list(map(itemgetter(key), self.attributes)) for key in self.keys]


def rows_by_keys(attributes: Sequence[Attributes]) -> list[Rows]:
    """Return the attributes of points, at least one, parted by their keys. None counts as no attributes."""
    try:
        keys = tuple(attributes[0])
        if all(map(keys.__eq__, map(tuple, attributes))):
            return [Rows(keys, attributes)]
    except TypeError:
        return rows_by_keys([given or {} for given in attributes])
    positions: dict[tuple[str, ...], list[int]] = {}
    for position, given in enumerate(attributes):
        positions.setdefault(tuple(given), []).append(position)
    return [Rows(keys, [attributes[at] for at in places], places) for keys, places in positions.items()]


def encoded_attributes(
    attributes: Sequence[Attributes], encode: Callable[[str, Sequence[Any]], Sequence[bytes]]
) -> list[bytes]:
    """Return the attributes of each point; `encode` writes the values of a key."""
    whole: list[bytes] = [b""] * len(attributes)
    for rows in rows_by_keys(attributes):
        columns = [encode(key, values) for key, values in zip(rows.keys, rows.columns(), strict=True)]
        joined = list(map(b"".join, zip(*columns, strict=True))) if columns else [b""] * len(rows.attributes)
        if rows.positions is None:
            return joined
        for position, written in zip(rows.positions, joined, strict=True):
            whole[position] = written
    return whole


def json_objects(attributes: Sequence[Attributes], option: int) -> list[bytes] | None:
    """Return attributes as JSON, all in one call of orjson with its `option`; None if a value is no text, integer or boolean, or a
    text looks like the end of an object. Raise `AttributeError` or `TypeError` for what orjson does not write.
    """
    if not set(map(type, chain.from_iterable(map(_values, attributes)))) <= _EVERYDAY:
        return None
    written: bytes = orjson.dumps(attributes, default=dict, option=option | orjson.OPT_STRICT_INTEGER)
    objects = written[1:-1].replace(b"},{", b"}\n{").split(b"\n")  # no raw newline is in JSON
    return objects if len(objects) == len(attributes) else None


def by_distinct(values: Sequence[H], write: Callable[[H], V]) -> list[V]:
    """Return what is written for each value; one that recurs, as times do, is written once."""
    first = values[0]
    if values.count(first) == len(values):
        return [write(first)] * len(values)
    written = {value: write(value) for value in set(values)}
    return list(map(written.__getitem__, values))


def little_endian(code: str, numbers: Sequence[float]) -> bytes:
    """Return 64-bit numbers as bytes; `code` is struct's. Raise `OverflowError` for what does not fit or is no number."""
    try:
        return struct.pack(f"<{len(numbers)}{code}", *numbers)
    except struct.error as failure:
        raise OverflowError from failure


def pieces(raw: bytes | bytearray, width: int) -> Column:
    """Return the bytes cut into pieces of one width."""
    return _cutter(width, len(raw) // width).unpack(raw)


@lru_cache(maxsize=64)
def _cutter(width: int, count: int) -> struct.Struct:
    return struct.Struct(f"{width}s" * count)


def doubles(values: Sequence[float], tails: bytes | list[bytes]) -> Column | None:
    """Return 64-bit floats, each with a tail behind it; None where one is NaN. Raise `OverflowError`."""
    raw = little_endian("d", values)
    if math.isnan(sum(values)):  # also inf - inf: then one by one
        return None
    return with_tails(raw, tails)


def with_tails(raw: bytes, tails: bytes | list[bytes]) -> Column:
    """Return 64-bit numbers, each with a tail behind it."""
    if isinstance(tails, list):
        return list(map(add, pieces(raw, 8), tails))
    width = 8 + len(tails)
    joined = bytearray((b"\0" * 8 + tails) * (len(raw) // 8))
    for place in range(8):
        joined[place::width] = raw[place::8]
    return pieces(joined, width)


def transposed(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the columns of rows; a few rows at a time, as `zip` creates an object for each: see `Rows.columns`."""
    columns: list[list[int]] = [[] for _ in rows[0]]
    for start in range(0, len(rows), _ROWS):
        for column, part in zip(columns, zip(*rows[start : start + _ROWS], strict=True), strict=True):
            column += part
    return columns


class HistogramColumns(NamedTuple):
    """The numbers of histograms whose buckets have the same bounds."""

    bounds: Sequence[float]
    counts: list[int]
    sums: list[Any]
    buckets: list[Sequence[int]]


_HISTOGRAM = tuple(map(attrgetter, ("explicit_bounds", "count", "sum", "bucket_counts")))


def histogram_columns(points: Sequence[Point]) -> HistogramColumns | None:
    """Return the columns of histograms, or None if their bounds differ, or a point has not one count more than bounds."""
    bounds, counts, sums, buckets = (list(map(field, points)) for field in _HISTOGRAM)
    first = bounds[0]
    if bounds.count(first) < len(bounds) or set(map(len, buckets)) != {len(first) + 1}:
        return None
    return HistogramColumns(first, counts, sums, buckets)
