"""Read-back by NRQL: one query for each metric of a run, faceted by the name of its points: FACET takes five attributes at most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from magictel.exporters.newrelic.encoding import attributes_of, kind_of
from magictel.exporters.newrelic.probes import NewRelicProbes
from magictel.model.metrics import Point, Series
from magictel.model.verification import POINT, RUN_ID, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.plugin.http_exporter import HttpReadBack

if TYPE_CHECKING:
    pass

_AROUND = 60
_SELECT = {
    "gauge": {"value": "latest"},
    "count": {"value": "sum"},
    "summary": {"count": "count", "sum": "sum", "min": "min", "max": "max"},
}


class NewRelicReadBack(HttpReadBack[NewRelicProbes]):
    """Queries with the user key."""

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
        fields |= {f"attributes.{key}": _comparable(value) for key, value in series.attributes.items() if key in given}
        parts = _SELECT[kind_of(series.stream)]
        if "value" in parts:
            fields["value"] = float(point.value)  # type: ignore[union-attr] # a number has one
        else:
            for part in parts:
                number = getattr(point, part)
                if number is not None:
                    fields[part] = float(number)
        fields |= {"time": True} if "value" in parts else {"time": True, "buckets": True}
        place = str(given.get(POINT, ""))
        return Expected(f"{series.stream.name} {place}", f"{series.stream.name} {place}", fields)

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Return the expected loss: lists, which become text; buckets, which are not sent; and times, which aggregates do not show."""
        if field in _NOT_SHOWN and seen is None:
            return _NOT_SHOWN[field]
        if field.startswith("attributes.") and isinstance(sent, tuple) and isinstance(seen, str):
            return "lists become text"
        return None

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """Return the points of the run."""
        points: list[Seen] = []
        for name, wanted in _by_name(query.expected).items():
            keys = sorted(
                {key.removeprefix("attributes.") for point in wanted for key in point.fields if "attributes." in key}
            )
            kind = str(wanted[0].fields["type"])
            aggregates = ", ".join(
                f"{function}({_quoted(name)}) AS '{part}'" for part, function in _SELECT[kind].items()
            )
            attributes = "".join(f", latest({_quoted(key)}) AS 'attributes.{key}'" for key in keys)
            rows = self.exporter.nrql(
                f"SELECT {aggregates}{attributes}, count(*) AS 'copies' FROM Metric WHERE {_quoted(RUN_ID)} = '{query.run_id}'"
                f" AND metricName = '{name}'"
                f" FACET {_quoted(POINT)} SINCE {int(query.since - _AROUND) * 1000}"
                f" UNTIL {int(query.until + _AROUND) * 1000} LIMIT MAX"
            )
            if isinstance(rows, Unreadable):
                return rows
            for row in rows:
                labels = {key: row.get(f"attributes.{key}") for key in keys}
                fields: dict[str, Value] = {"name": name, "type": kind}
                fields |= {f"attributes.{key}": value for key, value in labels.items() if value is not None}
                shown = next(point for point in wanted).fields
                fields |= {
                    part: float(row[part]) for part in _SELECT[kind] if row.get(part) is not None and part in shown
                }
                points += [Seen(f"{name} {labels.get(POINT, '')}", fields)] * max(1, int(row.get("copies") or 1))
        return points

    def visible_delay(self) -> float | Unreadable:
        """Return the seconds that New Relic usually takes until queries show a point."""
        return 10.0 if self.exporter.settings.query_url is None else 0.0

    def poll_every(self) -> float:
        """Return the seconds between queries."""
        return 3.0 if self.exporter.settings.query_url is None else 0.25


_NOT_SHOWN = {"time": "times are not read back", "buckets": "buckets are not sent"}


def _by_name(expected: Sequence[Expected]) -> dict[str, list[Expected]]:
    names: dict[str, list[Expected]] = {}
    for point in expected:
        names.setdefault(str(point.fields["name"]), []).append(point)
    return names


def _quoted(name: str) -> str:
    return f"`{name}`"


def _comparable(value: object) -> Value:
    return tuple(value) if isinstance(value, list | tuple) else value  # type: ignore[return-value] # scalars
