"""Attributes as encoded labels, column by column. A value that recurs among the points of a slice is encoded once."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import add, is_
from typing import Any

from magictel.encoding.columns import Rows, rows_by_keys
from magictel.encoding.protobuf import varint
from magictel.encoding.templates import Column
from magictel.exporters.prometheus_remote_write.encoding import encoded_label
from magictel.formats.prometheus.names import label_value, labels
from magictel.model.metrics import Attributes

_PLAIN = ({str}, {int}, {bool})
"""Types of a column's values in which equal values are equal labels: 1, True and 1.0 are equal too, and so are 0.0 and -0.0."""


@dataclass(frozen=True, slots=True)
class LabelRows:
    """The encoded labels of points with the same keys, in columns; a label without a value is empty. `clash`: two keys have one name."""

    rows: Rows
    names: tuple[str, ...]
    columns: list[Column]
    clash: bool


class LabelColumns:
    """Encodes attributes as labels named by `named`. The latest attributes are remembered: metrics often share them."""

    def __init__(self, named: Callable[[str], str]) -> None:
        self._named = named
        self._latest: tuple[Sequence[Attributes], list[LabelRows]] = ((), [])

    def rows(self, attributes: Sequence[Attributes]) -> list[LabelRows]:
        """Return the labels of points, parted by their keys."""
        known, encoded = self._latest
        if len(known) == len(attributes) and all(map(is_, known, attributes)):
            return encoded
        encoded = list(map(self._encoded, rows_by_keys(attributes)))
        self._latest = attributes, encoded
        return encoded

    def around(
        self,
        encoded: LabelRows,
        fixed: Mapping[str, bytes],
        reserved: Collection[str],
        marks: Sequence[str] = (),
        ending: bytes = b"",
    ) -> list[Column | bytes]:
        """Return the labels in the order of their names, joined with the `fixed` ones of the stream, and cut at the names `marks`.

        `ending` follows the last label. `bytes` are the same for all points. A name that is `reserved`, or comes twice, is settled
        point by point.
        """
        if encoded.clash or not frozenset(reserved).isdisjoint(encoded.names):
            texts = [labels(attributes, reserved, self._named) for attributes in encoded.rows.attributes]
            *parts, last = zip(*(_cut(each, fixed, marks) for each in texts), strict=True)
            return [*parts, joined([last, ending])]
        segments: list[list[Column | bytes]] = [[] for _ in range(len(marks) + 1)]
        named: list[tuple[str, Column | bytes]] = [*zip(encoded.names, encoded.columns, strict=True), *fixed.items()]
        for name, part in sorted(named, key=lambda pair: pair[0]):
            segments[bisect(marks, name)].append(part)
        segments[-1].append(ending)
        return list(map(joined, segments))

    def _encoded(self, rows: Rows) -> LabelRows:
        names = tuple(map(self._named, rows.keys))
        columns = [label_column(name, values) for name, values in zip(names, rows.columns(), strict=True)]
        return LabelRows(rows, names, columns, len(set(names)) < len(names))


def label_column(name: str, values: Sequence[Any]) -> Column:
    """Return a label of many values, encoded; empty where the value is."""
    kinds = set(map(type, values))
    if kinds in _PLAIN:
        distinct = list(set(values))
        if len(distinct) < len(values) / 2:
            encoded = dict(zip(distinct, _column(name, distinct, kinds), strict=True))
            return list(map(encoded.__getitem__, values))
    return _column(name, values, kinds)


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


def _endless(part: Column | bytes) -> Iterable[bytes]:
    return repeat(part) if isinstance(part, bytes) else part


def _column(name: str, values: Sequence[Any], kinds: set[type]) -> Column:
    try:
        texts = list(map(str.encode, values if kinds == {str} else map(label_value, values)))
    except UnicodeEncodeError:  # half a character
        texts = list(map(str.encode, map(label_value, values)))
    key = name.encode()
    key = b"\x0a" + varint(len(key)) + key + b"\x12"
    before = {size: _before(key, size) for size in set(map(len, texts))}
    return list(map(add, map(before.__getitem__, map(len, texts)), texts))


def _before(key: bytes, size: int) -> bytes:
    """A label up to its value of `size` bytes; nothing where there is no value."""
    if not size:
        return b""
    head = key + varint(size)
    return b"\x0a" + varint(len(head) + size) + head


def _cut(texts: Mapping[str, str], fixed: Mapping[str, bytes], marks: Sequence[str]) -> list[bytes]:
    """One point's labels as `Labels.around` cuts them."""
    parts: list[list[bytes]] = [[] for _ in range(len(marks) + 1)]
    for name, label in sorted({**{name: encoded_label(name, text) for name, text in texts.items()}, **fixed}.items()):
        parts[bisect(marks, name)].append(label)
    return list(map(b"".join, parts))
