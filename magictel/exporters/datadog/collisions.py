"""Points of which Datadog would keep only the last: it has whole seconds, and its series are what it makes of names, hosts and tags.

Usually a second has one point of each series, which columns prove at once. Other points are compared one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from magictel.encoding.columns import Rows, rows_by_keys
from magictel.encoding.known_attributes import KnownAttributes
from magictel.encoding.withheld import Withheld
from magictel.exporters.datadog.names import tags_of, tags_of_key
from magictel.model.metrics import (
    Attributes,
    Group,
    Kind,
    Point,
    Series,
    Stream,
    attributes_of,
    attributes_of_group,
    times_of,
    values_of,
)

_SECOND = 1_000_000_000
_KEEPS = "it keeps only one point of a second"
_SAME_SECOND = "another point of this series has the same second, and Datadog keeps only one"
_RECENT = 2
"""Seconds before the latest one whose points are remembered, for the next collection."""
_Tags = frozenset[str]
_Claim = tuple[Stream, Attributes, int, Any]
_Taken = dict[_Tags, _Claim]


class SecondCollisions:
    """Passes on points in the seconds that they have or get, and leaves out those whose second is taken by another point."""

    def __init__(self, shared: Callable[[Stream], Hashable]) -> None:
        """`shared`: what Datadog knows of a stream's series besides their own tags; None: it adds their points up."""
        self._shared = shared
        self._known = KnownAttributes()
        self._taken: dict[int, dict[Hashable, Group | _Taken]] = {}
        """The points of the latest seconds that were sent: a group whose points are different series, until another comes."""

    def deduplicate(self, groups: Iterable[Group]) -> Iterator[Group | Withheld]:
        """Move counts whose second is taken to the next free one, and leave out other points."""
        self._known.begin()
        for group in groups:
            shared = self._shared(group.stream)
            free = group if shared is None else self._all_free(group, shared)
            if free is None:
                yield from self._one_by_one(group, shared)
            else:
                yield free
        newest = max(self._taken, default=0)
        self._taken = {second: taken for second, taken in self._taken.items() if second >= newest - _RECENT}

    def _all_free(self, group: Group, shared: Hashable) -> Group | None:
        """Take one second for all points of a group, if they are different series and no other group has it; otherwise return None."""
        second, *others = {time // _SECOND for time in set(times_of(group.points))}
        if others or shared in self._taken.get(second, ()):
            return None
        attributes = attributes_of_group(group)
        known = self._known.recognise(group, attributes)
        if known is None:
            if not _have_different_tags(attributes):
                return None
            known = self._known.remember(group, attributes)
        self._taken.setdefault(second, {})[shared] = group
        return known

    def _one_by_one(self, group: Group, shared: Hashable) -> Iterator[Group | Withheld]:
        stream = group.stream
        moved: dict[int, Point | None] = {}
        for at, (tags, claim) in enumerate(_claims(group)):
            _, given, time, _ = claim
            second = time // _SECOND
            other = self._taken_in(second, shared).setdefault(tags, claim)
            if other is claim or other == claim:  # a repeat costs nothing
                continue
            if stream.temporality == "delta":
                while tags in self._taken_in(second, shared):
                    second += 1
                self._taken_in(second, shared)[tags] = claim
                moved[at] = replace(group.points[at], time_unix_nano=second * _SECOND)
                continue
            moved[at] = None
            same = other[:2] == claim[:2]
            message = (
                _SAME_SECOND if same else f"Datadog stores it as the same series as {Series(*other[:2])}: {_KEEPS}"
            )
            yield Withheld("dd.collision", message, str(Series(stream, given)), refused=not same)
        if not moved:
            yield group
            return
        changed = (moved.get(at, point) for at, point in enumerate(group.points))
        points = [point for point in changed if point is not None]
        if points:
            yield replace(group, points=points, attributes=None)

    def _taken_in(self, second: int, shared: Hashable) -> _Taken:
        """Return the points that have a second, by their tags."""
        taken = self._taken.setdefault(second, {})
        points = taken.get(shared, {})
        if isinstance(points, Group):
            points = dict(_claims(points))
        taken[shared] = points
        return points


def _claims(group: Group) -> Iterator[tuple[_Tags, _Claim]]:
    numbers = values_of(group.points) if group.stream.kind in (Kind.GAUGE, Kind.SUM) else group.points
    for given, time, value in zip(attributes_of(group.points), times_of(group.points), numbers, strict=True):
        yield frozenset(tags_of(given or {})), (group.stream, given or {}, time, value)


def _have_different_tags(attributes: Sequence[Attributes]) -> bool:
    sets = set(chain.from_iterable(map(_tag_sets, rows_by_keys(attributes))))
    return len(sets) == len(attributes)


def _tag_sets(rows: Rows) -> Iterable[_Tags]:
    columns = [tags_of_key(key, values) for key, values in zip(rows.keys, rows.columns(), strict=True)]
    if not columns:
        return [frozenset()] if len(rows.attributes) == 1 else []
    if any("" in column for column in columns):
        return [frozenset(filter(None, tags)) for tags in zip(*columns, strict=True)]
    return map(frozenset, zip(*columns, strict=True))
