"""Whether the points of a metric are different series to Prometheus: proved by columns of their attributes, once for the same objects."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import repeat
from operator import is_
from typing import Any

from magictel.encoding.columns import Rows, rows_by_keys
from magictel.encoding.known_attributes import KnownAttributes
from magictel.formats.prometheus.names import labels
from magictel.formats.prometheus.series import SeriesNames, milliseconds, reserved
from magictel.model.metrics import Attributes, Group, Stream, attributes_of, attributes_of_group, times_of

_SURE = ({str}, {int}, {bool})
"""The types of a key's values that are different texts where they are different values: with others 1, 1.0 and "1" may come together."""


class Likeness:
    """Compares the labels of a metric's points, and remembers attributes that were found to be different series."""

    def __init__(self, names: SeriesNames, *, timed: bool = True) -> None:
        """`timed`: whether points of a series at different times are different."""
        self._names = names
        self._timed = timed
        self._known = KnownAttributes()

    def begin(self) -> None:
        """Begin a collection: what was proved in the latest one is remembered, and nothing older."""
        self._known.begin()

    def apart(self, group: Group) -> Group | None:
        """Return the group where all of its points are different series or times; None where that is not certain.

        A group whose attributes are the same objects as before comes with the same list of them.
        """
        attributes = attributes_of_group(group)
        known = self._known.recognise(group, attributes)
        if known is not None:
            return known
        if any(map(is_, attributes[1:], repeat(attributes[0]))) or not self._different(group.stream, attributes):
            return group if self.all_apart([group]) else None
        return self._known.remember(group, attributes)

    def all_apart(self, groups: Sequence[Group]) -> bool:
        """Return whether no two points of one metric, which may come in several groups, have the same labels and time."""
        attributes = [attribute_set for group in groups for attribute_set in attributes_of(group.points)]
        times = [time for group in groups for time in times_of(group.points)]
        unique = dict(zip(map(id, attributes), attributes, strict=True))
        if not self._different(groups[0].stream, list(unique.values())):
            return False
        if len(unique) == len(attributes):
            return True
        return self._timed and len(set(zip(map(id, attributes), map(milliseconds, times), strict=True))) == len(times)

    def texts(self, group: Group) -> Iterable[Hashable]:
        """Return for each point what its labels say: equal for equal labels."""
        taken, named = self._naming(group.stream)
        known: dict[int, Hashable] = {}
        attributes = attributes_of(group.points)
        for attribute_set in attributes:
            if id(attribute_set) not in known:
                known[id(attribute_set)] = frozenset(labels(attribute_set or {}, taken, named).items())
        return map(known.__getitem__, map(id, attributes))

    def _naming(self, stream: Stream) -> tuple[frozenset[str], Callable[[str], str]]:
        return frozenset(reserved(stream, self._names.fixed(stream))), self._names.named(stream)

    def _different(self, stream: Stream, attributes: Sequence[Attributes]) -> bool:
        """Whether these become different labels, each of them; False also where that is not certain."""
        if len(attributes) == 1:
            return True
        taken, named = self._naming(stream)
        parted = rows_by_keys(attributes)
        names = {frozenset(map(named, rows.keys)) for rows in parted}
        if len(names) < len(parted) or not all(map(taken.isdisjoint, names)):
            return False
        return all(
            len(set(map(named, rows.keys))) == len(rows.keys) and _rows_differ(rows, len(parted) > 1) for rows in parted
        )


def _rows_differ(rows: Rows, partly: bool) -> bool:
    """Whether attributes with the same keys have different values, as text too. `partly`: there are others with other keys."""
    count = len(rows.attributes)
    columns = rows.columns()
    for column in columns:
        kinds = set(map(type, column))
        if kinds not in _SURE or (partly and "" in column):
            return False
        if kinds == {str} and not all(map(str.isascii, column)) and not _encodable(column):
            return False
    return (
        count == 1
        or any(len(set(column)) == count for column in columns)
        or len(set(zip(*columns, strict=True))) == count
    )


def _encodable(texts: Iterable[Any]) -> bool:
    """Whether no text has half a character, which would be replaced."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True
