"""Cumulative points become deltas, once per collection, for a backend that takes only deltas.

Series are recognised by the content of resource, scope, metric and attributes: a source may hand over new objects each time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from math import isfinite

from magictel.encoding.amounts import ARITHMETIC, columns_of, points_of
from magictel.encoding.identity import identity, stream_identity
from magictel.encoding.intervals import FIRST, LATE, MOST_ABSENT, Intervals
from magictel.encoding.prepared import Prepared
from magictel.encoding.withheld import Withheld
from magictel.model.identity_cache import IdentityCache, StreamCache
from magictel.model.metrics import Group, Kind, Series, Stream, in_time_order

_MESSAGES = {
    FIRST: "the first value of a cumulative series: what it counted before is not known",
    LATE: "a cumulative point that is not newer than the latest one, which counts the same events",
}
_MOST_SERIES = 1_000_000
_INSTANT = 1_000_000
"""Nanoseconds: a series that starts so shortly before a recording counted nothing that was sent before."""


class Deltas:
    """The deltas of an exporter's series. `convert` is called by one thread at a time, `give_back` by any.

    `since` (Unix nanoseconds): the whole first value of a series that starts later is its first delta; what an older one counted may have
    been sent by an earlier process. None: the oldest time of the first metric, for a recording that is read from its beginning.
    `unsettled`: returns the batches with points that may still be given back.
    """

    def __init__(self, since: int | None = None, unsettled: Callable[[], Iterable[int]] = tuple) -> None:
        self._unsettled = unsettled
        self._lock = threading.Lock()
        self._key = StreamCache(stream_identity, 10_000)
        self._identity = IdentityCache(identity, 200_000)
        self.restart(since)

    def restart(self, since: int | None = None) -> None:
        """Forget all series. By default a recording is read from its beginning."""
        with self._lock:
            self._since = since
            self._streams: OrderedDict[Hashable, Intervals] = OrderedDict()
            """Those that were converted last are at the end."""
            self._series = 0
            self._collection = 0
            self._prepared: dict[int, Prepared] = {}

    def convert(self, groups: Iterable[Group]) -> Iterator[Group | Withheld]:
        """Yield the groups of a collection; cumulative points of monotonic sums and of histograms become deltas."""
        self._collection += 1
        for group in groups:
            if not _adds_up(group.stream):
                yield group
                continue
            with self._lock:
                parts = self._merged(group) if group.stream.temporality == "delta" else self._converted(group)
            yield from parts

    def remember(self, prepared: Prepared) -> None:
        """Keep a converted collection until its batch is settled."""
        kept = {*self._unsettled(), prepared.batch - 1}
        with self._lock:
            self._prepared = {batch: known for batch, known in self._prepared.items() if batch in kept}
            self._prepared[prepared.batch] = prepared

    def give_back(self, batch: int, positions: Sequence[int]) -> None:
        """Add intervals that certainly did not reach the backend to the next ones of their series."""
        with self._lock:
            prepared = self._prepared.get(batch)
            for series, point in prepared.at(positions) if prepared is not None else ():
                if not _adds_up(series.stream):
                    continue
                arithmetic = ARITHMETIC[series.stream.kind]
                (amount,) = arithmetic.amounts((point,))
                if isfinite(arithmetic.size(amount)):
                    intervals = self._intervals(series.stream)
                    intervals.give_back(series.attributes, amount, point.start_time_unix_nano)

    def _intervals(self, stream: Stream) -> Intervals:
        key = self._key(stream)
        intervals = self._streams.get(key)
        if intervals is None:
            intervals = Intervals(ARITHMETIC[stream.kind], self._identity, self._collection)
            self._streams[key] = intervals
        return intervals

    def _merged(self, group: Group) -> Sequence[Group]:
        """Return deltas of the source's own with what was given back."""
        intervals = self._streams.get(self._key(group.stream))
        if intervals is None or not intervals.owed:
            return (group,)
        return (replace(group, points=points_of(group, intervals.with_owed(columns_of(group)))),)

    def _converted(self, group: Group) -> Sequence[Group | Withheld]:
        group = in_time_order(group)
        stream, columns = group.stream, columns_of(group)
        if self._since is None:
            self._since = min(columns.times) - _INSTANT
        intervals = self._intervals(stream)
        before = len(intervals)
        points, kept, left_out = intervals.advance(columns, self._since, self._collection)
        self._bound(stream, intervals, len(intervals) - before)
        if intervals.owed:
            points = intervals.with_owed(points)
        parts: list[Group | Withheld] = [
            Withheld(code, _MESSAGES[code], str(Series(stream, columns.attributes[at] or {}))) for at, code in left_out
        ]
        if points.times:
            deltas = replace(stream, temporality="delta")
            parts.append(Group(deltas, points_of(group, points, kept), group.source, points.attributes))
        return parts

    def _bound(self, stream: Stream, used: Intervals, more: int) -> None:
        """Forget streams that have been absent for long, and the oldest beyond the limit. What comes again has no first interval."""
        self._streams.move_to_end(self._key(stream))
        self._series += more
        forgotten = [used.forgotten]
        while len(self._streams) > 1:
            oldest = next(iter(self._streams.values()))
            if self._series <= _MOST_SERIES and oldest.seen > self._collection - MOST_ABSENT:
                break
            self._streams.popitem(last=False)
            self._series -= len(oldest)
            forgotten.append(oldest.newest)
        self._since = max(self._since or 0, *forgotten)


def _adds_up(stream: Stream) -> bool:
    """Return whether the points of a stream count events: those of gauges and up-down counters do not."""
    return stream.temporality is not None and (stream.monotonic or stream.kind is not Kind.SUM)
