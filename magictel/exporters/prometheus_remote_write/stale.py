"""Stale markers, at which queries stop showing a series at once and not after five minutes: at shutdown, and where a scrape lacks it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.encoding.payload import Payload
from magictel.encoding.protobuf import field, varint
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus_remote_write.scan import labels_of, newest_time
from magictel.exporters.prometheus_remote_write.symbols import STALE
from magictel.formats.prometheus.series import milliseconds
from magictel.model.metrics import Group, Point, Series, Stream

_Encode = Callable[[Series, Point], bytes | Withheld]


def marker(labels: bytes, time: int) -> bytes:
    """Return the `TimeSeries` that ends the series with these encoded labels, at a time in milliseconds."""
    return field(1, labels + field(2, STALE + b"\x10" + varint(time)))


class VanishedSeries:
    """The markers of series that the latest scrape lacks. As in Prometheus, samples with a time of their own do not end."""

    def __init__(self, encode: _Encode) -> None:
        self._encode = encode
        self._points: dict[int, tuple[Stream, Point]] = {}
        self.markers = b""

    def follow(self, scrape: Sequence[Group]) -> None:
        """Compare a scrape with the one before. Its first point has the time of the scrape."""
        time = scrape[0].points[0].time_unix_nano
        points = {
            hash((stream.name, frozenset((point.attributes or {}).items()), bounds)): (stream, point)
            for stream, group_points in ((group.stream, group.points) for group in scrape)
            for point in group_points
            if point.time_unix_nano == time
            for bounds in (tuple(point.explicit_bounds) if isinstance(point, HistogramDataPoint) else None,)
        }
        before, self._points = self._points, points
        gone = self._labels(before[key] for key in before.keys() - points.keys())
        if gone:  # a histogram with other bounds keeps some of its series
            gone -= self._labels(points[key] for key in points.keys() - before.keys())
        self.markers = b"".join(marker(labels, milliseconds(time)) for labels in sorted(gone))

    def _labels(self, points: Iterable[tuple[Stream, Point]]) -> set[bytes]:
        items = (self._encode(Series(stream, point.attributes or {}), point) for stream, point in points)
        return {labels for item in items if isinstance(item, bytes) for labels in labels_of(item)}


class LatestCollection:
    """The delivered payloads of the latest collection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batch = 0
        self._payloads: list[Payload] = []

    def delivered(self, payload: Payload) -> None:
        """Keep a payload, in place of those of earlier collections."""
        if not payload.batch:  # stored by an earlier process, whose series may go on
            return
        with self._lock:
            if payload.batch > self._batch:
                self._batch, self._payloads = payload.batch, []
            if payload.batch == self._batch:
                self._payloads.append(payload)

    def markers(self, now: int) -> Iterator[Payload]:
        """Yield payloads that end their series, at `now` in milliseconds or just after their samples; afterwards there are none."""
        with self._lock:
            payloads, self._payloads = self._payloads, []
        for payload in payloads:
            time = max(now, newest_time(payload.body) + 1)
            body = b"".join([marker(labels, time) for labels in labels_of(payload.body)])
            yield Payload(body, 0, route=payload.route)
