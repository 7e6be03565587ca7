"""Counts of points by metric: the only read-back of an index that generates its own ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from magictel.exporters.elasticsearch.readback.run import ask, fields_of
from magictel.http.wire import Wire
from magictel.model.verification import Counted, Unreadable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def count(wire: Wire, index: str, metrics: Sequence[Counted]) -> Sequence[int] | Unreadable:
    """Return the number of points of each metric, by its name and times. Raises `WireError`."""
    fields = fields_of(wire, index)
    if isinstance(fields, Unreadable):
        return fields
    counts = []
    for metric in metrics:
        named = fields.holding("name", metric.metric)
        if named is None:
            return Unreadable(
                "es.read.unsearchable", f"the metric's name is in no field of {index} that can be searched"
            )
        times = {"gte": _text(metric.since // 1_000_000), "lt": _text(metric.until // 1_000_000 + 1)}
        number = total(wire, index, {"bool": {"filter": [named, {"range": {"@timestamp": times}}]}})
        if isinstance(number, Unreadable):
            return number
        counts.append(number)
    return counts


def total(wire: Wire, index: str, which: Mapping[str, Any]) -> int | Unreadable:
    """Return the number of documents that match a query. Raises `WireError`."""
    body = {"query": which, "size": 0, "track_total_hits": True}
    answer = ask(wire, f"/{quote(index)}/_search", body, lambda answer: isinstance(answer.get("hits"), dict))
    if isinstance(answer, Unreadable):
        return answer
    if answer.get("_shards", {}).get("failed") or answer.get("timed_out"):
        return Unreadable("es.read.partial", "not all shards answered the count", final=False)
    total = answer["hits"].get("total")
    value = total.get("value") if isinstance(total, dict) else total
    return value if isinstance(value, int) else Unreadable("es.read.refused", "a search answered without a total")


def _text(milliseconds: int) -> str:
    return (_EPOCH + timedelta(milliseconds=milliseconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
