"""The read-back of a page: from the Prometheus that scrapes it, or else by a scrape of our own, which proves only the page."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from magictel.exporters.prometheus.errors import READ_RULES
from magictel.exporters.prometheus.families import left_out
from magictel.exporters.prometheus.targets import added_labels
from magictel.model.metrics import Point, Series
from magictel.model.verification import RUN_ID, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.promql import expected as expectation
from magictel.promql.query import QueryApi
from magictel.promql.readback import QueryReadBack
from magictel.sources.prometheus_grammar import LineError
from magictel.sources.prometheus_pages import OPENMETRICS, pages
from magictel.sources.prometheus_samples import Samples

if TYPE_CHECKING:
    from magictel.exporters.prometheus.exporter import PrometheusExporter

_OWN = "set prometheus_url to the Prometheus that scrapes this application: send-sample then reads back from it"
_ADDED = frozenset({"job", "instance"})
"""Labels that every Prometheus adds to a target's series."""


class PageReadBack(QueryReadBack["PrometheusExporter"]):
    """How a point of the page looks in Prometheus after a scrape."""

    def __init__(self, exporter: PrometheusExporter) -> None:
        super().__init__(exporter)
        self._names: dict[str, set[str]] = {}

    def expect(self, series: Series, point: Point) -> Expected | None:
        """Return how a query shows the point after the scrape that took it; None if that form of the page leaves it out."""
        names = self.exporter.encoding.names(self.exporter.form)
        if left_out(series.stream) is not None:
            return None
        self._names.setdefault(series.stream.name, set()).add(names.name(series.stream) or "")
        return expectation.expected(names, series, point, target_info=self.exporter.settings.target_info)

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Return the lossy form of a difference: a page has no times, and what a page changes of names and numbers."""
        if field == "time_unix_nano":
            return "the time of the scrape"
        return expectation.declared(field, sent, seen, self._names, "a page", self._label)

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """Return the newest sample of each series of the run, without the labels that the Prometheus adds."""
        wire = self.exporter.prometheus_wire()
        if wire is None:
            return self._own_scrape(query)
        until = self.exporter.clock.now() + 1
        api = QueryApi(wire, until, READ_RULES, self._label(RUN_ID))
        rows = api.of_run(query.run_id, query.since, until)
        if isinstance(rows, Unreadable):
            return rows
        jobs, instances = (sorted({row["metric"].get(name, "") for row in rows}) for name in ("job", "instance"))
        infos = api.infos(jobs, instances, query.since, until) if rows else []
        if isinstance(infos, Unreadable):
            return infos
        added = added_labels(wire, self.exporter.sample_page()) | _ADDED
        return self._shown(rows, infos, query.expected, added)

    def unproven(self) -> Unreadable | None:
        """Return that a scrape of our own proves nothing of a Prometheus; None if one is asked."""
        if self.exporter.settings.prometheus_url:
            return None
        why = "magictel scraped the page itself and every point is on it; whether a Prometheus scrapes it is not known"
        return Unreadable("prom.page.own-scrape", why, _OWN)

    def _label(self, key: str) -> str:
        """Return an attribute's label on the page."""
        return self.exporter.encoding.names(self.exporter.form).label(key)

    def api(self) -> QueryApi | Unreadable:
        """Return the query API of the Prometheus, or that no option names it."""
        wire = self.exporter.prometheus_wire()
        if wire is None:
            why = "a page stores nothing; which Prometheus scrapes it is not known"
            return Unreadable("verify.unsupported", why, _OWN)
        return QueryApi(wire, self.exporter.clock.now(), READ_RULES, self._label(RUN_ID))

    def _own_scrape(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        wire = self.exporter.page_wire(self.exporter.endpoint())
        reply = wire.get("")
        if not reply.ok:
            return Unreadable("verify.unreadable", f"the page answers {reply.status}: {wire.first_bytes(reply)}")
        now = self.exporter.clock.now()
        rows = list(_rows(str(wire.endpoint), reply.body, OPENMETRICS.get(reply.content_type), now))
        infos = [row for row in rows if row["metric"]["__name__"] == "target_info"]
        run = [row for row in rows if row["metric"].get(self._label(RUN_ID)) == query.run_id]
        return self._shown(run, infos, query.expected, frozenset())

    def _shown(
        self, rows: Iterable[Any], infos: Iterable[Any], wanted: Sequence[Expected], added: frozenset[str]
    ) -> list[Seen]:
        names = {name for known in self._names.values() for name in known}
        latest = [_newest(row) for row in rows if not _is_start(row["metric"].get("__name__", ""), names)]
        points = expectation.seen(latest, [_newest(info) for info in infos], wanted, self._label)
        return [Seen(point.key, _without(point.fields, added), point.unreadable) for point in points]


def _newest(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row of a matrix with its newest sample: each scrape adds one."""
    return {key: value[-1:] if key in ("values", "histograms") else value for key, value in row.items()}


def _is_start(name: str, names: Iterable[str]) -> bool:
    """Return whether a series is the start time of another one."""
    whole = name.removesuffix("_created")
    return whole != name and name not in names and (whole in names or f"{whole}_total" in names)


def _without(fields: Mapping[str, Value], added: Iterable[str]) -> dict[str, Value]:
    """Return a point's fields without the labels of its target; of a label that both have, the point's is `exported_…`."""
    mine = dict(fields)
    for name in added:
        mine.pop(f"labels.{name}", None)
        if (exported := mine.pop(f"labels.exported_{name}", None)) is not None:
            mine[f"labels.{name}"] = exported
        mine.pop(f"target_info.{name}", None)
    return mine


def _rows(name: str, body: bytes, openmetrics: bool | None, now: float) -> Iterable[dict[str, Any]]:
    """Yield the samples of a page as rows of a `matrix`, all of this time."""

    def ignored(line: int, column: int, expected: str) -> None:
        """Every line of our own page is valid; one that were not would be missing."""

    samples = Samples()
    for page in pages(name, io.BytesIO(body), openmetrics, ignored):
        for _, sample, _ in samples.lines(page):
            if not isinstance(sample, LineError):
                yield {
                    "metric": {"__name__": sample.name, **sample.labels.attributes},
                    "values": [[now, repr(sample.value)]],
                }
