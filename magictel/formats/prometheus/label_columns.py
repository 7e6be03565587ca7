"""Attributes as encoded labels, column by column. A value that recurs among the points of a slice is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import add, is_
from typing import Any

from magictel.encoding.columns import Rows, rows_by_keys
from magictel.encoding.protobuf import field, varint
from magictel.encoding.templates import Column, Constant, Pieces
from magictel.formats.prometheus.names import label_value
from magictel.model.metrics import Attributes

_PLAIN = ({str}, {int}, {bool})
"""Types of a column's values in which equal values are equal labels: 1, True and 1.0 are equal too, and so are 0.0 and -0.0."""
EncodeLabels = Callable[[str, Sequence[str]], Column]
"""A function from a label's name and its values to the encoded labels; an empty value is an absent label, b""."""


@dataclass(frozen=True, slots=True)
class LabelRows:
    """The encoded labels of points with the same keys, in columns; a label without a value is empty. `clash`: two keys have one name."""

    rows: Rows
    names: tuple[str, ...]
    columns: list[Column]
    clash: bool


class LabelColumns:
    """Encodes attributes as labels named by `named`. The latest attributes are remembered: metrics often share them."""

    def __init__(self, named: Callable[[str], str], encode: EncodeLabels) -> None:
        self.named = named
        self._encode = encode
        self._latest: tuple[Sequence[Attributes], list[LabelRows]] = ((), [])

    def rows(self, attributes: Sequence[Attributes]) -> list[LabelRows]:
        """Return the labels of points, parted by their keys."""
        known, encoded = self._latest
        if len(known) == len(attributes) and all(map(is_, known, attributes)):
            return encoded
        encoded = list(map(self._encoded, rows_by_keys(attributes)))
        self._latest = attributes, encoded
        return encoded

    def _encoded(self, rows: Rows) -> LabelRows:
        names = tuple(map(self.named, rows.keys))
        columns = [label_column(name, values, self._encode) for name, values in zip(names, rows.columns(), strict=True)]
        return LabelRows(rows, names, columns, len(set(names)) < len(names))


Labellers = dict[Callable[[str], str], LabelColumns]
"""By what names the labels: attributes of pages and others may be the same objects."""


def labeller(labellers: Labellers, named: Callable[[str], str], encode: EncodeLabels) -> LabelColumns:
    """Return the one that names labels so, a new one if there is none yet."""
    known = labellers.get(named)
    if known is None:
        known = labellers[named] = LabelColumns(named, encode)
    return known


def label_column(name: str, values: Sequence[Any], encode: EncodeLabels) -> Column:
    """Return a label of many values, encoded; empty where the value is."""
    kinds = set(map(type, values))
    if kinds in _PLAIN:
        distinct = list(set(values))
        if len(distinct) < len(values) / 2:
            encoded = dict(zip(distinct, _column(name, distinct, kinds, encode), strict=True))
            return list(map(encoded.__getitem__, values))
    return _column(name, values, kinds, encode)


def joined(parts: Sequence[Column | bytes]) -> Column | bytes:
    """Return columns joined point by point; `bytes` where they are the same for all points."""
    merged: list[Column | bytes] = []
    for part in parts:
        if isinstance(part, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += part
        elif part:
            merged.append(part)
    if len(merged) < 2:
        return merged[0] if merged else b""
    if len(merged) == 2:
        return list(map(add, *map(_endless, merged)))
    if len(merged) == 3 and isinstance(merged[1], bytes):
        return list(map(merged[1].join, zip(merged[0], merged[2], strict=True)))  # type: ignore[arg-type] # neighbours are columns
    return list(map(b"".join, zip(*map(_endless, merged), strict=False)))


def in_place(count: int, parted: Sequence[Constant], positions: Sequence[Sequence[int]]) -> Constant:
    """Return a constant of parts, each of which goes to its positions."""
    if isinstance(parted[0], Pieces):
        return Pieces(in_place(count, parts, positions) for parts in zip(*parted, strict=True))  # type: ignore[misc]
    whole: list[Any] = [b""] * count
    for part, places in zip(parted, positions, strict=True):
        for place, piece in zip(places, repeat(part) if isinstance(part, bytes) else part, strict=False):
            whole[place] = piece
    return whole


def encoded_label(name: str, value: str) -> bytes:
    """Return a label as protobuf's field 1 of its series, in remote write and on a page alike: name is its field 1, value its field 2."""
    return field(1, field(1, name.encode()) + field(2, value.encode()))


def encoded_labels(name: str, texts: Sequence[str]) -> Column:
    """Return a label of many values in protobuf; nothing for an empty value."""
    values = list(map(str.encode, texts))
    key = name.encode()
    key = b"\x0a" + varint(len(key)) + key + b"\x12"
    before = {size: _before(key, size) for size in set(map(len, values))}
    return list(map(add, map(before.__getitem__, map(len, values)), values))


def _before(key: bytes, size: int) -> bytes:
    """A label up to its value of `size` bytes; nothing where there is no value."""
    if not size:
        return b""
    head = key + varint(size)
    return b"\x0a" + varint(len(head) + size) + head


def _endless(part: Column | bytes) -> Iterable[bytes]:
    return repeat(part) if isinstance(part, bytes) else part


def _column(name: str, values: Sequence[Any], kinds: set[type], encode: EncodeLabels) -> Column:
    texts = values if kinds == {str} else list(map(label_value, values))
    try:
        return encode(name, texts)
    except UnicodeEncodeError:  # half a character
        return encode(name, list(map(label_value, texts)))
