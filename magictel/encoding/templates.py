"""Templates with holes, filled by column: why encoding is fast.

Between two exports of the same series only values and times change. A series' constant bytes are made once; a *layout*
keeps, for a slice of a stream, one list of parts in which constants and holes alternate; an export fills whole columns
by slice assignment and joins. A layout holds while the source hands over the same attribute objects in the same order
(the SDK does, collection after collection), or the first of them; otherwise it is made anew, which is the cold path.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from operator import add, is_, mul
from typing import Any, Protocol

from magictel.model.metrics import Attributes, Group, Kind, Point, Series, Stream, attributes_of
from magictel.model.outcome import Fate, Reason

Column = Sequence[bytes]
BUG = "internal.export"
"""The code of what a bug of ours, or of a plugin, costs."""


class Pieces(tuple["Column | bytes", ...]):
    """A constant in pieces, kept apart where several constants share a piece: it is held once."""

    __slots__ = ()


Constant = Column | bytes | Pieces
"""What stands in the same place of many items: a column, bytes that are the same in all of them, or pieces of both."""
_PARTS = {Kind.HISTOGRAM: 4, Kind.EXPONENTIAL_HISTOGRAM: 4}
"""How many times more than a number's a point of this kind takes while it is encoded: slices are that much shorter."""


@dataclass(frozen=True, slots=True)
class Filled:
    """The holes of a slice of points, as columns: `variant` names the template they fit into (int or float, absent min …).

    `width` is how many bytes the holes of one point take together, where that is the same for all of a variant:
    then the items' lengths are known, and a payload can shrink without reading its items.
    """

    variant: Hashable
    columns: Sequence[Column]
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Encoded items of neighbouring points, before they are packed: the bytes, how many, and their lengths if known.

    `envelope`: what the format says once of all of them, outermost first. `at`: the positions of the points in the collection.
    """

    body: bytes = field(repr=False)
    points: int
    sizes: tuple[int, ...] | None = field(default=None, repr=False)
    envelope: tuple[bytes, ...] = field(default=(), repr=False)
    at: Sequence[int] = field(default=(), repr=False)
    route: str = ""

    def behind(self, lead: bytes) -> Chunk:
        """The same items with `resource_prefix` as the first one's beginning."""
        if not lead:
            return self
        sizes = None if self.sizes is None else (self.sizes[0] + len(lead), *self.sizes[1:])
        return replace(self, body=lead + self.body, sizes=sizes)


@dataclass(frozen=True, slots=True)
class Withheld:
    """A point left out by a documented rule, on the code's page. `refused`: a loss that the user must fix.

    `at`: its position in the collection if `encode` left it out.
    """

    code: str
    message: str
    point: str
    refused: bool = False
    at: int | None = field(default=None, compare=False)

    @property
    def reason(self) -> Reason:
        """The reason that a receipt counts."""
        fate = Fate.DROPPED if self.code == BUG else Fate.REJECTED if self.refused else Fate.WITHHELD
        return Reason(self.code, self.message, 1, fate, self.point)


class Template(Protocol):
    """What an exporter gives for speed. `encode` stays the truth that both halves are tested against, byte for byte."""

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """The holes' bytes for these points, column by column; None: encode them one by one (mixed types, odd values)."""
        ...

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """Return the bytes around the holes of these series: one constant more than there are holes."""
        ...


@dataclass(slots=True)
class _Layout:
    attributes: list[Attributes]
    variant: Hashable
    parts: list[bytes]
    holes: Sequence[int]
    """The index of each column in the parts of a point."""
    stride: int
    source: tuple[Any, ...]
    """Kept, as ids are reused."""
    sizes: tuple[int, ...] | None
    whole: list[Attributes] | None = None
    """The attributes of the group that it was used for last, of which its own are a slice."""

    def join_pieces(self) -> None:
        """Join constants that stand side by side: worth its while in a layout that is used again."""
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
    """The layouts of one exporter: at most `max_series` series, the least recently used forgotten first."""

    def __init__(self, max_series: int = 200_000) -> None:
        self._layouts: OrderedDict[tuple[Hashable, ...], _Layout] = OrderedDict()
        self._series = 0
        self._max_series = max_series

    def clear(self) -> None:
        """Forget every layout (the template changed, or the process forked)."""
        self._layouts.clear()
        self._series = 0

    def body(self, group: Group, number: int, points: Sequence[Point], filled: Filled, template: Template) -> bytes:
        """The joined bytes of `points`, slice `number` of the group."""
        return self.items(group, number, points, filled, template)[0]

    def items(
        self, group: Group, number: int, points: Sequence[Point], filled: Filled, template: Template
    ) -> tuple[bytes, tuple[int, ...] | None]:
        """The items of `points`, slice `number` of the group; with their lengths where the template's holes have a width."""
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
        sizes = None if filled.width is None else _sizes(columns, filled.width, count)
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
    """The template's constants; attributes that come several times are encoded once."""
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
    """Whether there is a byte in any item: else it needs no place."""
    return len(column) > 0 if isinstance(column, bytes) else any(column)


