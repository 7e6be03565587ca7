"""Read-back of documents: what is expected of them, and the queries in `run`, `by_id`, `counting` and `cleanup`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from magictel.exporters.elasticsearch.readback import by_id, cleanup, counting, expected, run
from magictel.exporters.elasticsearch.readback.fields import Fields
from magictel.model.metrics import Point, Series
from magictel.model.verification import Counted, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.plugin.http_exporter import HttpReadBack

if TYPE_CHECKING:
    from magictel.exporters.elasticsearch.exporter import SearchExporter


class SearchReadBack(HttpReadBack["SearchExporter[Any]"]):
    """Read-back of both products. Documents are looked for where the replies to the bulk requests say that they are."""

    def __init__(self, exporter: SearchExporter[Any]) -> None:
        super().__init__(exporter)
        self._flat = expected.FlatAttributes()
        self._known: tuple[SampleQuery, str, Fields] | None = None
        """The fields of an index, once they are complete for a query: it is sent several times until it shows all points."""

    def expect(self, series: Series, point: Point) -> Expected | None:
        """Return the document's fields with the values that were sent."""
        return expected.expected(series, point, self.exporter.encoder.encode(series, point), self._flat)

    def identify(self, series: Series, point: Point) -> Expected | None:
        """Return the document's fields, with its `_id` as the key."""
        item = self.exporter.encoder.encode(series, point)
        return None if self.exporter.mode.time_series else expected.identified(series, point, item, self._flat)

    def find(self, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """Search for the `_id`s, and by time for copies of the points with another `_id`."""
        if self.exporter.mode.time_series:
            why = "a time-series index generates its own ids: its documents cannot be matched with what was sent"
            return Unreadable("verify.unsupported", why)
        return by_id.find(self.wire(), self.exporter.places.read, expected, self.declared)

    def count(self, metrics: Sequence[Counted]) -> Sequence[int] | Unreadable:
        """Count by name and time, the only way in a time-series index."""
        return counting.count(self.wire(), self.exporter.places.read, metrics)

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Return the lossy form: milliseconds, cut texts, order and repeats of lists, flattened types."""
        return expected.declared(field, sent, seen)

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """Search for the run's id; the values are doc values."""
        wire, index = self.wire(), self.exporter.places.read
        if self._known is not None and self._known[0] is query and self._known[1] == index:
            return run.read_back(wire, index, query, self._known[2])
        fields = run.fields_of(wire, index)
        if isinstance(fields, Unreadable):
            return fields
        names = {name for point in query.expected for name in point.fields}
        if fields.complete(names | {expected.RUN_ID, expected.POINT}):
            self._known = query, index, fields
        return run.read_back(wire, index, query, fields)

    def visible_delay(self) -> float | Unreadable:
        """Return the index's refresh_interval."""
        return run.refresh_interval(self.wire(), self.exporter.places.read)

    def run_size(self, run_id: str) -> int | Unreadable:
        """Return the number of documents of a run."""
        return cleanup.count(self.wire(), self.exporter.places.read, run_id)

    def forget_run(self, run_id: str) -> int | Unreadable:
        """Delete the documents of a run; return their number."""
        return cleanup.delete(self.wire(), self.exporter.places.read, run_id)
