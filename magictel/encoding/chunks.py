"""Chunks: a collection encoded slice by slice, by template where one fits, else point by point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from magictel.encoding.layouts import Layouts
from magictel.encoding.templates import Template
from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Group, Kind, Point, Series, Stream

_PARTS = {Kind.HISTOGRAM: 4, Kind.EXPONENTIAL_HISTOGRAM: 4}
"""Memory of a point of this kind while it is encoded, in number points: slices are that much shorter."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Encoded items of consecutive points, before they are packed: their bytes, their number, and their lengths if known.

    `envelope`: what encloses them on the wire, outermost first. `at`: the positions of the points in the collection.
    """

    body: bytes = field(repr=False)
    points: int
    sizes: tuple[int, ...] | None = field(default=None, repr=False)
    envelope: tuple[bytes, ...] = field(default=(), repr=False)
    at: Sequence[int] = field(default=(), repr=False)
    route: str = ""

    def behind(self, lead: bytes) -> Chunk:
        """Return the same items, the first of which begins with a `resource_prefix`."""
        if not lead:
            return self
        sizes = None if self.sizes is None else (self.sizes[0] + len(lead), *self.sizes[1:])
        return replace(self, body=lead + self.body, sizes=sizes)


Encode = Callable[[Series, Point], "bytes | Withheld"]


class Surroundings(msgspec.Struct, frozen=True):
    """The hooks of an exporter for whole groups; None: it does not use the hook. `prefix`: bytes before the first item of each resource, as
    part of that item. `envelope`: what encloses the items. `route`: the name of their route.
    """

    prefix: Callable[[Group], bytes] | None = None
    envelope: Callable[[Group], tuple[bytes, ...]] | None = None
    route: Callable[[Stream], str] | None = None


_NO_SURROUNDINGS = Surroundings()


def chunks(
    groups: Iterable[Group],
    encode: Encode,
    template: Template | None,
    layouts: Layouts,
    slice_points: int,
    around: Surroundings = _NO_SURROUNDINGS,
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


class _Encoded(msgspec.Struct):
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
