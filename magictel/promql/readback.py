"""Read-back of every exporter to a backend with Prometheus' query API: expected points, and what queries show of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from magictel.formats.prometheus.series import SeriesNames
from magictel.http.error_rules import Rule
from magictel.http.wire import Wire
from magictel.model.metrics import Point, Series
from magictel.model.verification import RUN_ID, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.plugin.http_exporter import H, HttpReadBack
from magictel.plugin.interface import E, ReadBack
from magictel.promql import expected as expectation
from magictel.promql import points
from magictel.promql.query import QueryApi
from magictel.promql.victoriametrics import VISIBLE_AFTER, decimal, is_victoriametrics, without_nan


class QueryReadBack(ReadBack[E]):
    """What only needs the query API, whatever carries the points to the backend."""

    def api(self) -> QueryApi | Unreadable:
        """Return the query API, or why its address is unknown."""
        raise NotImplementedError

    def cannot_query(self) -> Unreadable | None:
        """Return why the address of the query API is unknown, or None."""
        api = self.api()
        return api if isinstance(api, Unreadable) else None

    def run_size(self, run_id: str) -> int | Unreadable:
        """Return the number of stored points of the run."""
        api = self.api()
        return api if isinstance(api, Unreadable) else api.count(run_id)

    def forget_run(self, run_id: str) -> int | Unreadable:
        """Delete the run's points with the admin API, which VictoriaMetrics also has."""
        api = self.api()
        return api if isinstance(api, Unreadable) else api.delete(run_id)


class PromqlReadBack(QueryReadBack[H], HttpReadBack[H]):
    """A read-back with the query API.

    `carried`: whether the encoder sends a point. `query_wire`: returns the wire to the query API, or why there is none.
    `rules`: classify error replies. `carrier`: the displayed name of the format that carries the points.
    """

    def __init__(
        self,
        exporter: H,
        names: SeriesNames,
        carried: Callable[[Series, Point], bool],
        query_wire: Callable[[Wire], Wire | Unreadable],
        rules: Sequence[Rule],
        *,
        carrier: str,
        target_info: bool,
    ) -> None:
        super().__init__(exporter)
        self._names, self._carried, self._query_wire, self._rules = names, carried, query_wire, rules
        self._carrier, self._target_info = carrier, target_info
        self._identities = points.Identities(names, carried)
        self._sent_names: dict[str, set[str]] = {}
        self._decimal: bool | None = None
        """Whether the backend is VictoriaMetrics; known after the first query."""

    def expect(self, series: Series, point: Point) -> Expected | None:
        """Return how a query shows the point."""
        if not self._carried(series, point):
            return None
        self._sent_names.setdefault(series.stream.name, set()).add(self._names.name(series.stream) or "")
        return expectation.expected(self._names, series, point, target_info=self._target_info)

    def identify(self, series: Series, point: Point) -> Expected | None:
        """Return the point's samples, each with its series."""
        return self._identities.of(series, point)

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Return the lossy form of a difference: milliseconds, text, normalised names, 64-bit floats, or not carried."""
        known = expectation.declared(field, sent, seen, self._sent_names, self._carrier, self._names.label)
        return decimal(field, sent, seen) if known is None and self._decimal else known

    def find(self, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """Return the points of these metrics at these times."""
        api = self.api()
        if isinstance(api, Unreadable):
            return api
        if self._decimal is None:
            self._decimal = is_victoriametrics(self.wire().get(""))
        shown = points.find(api, expected)
        return without_nan(expected, shown) if self._decimal and not isinstance(shown, Unreadable) else shown

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """Return the points of the run with the `target_info` of its resources."""
        api = self.api()
        if isinstance(api, Unreadable):
            return api
        rows = api.of_run(query.run_id, query.since, query.until)
        jobs = sorted({str(point.fields["labels.job"]) for point in query.expected if "labels.job" in point.fields})
        instances = sorted({str(point.fields.get("labels.instance", "")) for point in query.expected})
        infos = api.infos(jobs, instances, query.since, query.until) if jobs and self._target_info else []
        if isinstance(rows, Unreadable):
            return rows
        return (
            infos if isinstance(infos, Unreadable) else expectation.seen(rows, infos, query.expected, self._names.label)
        )

    def visible_delay(self) -> float | Unreadable:
        """Return the delay until a sample is visible: none for Prometheus, a flush for VictoriaMetrics."""
        api = self.api()
        if isinstance(api, Unreadable):
            return api
        return VISIBLE_AFTER if is_victoriametrics(self.wire().get("")) else 0.0

    def api(self) -> QueryApi | Unreadable:
        """Return the query API, or why its address is unknown."""
        reading = self._query_wire(self.wire())
        if isinstance(reading, Unreadable):
            return reading
        return QueryApi(reading, self.exporter.clock.now(), self._rules, self._names.label(RUN_ID))
