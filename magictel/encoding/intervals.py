"""The intervals of a stream's series: what each counted since its latest point."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import repeat
from math import isfinite
from operator import gt, is_
from typing import Any, NamedTuple

from magictel.encoding.amounts import Arithmetic, Columns
from magictel.model.metrics import Attributes

FIRST = "delivery.first-value"
LATE = "delivery.late-point"
MOST_ABSENT = 1_000
"""Collections after which a series that did not come again is forgotten."""
_MOST_SERIES = 200_000
"""Maximum number of series that are kept of those that did not come with the latest points."""


class Advanced(NamedTuple):
    """Points with their intervals as amounts and starts. `kept`: their indices among the given points, None: all. `left_out`: the
    indices of the others, with the code of why.
    """

    points: Columns
    kept: Sequence[int] | None = None
    left_out: Sequence[tuple[int, str]] = ()


_Latest = tuple[Any, int, int, int]
"""The latest point of a series: amount, start (0 if it is unknown), time, and the number of its collection."""


class Intervals:
    """The latest points of a stream's series. Those that came last are kept as columns, in their order: if the same attribute objects
    come again in this order, once or several times, intervals are computed by column.
    """

    __slots__ = ("_absent", "_arithmetic", "_columns", "_identity", "forgotten", "owed", "seen")

    def __init__(self, arithmetic: Arithmetic, identity: Callable[[Attributes], Hashable], collection: int) -> None:
        self._arithmetic = arithmetic
        self._identity = identity
        self._columns = Columns([], [], [], [])
        self._absent: dict[Hashable, _Latest] = {}
        """The series that did not come with the latest points, those that came last at the end."""
        self.owed: dict[Hashable, tuple[Any, int]] = {}
        """What intervals counted that were given back, and where they began."""
        self.seen = collection
        """The number of the latest collection."""
        self.forgotten = 0
        """The newest time of a series that is forgotten."""

    def __len__(self) -> int:
        return len(self._columns.attributes) + len(self._absent)

    @property
    def newest(self) -> int:
        """Return the newest time of any series."""
        return max([self.forgotten, *self._columns.times, *(latest[2] for latest in self._absent.values())])

    def advance(self, points: Columns, since: int, collection: int) -> Advanced:
        """Return the intervals of cumulative points, which become the latest ones. A series that starts before `since` has no first one."""
        advanced = self._by_column(points) or self._one_by_one(points, since, collection)
        self.seen = collection
        return advanced

    def give_back(self, attributes: Attributes, amount: Any, start: int) -> None:
        """Add an interval to the next one of its series."""
        series = self._identity(attributes)
        owed = self.owed.get(series)
        both = None if owed is None else self._arithmetic.plus(amount, owed[0])
        self.owed[series] = (amount, start) if owed is None or both is None else (both, min(start, owed[1]))

    def with_owed(self, points: Columns) -> Columns:
        """Return intervals with what was given back of the same series."""
        amounts, starts = list(points.amounts), list(points.starts)
        for at, attributes in enumerate(points.attributes):
            if not self.owed:
                break
            owed = self.owed.pop(self._identity(attributes), None)
            both = None if owed is None else self._arithmetic.plus(amounts[at], owed[0])
            if owed is not None and both is not None:
                amounts[at], starts[at] = both, min(starts[at], owed[1])
        return points._replace(amounts=amounts, starts=starts)

    def _by_column(self, points: Columns) -> Advanced | None:
        """Return the intervals if these are the latest series again, and none began anew."""
        latest = self._columns
        count = len(latest.attributes)
        if not count:
            return None
        before = Columns(*map(_shifted, latest, points))
        if not (
            all(map(is_, points.attributes, before.attributes))
            and points.starts == before.starts
            and all(map(gt, points.times, before.times))
        ):
            return None
        amounts = self._arithmetic.all_less(points.amounts, before.amounts)
        if amounts is None:
            return None
        if len(points.times) == count:  # the same list of attributes: what follows need not compare them again
            points = points._replace(attributes=latest.attributes)
            self._columns = points
        else:
            self._columns = Columns(*(column[-count:] for column in map(_joined, latest, points)))
        return Advanced(Columns(points.attributes, amounts, before.times, points.times))

    def _one_by_one(self, points: Columns, since: int, collection: int) -> Advanced:
        known = self._absent
        known.update(self._by_series())
        latest: dict[Hashable, Attributes] = {}
        intervals = Columns([], [], [], [])
        kept: list[int] = []
        left_out: list[tuple[int, str]] = []
        size_of, identity = self._arithmetic.size, self._identity
        for at, (attributes, amount, start, time) in enumerate(zip(*points, strict=True)):
            series = identity(attributes)
            if start >= time:
                start = 0  # OTLP's sign of an unknown start
            point = amount, start, time, collection
            before = known.get(series)
            finite = isfinite(size_of(amount))
            if finite:
                interval = self._interval(before, point, since)
            else:  # the encoder has a rule for it
                interval = amount, start if before is None else before[2]
            if isinstance(interval, str):
                left_out.append((at, interval))
            else:
                kept.append(at)
                intervals.attributes.append(attributes)
                intervals.amounts.append(interval[0])
                intervals.starts.append(interval[1])
                intervals.times.append(time)
            if finite and interval is not LATE:
                known[series] = point
                latest.pop(series, None)
                latest[series] = attributes
        newest = [known.pop(series) for series in latest]
        self._columns = Columns(list(latest.values()), *([point[place] for point in newest] for place in range(3)))
        self._forget(collection - MOST_ABSENT)
        return Advanced(intervals, kept, left_out)

    def _interval(self, before: _Latest | None, point: _Latest, since: int) -> tuple[Any, int] | str:
        """Return what a series counted since its latest point, and where that interval begins; or the code of why it has no delta."""
        amount, start, time, collection = point
        if before is None:
            return (amount, start) if start and start >= since else FIRST
        known, known_start, known_time, seen = before
        if start > known_time:
            return amount, start
        size, known_size = self._arithmetic.size(amount), self._arithmetic.size(known)
        if time <= known_time and (size <= known_size or seen == collection):
            return LATE
        begin = min(known_time, time)
        difference = self._arithmetic.less(amount, known)
        if difference is not None:
            return difference, begin
        if size < known_size and start in (0, known_start):
            return amount, begin  # it began anew without saying when
        return FIRST

    def _by_series(self) -> dict[Hashable, _Latest]:
        attributes, amounts, starts, times = self._columns
        points = zip(amounts, starts, times, repeat(self.seen))
        return dict(zip(map(self._identity, attributes), points, strict=False))

    def _forget(self, before: int) -> None:
        """Forget the series that came last in such a collection or an earlier one, and the oldest beyond the limit."""
        absent = self._absent
        old: list[Hashable] = []
        for series, point in absent.items():
            if point[3] > before and len(absent) - len(old) <= _MOST_SERIES:
                break
            old.append(series)
        for series in old:
            self.forgotten = max(self.forgotten, absent.pop(series)[2])


def _shifted(known: list[Any], column: list[Any]) -> list[Any]:
    """Return the values of the points before those of a column."""
    return known if len(known) == len(column) else _joined(known, column)[: len(column)]


def _joined(known: list[Any], column: list[Any]) -> list[Any]:
    return known + column
