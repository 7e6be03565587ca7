"""Read-back by NRQL: of a sample, one query for each metric, faceted by the name of its points: FACET takes five attributes at most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import NumberDataPoint

from magictel.exporters.newrelic.errors import QUERY_RULES
from magictel.exporters.newrelic.limits import attributes_of, kind_of
from magictel.exporters.newrelic.probes import NewRelicProbes
from magictel.exporters.newrelic.readback import discarded, recordings
from magictel.exporters.newrelic.readback.recordings import plain, text
from magictel.model.metrics import Point, Series
from magictel.model.outcome import ItemVerdict
from magictel.model.verification import POINT, RUN_ID, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.plugin.http_exporter import HttpReadBack
from magictel.plugin.query_limit import QueryLimit

_AROUND = 60
_MOST_QUERIES = 1_000
"""The most queries of a command: an account has a limited number per minute."""
_MILLISECOND = 1_000_000
_SELECT = {
    "gauge": {"value": "latest"},
    "count": {"value": "sum"},
    "summary": {"count": "count", "sum": "sum", "min": "min", "max": "max"},
}


class NewRelicReadBack(HttpReadBack[NewRelicProbes]):
    """Queries with the user key."""

    errors = QUERY_RULES

    def __init__(self, exporter: NewRelicProbes) -> None:
        super().__init__(exporter)
        self._limit = QueryLimit(exporter.clock, _MOST_QUERIES)

    def _nrql(self, query: str) -> list[dict[str, Any]] | Unreadable:
        return self._limit.ask(lambda: self.exporter.nrql(query))

    def cannot_query(self) -> Unreadable | None:
        """Return that there is no user key, or None."""
        if self.exporter.settings.user_key is not None and self.exporter.settings.account_id is not None:
            return None
        message = "no user key and account are set, and a licence key cannot query"
        return Unreadable("nr.no-user-key", message, "set NEW_RELIC_USER_KEY and NEW_RELIC_ACCOUNT_ID")

    def expect(self, series: Series, point: Point) -> Expected | None:
        """Return how a query shows the point."""
        if not isinstance(self.exporter.encoder.encode(series, point), bytes):
            return None
        given = attributes_of(series.attributes)
        fields: dict[str, Value] = {"name": series.stream.name, "type": kind_of(series.stream)}
        fields |= {f"attributes.{key}": plain(value) for key, value in series.attributes.items() if key in given}
        fields |= {"time": True, **_numbers(point)}
        place = str(given.get(POINT, ""))
        return Expected(f"{series.stream.name} {place}", f"{series.stream.name} {place}", fields)

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Return the expected loss: of attributes, of buckets, and of times, of which rows show milliseconds and aggregates nothing."""
        if field == "buckets" and seen is None:
            return "buckets are not read back" if self.exporter.in_otlp else "buckets are not sent"
        if field == "time" and seen is None:
            return "times are not read back"
        if field == "time" and isinstance(sent, int) and isinstance(seen, int):
            return "times have whole milliseconds" if sent // _MILLISECOND * _MILLISECOND == seen else None
        if not field.startswith("attributes."):
            return None
        if isinstance(sent, tuple) and isinstance(seen, str):
            return "lists become text"
        key = field.removeprefix("attributes.")
        if seen is None and not attributes_of({key: sent}):
            return "keys that are reserved or too long are dropped"
        cut = isinstance(sent, str) and isinstance(seen, str) and sent.startswith(seen) and len(seen) >= _CUT
        return "values are cut" if cut else None

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """Return the points of the run."""
        points: list[Seen] = []
        for name, wanted in query.by_name().items():
            keys = sorted(
                {key.removeprefix("attributes.") for point in wanted for key in point.fields if "attributes." in key}
            )
            kind = str(wanted[0].fields["type"])
            aggregates = ", ".join(
                f"{function}({_quoted(name)}) AS '{part}'" for part, function in _SELECT[kind].items()
            )
            attributes = "".join(f", latest({_quoted(key)}) AS 'attributes.{key}'" for key in keys)
            rows = self._nrql(
                f"SELECT {aggregates}{attributes}, count(*) AS 'copies' FROM Metric WHERE {_quoted(RUN_ID)} = {text(query.run_id)}"
                f" AND metricName = {text(name)}"
                f" FACET {_quoted(POINT)} SINCE {int(query.since - _AROUND) * 1000}"
                f" UNTIL {int(query.until + _AROUND) * 1000} LIMIT MAX"
            )
            if isinstance(rows, Unreadable):
                return rows
            for row in rows:
                labels = {key: row.get(f"attributes.{key}") for key in keys}
                fields: dict[str, Value] = {"name": name, "type": kind}
                fields |= {f"attributes.{key}": value for key, value in labels.items() if value is not None}
                shown = wanted[0].fields
                fields |= {
                    part: float(row[part]) for part in _SELECT[kind] if row.get(part) is not None and part in shown
                }
                points += [Seen(f"{name} {labels.get(POINT, '')}", fields)] * max(1, int(row.get("copies") or 1))
        return points

    def identify(self, series: Series, point: Point) -> Expected | None:
        """Return the point with its series and its times."""
        stream = series.stream
        if not isinstance(self.exporter.encoder.encode(series, point), bytes):
            return None
        given = attributes_of({**stream.resource, **series.attributes})
        fields: dict[str, Value] = {"name": stream.name, "time": point.time_unix_nano, **_numbers(point)}
        changed = {key: value for key, value in series.attributes.items() if given.get(key) != value}
        fields |= {f"attributes.{key}": plain(value) for key, value in changed.items() if value is not None}
        start = point.start_time_unix_nano if stream.temporality == "delta" else None
        key = recordings.key_of(stream.name, given, start, point.time_unix_nano)
        return Expected(key, f"{series} at {point.time_unix_nano / 1e9:.3f}", fields)

    def find(self, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """Return the rows of these series."""
        return self.cannot_query() or recordings.find(self._nrql, expected)

    def why_missing(self) -> ItemVerdict | Unreadable | None:
        """Return why New Relic discarded accepted requests, by its own events."""
        sent = list(self.exporter.request_ids)
        if not sent or self.cannot_query() is not None:
            return None
        return discarded.reported(self._nrql, [request for _, request in sent], int(sent[0][0] - _AROUND) * 1000)

    def visible_delay(self) -> float | Unreadable:
        """Return the seconds that New Relic usually takes until queries show a point."""
        return 10.0 if self.exporter.settings.query_url is None else 0.0

    def poll_every(self) -> float:
        """Return the seconds between queries."""
        return 3.0 if self.exporter.settings.query_url is None else 0.25


_CUT = 4_000
"""Fewer characters are never what is left of a value."""


def _numbers(point: Any) -> dict[str, Value]:
    """Return the numbers of a point that queries show."""
    if isinstance(point, NumberDataPoint):
        return {"value": float(point.value)}
    numbers = {part: getattr(point, part) for part in ("count", "sum", "min", "max")}
    return {"buckets": True, **{part: float(number) for part, number in numbers.items() if number is not None}}


def _quoted(name: str) -> str:
    return f"`{name}`"
