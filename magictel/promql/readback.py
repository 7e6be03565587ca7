"""How sent points are expected in query results, and what queries show of them: the read-back of every exporter to such a backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from magictel.formats.prometheus.series import SeriesNames
from magictel.http.error_rules import Rule
from magictel.http.wire import Wire
from magictel.model.metrics import Point, Series
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable, Value
from magictel.promql import points
from magictel.promql.expected import declared, expected, seen
from magictel.promql.query import QueryApi
from magictel.promql.victoriametrics import VISIBLE_AFTER, decimal, is_victoriametrics, without_nan


class PromqlReadBack:
    """Reads back by the query API. Every method that asks raises `WireError`.

    `carried`: whether the encoder sends a point. `query_wire`: the way from the write address to the query API, or why there is none.
    `rules`: read what is no answer. `carrier`: the format that brings points there, for people.
    """

    def __init__(
        self,
        names: SeriesNames,
        carried: Callable[[Series, Point], bool],
        query_wire: Callable[[Wire], Wire | Unreadable],
        now: Callable[[], float],
        rules: Sequence[Rule],
        *,
        carrier: str,
        target_info: bool,
    ) -> None:
        self._names, self._carried, self._query_wire, self._now, self._rules = names, carried, query_wire, now, rules
        self._carrier, self._target_info = carrier, target_info
        self._identities = points.Identities(names, carried)
        self._sent_names: dict[str, set[str]] = {}
        self._decimal: bool | None = None
        """Is it VictoriaMetrics? Known once it was asked."""

    def expect(self, series: Series, point: Point) -> Expected | None:
        """How a query shows the point."""
        if not self._carried(series, point):
            return None
        self._sent_names.setdefault(series.stream.name, set()).add(self._names.name(series.stream) or "")
        return expected(self._names, series, point, target_info=self._target_info)

    def identify(self, series: Series, point: Point) -> Expected | None:
        """The point's samples, each under its series."""
        return self._identities.of(series, point)

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Milliseconds, text, normalised names, 64-bit floats, and what the carrier does not carry."""
        known = declared(field, sent, seen, self._sent_names, self._carrier)
        return decimal(field, sent, seen) if known is None and self._decimal else known

    def find(self, wire: Wire, wanted: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """The raw samples of these metrics at these times."""
        api = self._api(wire)
        if isinstance(api, Unreadable):
            return api
        if self._decimal is None:
            self._decimal = is_victoriametrics(wire.get(""))
        shown = points.find(api, wanted)
        return without_nan(wanted, shown) if self._decimal and not isinstance(shown, Unreadable) else shown

    def read_back(self, wire: Wire, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """The raw samples of the run, and what its resources say of themselves."""
        api = self._api(wire)
        if isinstance(api, Unreadable):
            return api
        rows = api.of_run(query.run_id, query.since, query.until)
        jobs = sorted({str(point.fields["labels.job"]) for point in query.expected if "labels.job" in point.fields})
        instances = sorted({str(point.fields.get("labels.instance", "")) for point in query.expected})
        infos = api.infos(jobs, instances, query.since, query.until) if jobs and self._target_info else []
        if isinstance(rows, Unreadable):
            return rows
        return infos if isinstance(infos, Unreadable) else seen(rows, infos, query.expected)

    def visible_after(self, wire: Wire) -> float | Unreadable:
        """Prometheus shows a sample at once; VictoriaMetrics after it has flushed."""
        api = self._api(wire)
        if isinstance(api, Unreadable):
            return api
        return VISIBLE_AFTER if is_victoriametrics(wire.get("")) else 0.0

    def count(self, wire: Wire, run_id: str) -> int | Unreadable:
        """How many points of the run are stored."""
        api = self._api(wire)
        return api if isinstance(api, Unreadable) else api.count(run_id)

    def delete(self, wire: Wire, run_id: str) -> int | Unreadable:
        """By the admin API, which VictoriaMetrics has too."""
        api = self._api(wire)
        return api if isinstance(api, Unreadable) else api.delete(run_id)

    def _api(self, wire: Wire) -> QueryApi | Unreadable:
        reading = self._query_wire(wire)
        return reading if isinstance(reading, Unreadable) else QueryApi(reading, self._now(), self._rules)
