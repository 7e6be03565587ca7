"""Read-back by Datadog's query API: of a sample, a query for each metric, grouped by the tags of its points.

A point alone in its series is every aggregate of it, whatever interval the query rolls it up to; times are not compared.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.exporters.datadog.encoding import DatadogEncoder
from magictel.exporters.datadog.errors import QUERY_RULES
from magictel.exporters.datadog.names import metric_name, tag, tag_key
from magictel.exporters.datadog.probes import QUERY, DatadogProbes
from magictel.exporters.datadog.readback import recordings
from magictel.http.asking import ask
from magictel.model.metrics import Point, Series
from magictel.model.verification import POINT, RUN_ID, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.plugin.http_exporter import HttpReadBack
from magictel.plugin.query_limit import QueryLimit

_AROUND = 60
"""Seconds before and after the run that queries include."""
_MOST_QUERIES = 500
"""The most queries of a command: an organisation has a limited number per hour."""
_SECOND = 1_000_000_000
_NO_KEY = "no application key is set, and an API key cannot query"


class DatadogReadBack(HttpReadBack[DatadogProbes]):
    """Queries with the application key."""

    errors = QUERY_RULES

    def __init__(self, exporter: DatadogProbes) -> None:
        super().__init__(exporter)
        self._limit = QueryLimit(exporter.clock, _MOST_QUERIES)
        self._whole = exporter.settings.histograms == "distributions"

    def cannot_query(self) -> Unreadable | None:
        """Return that there is no application key, or None."""
        if self.exporter.settings.app_key is not None:
            return None
        return Unreadable("dd.no-app-key", _NO_KEY, "set DD_APP_KEY to an application key")

    def expect(self, series: Series, point: Point) -> Expected | None:
        """Return how queries show the point, in the aggregates that its type has."""
        encoder = self.exporter.encoder
        assert isinstance(encoder, DatadogEncoder)
        encoded = encoder.encode(series, point)
        name = metric_name(series.stream.name)
        if not isinstance(encoded, bytes):
            return None
        tags = [each for each in encoder.tags(series) if ":" in each]  # a tag without a value groups nothing
        labels = dict(each.partition(":")[::2] for each in tags)
        fields: dict[str, Value] = {"name": series.stream.name, **{f"tags.{key}": text for key, text in labels.items()}}
        for key, value in series.attributes.items():  # as sent, not as Datadog writes it
            if isinstance(value, str) and ":" in tag(f"{key}:{value}"):
                fields[f"tags.{tag_key(key)}"] = value
        fields |= {part: float(number) for part, number in self._numbers(point)}
        fields |= {"time": True} if "value" in fields else {"time": True, "buckets": True}
        place = labels.get(tag_key(POINT), "")
        return Expected(f"{name} {place}", f"{series.stream.name} {place}", fields)

    def _numbers(self, point: Any) -> Iterator[tuple[str, float]]:
        if not isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
            yield "value", point.value
            return
        yield "count", point.count
        yield "sum", point.sum
        for edge in ("min", "max"):
            if getattr(point, edge) is not None:
                yield edge, getattr(point, edge)

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Return the expected loss: characters that Datadog's names and tags do not have, and what no query shows."""
        if field in _NOT_SHOWN and seen is None:
            return _NOT_SHOWN[field]
        if field == "time" and isinstance(sent, int) and isinstance(seen, int) and sent // _SECOND * _SECOND == seen:
            return "times have whole seconds"
        if field == "name" and isinstance(sent, str) and metric_name(sent) == seen:
            return "names have letters, digits, _ and . only"
        if field.startswith("tags.") and isinstance(sent, str) and tag(f"x:{sent}") == tag(f"x:{seen}"):
            return "tags are lower-case, and have letters, digits and _-:./ only"
        return None

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """Return the points of the run: for each metric and aggregate, one query."""
        points: dict[tuple[str, int], dict[str, Value]] = {}
        for sent, wanted in query.by_name().items():
            name = metric_name(sent)
            keys = sorted({key for point in wanted for key in point.fields if key.startswith("tags.")})
            for part, aggregate in self._queries(wanted[0]):
                shown = self._ask(name, aggregate, [key.removeprefix("tags.") for key in keys], query)
                if isinstance(shown, Unreadable):
                    return shown
                for labels, values in shown:
                    place = labels.get(tag_key(POINT), "")
                    for copy, value in enumerate(values):
                        point = points.setdefault((f"{name} {place}", copy), {"name": name})
                        point |= {f"tags.{key}": text for key, text in labels.items() if text != "N/A"}
                        point[part] = value
        return [Seen(key, fields) for (key, _), fields in points.items()]

    def _queries(self, point: Expected) -> Iterator[tuple[str, str]]:
        """Yield the parts of a point, each with the query that shows it, without its name and its tags."""
        if "value" in point.fields:
            yield "value", "sum:{}%s.rollup(sum,1)"
            return
        for part in ("count", "sum", "min", "max"):
            if part in point.fields:
                yield part, f"{part}:{{}}%s.rollup(1)" if self._whole else f"sum:{{}}.{part}%s.rollup(sum,1)"

    def _ask(
        self, name: str, aggregate: str, keys: Sequence[str], query: SampleQuery
    ) -> list[tuple[Mapping[str, str], list[float]]] | Unreadable:
        """Return the tags and the values of each series that a query shows."""
        run = tag(f"{RUN_ID}:{query.run_id}")
        text = aggregate.format(name) % f"{{{run}}} by {{{','.join(keys)}}}"
        series = self._query(text, int(query.since) - _AROUND, int(query.until) + _AROUND)
        if isinstance(series, Unreadable):
            return series
        rows: list[tuple[Mapping[str, str], list[float]]] = []
        for row in series:
            labels = dict(each.partition(":")[::2] for each in row.get("tag_set") or ())
            rows.append((labels, [float(value) for _, value in row.get("pointlist") or () if value is not None]))
        return rows

    def _query(self, text: str, since: int, until: int) -> list[dict[str, Any]] | Unreadable:
        """Return the series that queries show."""
        address = f"{QUERY}?{urllib.parse.urlencode({'from': since, 'to': until, 'query': text})}"
        wire = self.exporter.query_wire()
        answer = self._limit.ask(  # not masked: tags are compared
            lambda: ask(
                wire, address, QUERY_RULES, accept=lambda reply: reply.get("status", "ok") == "ok", masked=False
            )
        )
        return answer if isinstance(answer, Unreadable) else answer.get("series") or []

    def identify(self, series: Series, point: Point) -> Expected | None:
        """Return the point with its series and its second."""
        encoder = self.exporter.encoder
        assert isinstance(encoder, DatadogEncoder)
        shown = self.expect(series, point)
        tags, host = encoder.tags(series), encoder.host(series.stream)
        if shown is None:
            return None
        added_up = self._whole and "buckets" in shown.fields
        key = recordings.key_of(metric_name(series.stream.name), tags, host, point.time_unix_nano, added_up)
        if key is None:
            return None
        fields = {**shown.fields, "time": point.time_unix_nano}
        return Expected(key, f"{series} at {point.time_unix_nano // _SECOND}", fields)

    def find(self, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """Return the seconds of these series."""
        return self.cannot_query() or recordings.find(self._query, self._whole, expected)

    def visible_delay(self) -> float | Unreadable:
        """Return the seconds that Datadog usually takes until queries show a point."""
        return 15.0 if self.exporter.settings.on_a_site() else 0.0

    def poll_every(self) -> float:
        """Return the seconds between queries, which Datadog limits by the hour."""
        return 5.0 if self.exporter.settings.on_a_site() else 0.25


_NOT_SHOWN = {"time": "times are not read back", "buckets": "buckets are not read back"}
"""What aggregates do not show of a point."""
