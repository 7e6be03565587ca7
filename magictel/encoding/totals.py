"""Deltas become cumulative points, once per collection, for a backend that takes only these.

The value of a series is the sum of its deltas since the first one. What a point that does not arrive counts, the next one counts, too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from math import isfinite
from typing import Any

from magictel.encoding.amounts import ARITHMETIC, Columns, columns_of, points_of
from magictel.encoding.identity import identity, stream_identity
from magictel.encoding.withheld import Withheld
from magictel.model.identity_cache import IdentityCache, StreamCache
from magictel.model.metrics import Group, Series, in_time_order

LATE = "delivery.late-delta"
_MESSAGE = "a delta that is not newer than the latest one of its series, so it may be counted already"
_MOST_SERIES = 1_000_000


class Totals:
    """The sums of an exporter's series. Beyond a million, those that have been absent the longest are forgotten, and begin anew."""

    def __init__(self) -> None:
        self._stream = StreamCache(stream_identity, 10_000)
        self._identity = IdentityCache(identity, 200_000)
        self.restart()

    def restart(self) -> None:
        """Forget all series."""
        self._totals: OrderedDict[Hashable, tuple[Any, int, int]] = OrderedDict()
        """Amount, start and time."""

    def convert(self, groups: Iterable[Group]) -> Iterator[Group | Withheld]:
        """Yield the groups of a collection; deltas become cumulative points."""
        for group in groups:
            if group.stream.temporality == "delta":
                yield from self._converted(in_time_order(group))
            else:
                yield group

    def _converted(self, group: Group) -> Iterator[Group | Withheld]:
        stream, of_stream = group.stream, self._stream(group.stream)
        arithmetic = ARITHMETIC[stream.kind]
        totals = Columns([], [], [], [])
        columns: tuple[list[Any], ...] = totals
        kept: list[int] = []
        for at, (attributes, amount, start, time) in enumerate(zip(*columns_of(group), strict=True)):
            series = of_stream, self._identity(attributes)
            before = self._totals.get(series)
            if before is not None and time <= before[2]:
                yield Withheld(LATE, _MESSAGE, str(Series(stream, attributes or {})))
                continue
            finite = isfinite(arithmetic.size(amount))
            total = arithmetic.plus(amount, before[0]) if finite and before is not None else amount
            if total is None:  # a histogram with other bounds begins anew
                total, before = amount, None
            begin = start if before is None else before[1]
            if finite:
                self._totals[series] = total, begin, time
                self._totals.move_to_end(series)
            kept.append(at)
            for column, value in zip(columns, (attributes, total, begin, time), strict=True):
                column.append(value)
        while len(self._totals) > _MOST_SERIES:
            self._totals.popitem(last=False)
        if kept:
            points = points_of(group, totals, kept)
            yield replace(group, stream=replace(stream, temporality="cumulative"), points=points, attributes=None)
