"""Layouts: the constant bytes of templates, kept from one collection to the next.

A *layout* keeps, for a slice of a stream, one list of parts in which constants and holes alternate; an export fills whole columns
by slice assignment and joins. It can be used again if the source hands over the same attribute objects in the same order
(the SDK does, collection after collection), or the first of them; otherwise it is created anew, which is slow.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from itertools import repeat
from operator import add, is_, mul
from typing import Any

import msgspec

from magictel.encoding.templates import Column, Constant, Filled, Pieces, Template
from magictel.model.metrics import Attributes, Group, Point, Stream, attributes_of


class _Layout(msgspec.Struct):
    attributes: list[Attributes]
    variant: Hashable
    parts: list[bytes]
    holes: Sequence[int]
    """The index of each column within the parts of a point."""
    stride: int
    source: tuple[Any, ...]
    """Kept because ids are reused."""
    sizes: tuple[int, ...] | None
    """The lengths of the items, without their holes if these have no width in common."""
    whole: list[Attributes] | None = None
    """The attributes of the group that used it last; its own are a slice of them."""

    def join_pieces(self) -> None:
        """Join adjacent constants: worthwhile for a layout that is used again."""
        if self.stride <= 2 * len(self.holes) + 1:
            return
        columns: list[Column] = []
        holes: list[int] = []
        start = 0
        for hole in (*self.holes, self.stride):
            gap = [self.parts[place :: self.stride] for place in range(start, hole)]
            if gap:
                columns.append(gap[0] if len(gap) == 1 else list(map(b"".join, zip(*gap, strict=True))))
            if hole < self.stride:
                holes.append(len(columns))
                columns.append([b""] * len(self.attributes))
            start = hole + 1
        self.holes, self.stride = tuple(holes), len(columns)
        self.parts = [b""] * (self.stride * len(self.attributes))
        for place, column in enumerate(columns):
            self.parts[place :: self.stride] = column


class Layouts:
    """An LRU cache of the layouts of an exporter, of at most `max_series` series."""

    def __init__(self, max_series: int = 200_000) -> None:
        self._layouts: OrderedDict[tuple[Hashable, ...], _Layout] = OrderedDict()
        self._series = 0
        self._max_series = max_series

    def clear(self) -> None:
        """Remove all."""
        self._layouts.clear()
        self._series = 0

    def items(
        self, group: Group, number: int, points: Sequence[Point], filled: Filled, template: Template
    ) -> tuple[bytes, tuple[int, ...] | None]:
        """Return the items of `points`, slice `number` of the group, and their lengths if the template's holes have a width."""
        stream = group.stream
        key = (
            stream.name,
            number,
            *map(id, group.source),
            stream.kind,
            stream.unit,
            stream.temporality,
            stream.monotonic,
            stream.metadata,
        )
        layout = self._layouts.get(key)
        if layout is not None and layout.variant == filled.variant and _fits(layout, group, points):
            self._layouts.move_to_end(key)
            layout.join_pieces()
        else:
            layout = self._make(key, group, attributes_of(points), filled, template)
        layout.whole = group.attributes
        parts, stride, sizes = layout.parts, layout.stride, layout.sizes
        if len(points) < len(layout.attributes):
            parts = parts[: stride * len(points)]
            sizes = sizes and sizes[: len(points)]
        for hole, column in zip(layout.holes, filled.columns, strict=True):
            parts[hole::stride] = column
        body = b"".join(parts)
        empty = [b""] * len(points)
        if sizes is not None and not isinstance(filled.width, int):
            sizes = tuple(map(add, sizes, filled.width or ()))
        for hole in layout.holes:  # between two exports only constants are kept
            parts[hole::stride] = empty
        return body, sizes

    def _make(
        self,
        key: tuple[Hashable, ...],
        group: Group,
        attributes: list[Attributes],
        filled: Filled,
        template: Template,
    ) -> _Layout:
        holes: list[int] = []
        columns: list[Column | bytes] = []
        for position, constant in enumerate(_constants(template, group.stream, filled.variant, attributes)):
            if position:
                holes.append(len(columns))
                columns.append(b"")
            columns += filter(_is_written, constant if isinstance(constant, Pieces) else (constant,))
        stride, count = len(columns), len(attributes)
        parts: list[bytes] = [b""] * (stride * count)
        for place, column in enumerate(columns):
            if column:
                parts[place::stride] = [column] * count if isinstance(column, bytes) else column
        each = filled.width if isinstance(filled.width, int) else 0
        sizes = None if filled.width is None else _sizes(columns, each, count)
        layout = _Layout(attributes, filled.variant, parts, tuple(holes), stride, group.source, sizes)
        known = self._layouts.pop(key, None)
        self._series += len(attributes) - (len(known.attributes) if known else 0)
        self._layouts[key] = layout
        while self._series > self._max_series and len(self._layouts) > 1:
            _, old = self._layouts.popitem(last=False)
            self._series -= len(old.attributes)
        return layout


def _constants(
    template: Template, stream: Stream, variant: Hashable, attributes: list[Attributes]
) -> Sequence[Constant]:
    """Return the template's constants; attributes that occur several times are encoded once."""
    if not _recur(attributes):
        return template.constants(stream, variant, attributes)
    ids = list(map(id, attributes))
    unique = dict(zip(ids, attributes, strict=True))
    expanded: dict[int, Column] = {}

    def expand(constant: Constant) -> Constant:
        if isinstance(constant, Pieces):
            return Pieces(map(expand, constant))  # type: ignore[arg-type] # pieces have no pieces
        if isinstance(constant, bytes):
            return constant
        if id(constant) not in expanded:
            expanded[id(constant)] = list(map(dict(zip(unique, constant, strict=True)).__getitem__, ids))
        return expanded[id(constant)]

    constants = template.constants(stream, variant, list(unique.values()))
    return list(map(expand, constants))


def _is_written(column: Column | bytes) -> bool:
    """Return whether any item has a byte of it; otherwise it needs no place."""
    return len(column) > 0 if isinstance(column, bytes) else any(column)


def _sizes(columns: Iterable[Column | bytes], width: int, count: int) -> tuple[int, ...]:
    """Return the lengths of items whose holes have this total width."""
    repeated = Counter(id(column) for column in columns if not isinstance(column, bytes))
    sizes = [width + sum(len(column) for column in columns if isinstance(column, bytes))] * count
    for column in {id(column): column for column in columns if not isinstance(column, bytes)}.values():
        times = repeated[id(column)]
        lengths = map(len, column) if times == 1 else map(mul, map(len, column), repeat(times))
        sizes = list(map(add, sizes, lengths))
    return tuple(sizes)


def _fits(layout: _Layout, group: Group, points: Sequence[Point]) -> bool:
    """Return whether the layout is that of these points, a slice of the group."""
    if layout.whole is not None and layout.whole is group.attributes and len(points) == len(layout.attributes):
        return True
    return _begins(attributes_of(points), layout.attributes)


def _begins(attributes: list[Attributes], known: list[Attributes]) -> bool:
    """Return whether these are the first known ones, the same objects in the same order. Equality is not enough: 1 == True == 1.0."""
    return len(attributes) <= len(known) and all(map(is_, attributes, known))


def _recur(attributes: list[Attributes]) -> bool:
    """Return whether the first attributes occur again, as in a recording with several collections."""
    return any(map(is_, attributes[1:], repeat(attributes[0])))
