"""A collection that is ready to encode: everything that happens once per collection is done, and what was left out has its reason."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec

from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Group, Point, Series


class Prepared(msgspec.Struct, frozen=True):
    """The groups of a collection without the points left out (`withheld`). A point's position counts all points of the groups in order.

    `sent`: number of points of the collection, including those withheld; `batch` numbers the collections of an exporter.
    """

    groups: tuple[Group, ...]
    withheld: tuple[Withheld, ...] = ()
    sent: int = 0
    batch: int = 0

    @classmethod
    def of(cls, parts: Iterable[Group | Withheld], sent: int, batch: int = 0) -> Prepared:
        """Create it from groups, with the points left out among them."""
        groups: list[Group] = []
        withheld: list[Withheld] = []
        for part in parts:
            if isinstance(part, Group):
                groups.append(part)
            else:
                withheld.append(part)
        return cls(tuple(groups), tuple(withheld), sent, batch)

    def points(self) -> Iterator[tuple[Series, Point]]:
        """Yield every point with its series, by position."""
        for group in self.groups:
            for point in group.points:
                yield Series(group.stream, point.attributes or {}), point

    def at(self, positions: Sequence[int]) -> Iterator[tuple[Series, Point]]:
        """Yield the points at these positions."""
        ends = list(accumulate(len(group.points) for group in self.groups))
        for position in positions:
            number = bisect_right(ends, position)
            group = self.groups[number]
            point = group.points[position - ends[number] + len(group.points)]
            yield Series(group.stream, point.attributes or {}), point
