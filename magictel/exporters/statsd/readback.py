"""What another target shows of the points that a daemon forwards to it: their names, their values, and their tags as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.exporters.statsd.encoding import StatsdEncoder, tag_text
from magictel.formats.prometheus.names import label_value
from magictel.model.metrics import Kind, Point, Series, Stream
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable, Value
from magictel.plugin.interface import ReadBack
from magictel.promql.readback import QueryReadBack

_FLUSH = 10.0
"""Seconds between two flushes of Datadog's agent and of the original daemon."""
_TAGS = ("attributes.", "labels.")
_NUMBERS = ("value", "count", "sum", "min", "max")
_PART = re.compile(r"[._](count|sum|min|max)$")
"""The end of a name that an aggregate of a histogram has, and may have in Prometheus."""
_NOT_SENT = {"time": "StatsD sends no times, units and descriptions", "buckets": "StatsD sends no buckets"}


class ForwardedReadBack(ReadBack[Any]):
    """Reads back from the target behind the daemon. It compares what a daemon forwards, and adds up what several flushes show."""

    def __init__(self, encoder: StatsdEncoder, behind: ReadBack[Any]) -> None:
        super().__init__(behind.exporter)
        self._encoder, self._behind = encoder, behind

    def cannot_query(self) -> Unreadable | None:
        """Return why the other target cannot be queried, or None."""
        return self._behind.cannot_query()

    def expect(self, series: Series, point: Point) -> Expected | None:
        """Return what the other target shows, without what is not sent; None for distributions, whose form the daemon decides."""
        settings = self._encoder.exporter.settings
        histogram = isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint)
        if histogram and settings.histograms == "distributions":
            return None
        shown = self._behind.expect(_forwarded(series, self._encoder.named(series)[0]), _without_buckets(point))
        if shown is None:
            return None
        fields = {field: value for field, value in shown.fields.items() if _is_compared(field)}
        return replace(shown, fields=fields | dict.fromkeys(("time", "buckets") if histogram else ("time",), True))

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """Return a point for each series: the sum of its deltas, or its latest value."""
        until = max(query.until, self.exporter.clock.now() + 1)
        shown = self._behind.seen(replace(query, until=until))
        if isinstance(shown, Unreadable):
            return shown
        wanted = {point.key: point.fields for point in query.expected}
        points: dict[str, dict[str, Value]] = {}
        for seen in sorted(shown, key=lambda seen: str(seen.fields.get("time_unix_nano"))):
            want = wanted.get(seen.key)
            if want is None:  # a distribution, or a point that was refused
                continue
            point = points.setdefault(seen.key, {})
            names = str(seen.fields.get("name")).split("|")
            point["name"] = seen.fields.get("name") if "value" in want else _PART.sub("", names[0])
            point |= {field: value for field, value in seen.fields.items() if field.startswith(_TAGS)}
            for part, value in _numbers(seen.fields, names, "value" in want):
                before = point.get(part)
                adds = seen.fields.get("temporality") == "delta" and isinstance(before, int | float)
                point[part] = before + value if adds else value
        return [Seen(key, fields) for key, fields in points.items()]

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Return the expected loss: what StatsD does not carry, and what the other target changes."""
        if field in _NOT_SENT and seen is None:
            return _NOT_SENT[field]
        if field.startswith(_TAGS):
            if sent is None:
                return "tags that the daemon adds"
            text = label_value(list(sent) if isinstance(sent, tuple) else sent)
            if seen == (tag_text(text) or None):
                return "tags are text, without blanks and commas"
        if field in _NUMBERS:
            return "numbers have no type" if isinstance(seen, int | float) and _equal(sent, seen) else None
        if field == "name" and isinstance(seen, str):
            return self._behind.declared(field, sent, seen.removesuffix("_total"))
        return self._behind.declared(field, sent, seen)

    def count(self, metrics: Sequence[Any]) -> Sequence[int] | Unreadable:
        """Return that points of recordings cannot be found."""
        return self._unsupported("shows other times than were recorded: StatsD sends none")

    def unproven(self) -> Unreadable | None:
        """Return what the other target says."""
        return self._behind.unproven()

    def visible_delay(self) -> float | Unreadable:
        """Return the other target's delay after a flush of the daemon; `Unreadable` if the sample cannot be found there for certain."""
        tags = self._encoder.exporter.settings.tags
        if tags != "dogstatsd":
            why = f"tags is {tags}: without tags, no point of the sample can be found again"
            return Unreadable("verify.unsupported", why, "set tags = dogstatsd, if the daemon reads it")
        if not isinstance(self._behind, QueryReadBack) and self.exporter.writes_to != "file":
            why = f"how {self.exporter.name} shows what a daemon forwards depends on the daemon: it may be there and not be found"
            return Unreadable(
                "verify.unsupported", why, "name a Prometheus that stores it, or a file that the Collector writes"
            )
        delay = self._behind.visible_delay()
        return delay if isinstance(delay, Unreadable) else delay + _FLUSH

    def poll_every(self) -> float:
        """Return what the other target says."""
        return self._behind.poll_every()

    def run_size(self, run_id: str) -> int | Unreadable:
        """Return the number of stored items of the run."""
        return self._behind.run_size(run_id)

    def forget_run(self, run_id: str) -> int | Unreadable:
        """Delete the run's items."""
        return self._behind.forget_run(run_id)


def _equal(sent: Value, seen: float) -> bool:
    return isinstance(sent, int | float) and float(sent) == float(seen)


def _is_compared(field: str) -> bool:
    return field == "name" or field in _NUMBERS or field.startswith(_TAGS)


def _forwarded(series: Series, name: str) -> Series:
    """Return a series as a daemon forwards it. A count is a gauge here, for a target that refuses deltas."""
    number = series.stream.kind in (Kind.GAUGE, Kind.SUM)
    kind, temporality = (Kind.GAUGE, None) if number else (Kind.HISTOGRAM, "cumulative")
    stream = Stream(name, "", "", kind, temporality, False, {}, "", "", "", {}, "")
    return Series(stream, {tag_text(key): value for key, value in series.attributes.items() if label_value(value)})


def _without_buckets(point: Any) -> Point:
    if not isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
        return point  # type: ignore[no-any-return] # a number
    times = point.start_time_unix_nano, point.time_unix_nano
    return HistogramDataPoint(point.attributes, *times, point.count, point.sum, [point.count], [], point.min, point.max)


def _numbers(fields: Mapping[str, Value], names: Sequence[str], number: bool) -> Iterator[tuple[str, Any]]:
    """Yield the numbers of a point: its value, or the aggregates of its histogram, each a metric of its own or together."""
    if number:
        yield "value", fields.get("value")
        return
    yield from ((part, fields[part]) for part in ("count", "sum") if part in fields)
    for name in names:
        part = _PART.search(name)
        value = fields.get(f"value of {name}", fields.get("value"))
        if part is not None and value is not None:
            yield part[1], value