def _sizes(columns: Iterable[Column | bytes], width: int, count: int) -> tuple[int, ...]:
    """The lengths of items whose holes have this width together."""
    repeated = Counter(id(column) for column in columns if not isinstance(column, bytes))
    sizes = [width + sum(len(column) for column in columns if isinstance(column, bytes))] * count
    for column in {id(column): column for column in columns if not isinstance(column, bytes)}.values():
        times = repeated[id(column)]
        lengths = map(len, column) if times == 1 else map(mul, map(len, column), repeat(times))
        sizes = list(map(add, sizes, lengths))
    return tuple(sizes)


def _fits(layout: _Layout, group: Group, points: Sequence[Point]) -> bool:
    """Whether the layout is that of these points, a slice of the group."""
    if layout.whole is not None and layout.whole is group.attributes and len(points) == len(layout.attributes):
        return True
    return _begins(attributes_of(points), layout.attributes)


def _begins(attributes: list[Attributes], known: list[Attributes]) -> bool:
    """True where these are the first of the known ones, the same objects in the same order. Equal ones are not enough: 1 == True == 1.0."""
    return len(attributes) <= len(known) and all(map(is_, attributes, known))


def _recur(attributes: list[Attributes]) -> bool:
    """True where the first attributes come again, as in a recording's collections that stand behind each other."""
    return any(map(is_, attributes[1:], repeat(attributes[0])))


Encode = Callable[[Series, Point], "bytes | Withheld"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an exporter says of a group as a whole; None: nothing. `prefix`: bytes that go before the first item of each resource, as part
    of that item. `envelope`: what encloses the items. `route`: the name of the route that they take.
    """

    prefix: Callable[[Group], bytes] | None = None
    envelope: Callable[[Group], tuple[bytes, ...]] | None = None
    route: Callable[[Stream], str] | None = None


def chunks(
    groups: Iterable[Group],
    encode: Encode,
    template: Template | None,
    layouts: Layouts,
    slice_points: int,
    around: Surroundings = Surroundings(),
) -> Iterator[Chunk | Withheld]:
    """Encode a collection slice by slice, by template where one fits, else point by point."""
    prefixed: set[int] = set()
    first = 0
    for group in groups:
        envelope = around.envelope(group) if around.envelope is not None else ()
        route = around.route(group.stream) if around.route is not None else ""
        count = len(group.points)
        width = max(1, slice_points // _PARTS.get(group.stream.kind, 1))
        for number, start in enumerate(range(0, count, width)):
            points = group.points if count <= width else group.points[start : start + width]
            begin = first + start
            filled = template.columns(group.stream, points) if template is not None else None
            if filled is not None and template is not None:
                body, sizes = layouts.items(group, number, points, filled, template)
                chunk = Chunk(body, len(points), sizes, envelope, range(begin, begin + len(points)), route)
            else:
                encoded = _one_by_one(group.stream, points, begin, encode)
                yield from encoded.withheld
                if not encoded.items:
                    continue
                sizes = tuple(map(len, encoded.items))
                chunk = Chunk(b"".join(encoded.items), len(sizes), sizes, envelope, encoded.at, route)
            if around.prefix is not None:
                resource = id(group.source[0] if group.source else group.stream.resource)
                if resource not in prefixed:
                    prefixed.add(resource)
                    chunk = chunk.behind(around.prefix(group))
            yield chunk
        first += count


@dataclass(slots=True)
class _Encoded:
    items: list[bytes]
    withheld: list[Withheld]
    at: Sequence[int]


def _one_by_one(stream: Stream, points: Sequence[Point], begin: int, encode: Encode) -> _Encoded:
    """Encode points that no template fits; the first is at position `begin` of the collection."""
    items: list[bytes] = []
    withheld: list[Withheld] = []
    at: list[int] = []
    for position, point in enumerate(points, begin):
        item = encode(Series(stream, point.attributes or {}), point)
        if isinstance(item, bytes):
            items.append(item)
            at.append(position)
        else:
            withheld.append(replace(item, at=position))
    return _Encoded(items, withheld, tuple(at) if withheld else range(begin, begin + len(items)))
