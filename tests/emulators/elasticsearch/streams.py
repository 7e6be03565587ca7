"""What data streams and time-series indices ask of a write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magictel.sandbox.elasticsearch.bulk import Item
from tests.emulators.elasticsearch import dates
from tests.emulators.elasticsearch.answers import Refused, excluded, illegal, no_such_index
from tests.emulators.elasticsearch.cluster import Cluster
from tests.emulators.elasticsearch.dialect import Dialect
from tests.emulators.elasticsearch.index import Index
from tests.emulators.elasticsearch.parsing import Parsed
from tests.emulators.elasticsearch.timeseries import TimeSeries


def is_stream(cluster: Cluster, name: str) -> bool:
    """True when a write to this name goes to a data stream, existing or to be made."""
    if name in cluster.streams:
        return True
    template = None if name in cluster.indices else cluster.templates.matching(name)
    return template is not None and "data_stream" in template[1]


def only_create(cluster: Cluster, name: str, *, resolved: bool) -> Refused:
    """Why an operation other than create is refused; `resolved` when a create of the same request found the stream."""
    reason = "only write ops with an op_type of create are allowed in data streams"
    if not cluster.dialect.modern or resolved:
        return illegal(reason)
    # The engine looks the name up without data streams, unless a create of the same request has found it already.
    return Refused(400, "illegal_argument_exception", reason, excluded(no_such_index(name)).error())


def custom_routing(cluster: Cluster, stream: str) -> Refused:
    """Why routing is refused."""
    if cluster.dialect.elastic:
        why = "but the [allow_custom_routing] setting was not enabled in the data stream's template."
    else:
        why = "target the backing indices directly or remove the custom routing."
    joint = " " if cluster.dialect.elastic else ". "
    return illegal(f"index request targeting data stream [{stream}] specifies a custom routing{joint}{why}")


def check_series_time(index: Index, source: Mapping[str, Any]) -> None:
    """Refuse a document for a time-series stream without a timestamp, or with one outside its window."""
    if index.series is None:
        return
    written = source.get("@timestamp")
    if written is None:
        reason = "Failed to parse object: expecting token of type [START_OBJECT] but found [null]"
        cause = {"type": "parsing_exception", "reason": reason, "line": 1, "col": 1}
        raise Refused(400, "timestamp_error", f"Error extracting data stream timestamp field: {reason}", cause)
    moment = dates.parse(str(written), dates.DEFAULT_FORMAT)
    if moment is not None:
        index.series.check_window(moment, str(written))


def check_timestamp(dialect: Dialect, parsed: Parsed, source: Mapping[str, Any], described: str) -> None:
    """Refuse a document without exactly one timestamp."""
    count = len(parsed.values.get("@timestamp", []))
    if count == 1:
        return
    if not dialect.elastic:
        reason = "documents must contain a single-valued timestamp field '@timestamp' of date type"
    elif count == 0:
        reason = "data stream timestamp field [@timestamp] is missing"
    else:
        reason = "data stream timestamp field [@timestamp] encountered multiple values"
    cause = {"type": "illegal_argument_exception", "reason": reason}
    text = dialect.at(f"failed to parse: {reason}") if dialect.modern else "failed to parse"
    written = source.get("@timestamp")
    if dialect.modern and count > 1 and isinstance(written, list):
        text = dialect.at(
            f"failed to parse field [@timestamp] of type [date] {described}. Preview of field's value: '{written[-1]}'"
        )
    raise Refused(400, dialect.document_error, text, cause)


def series_identity(
    index: Index, series: TimeSeries, item: Item, parsed: Parsed, source: Mapping[str, Any]
) -> tuple[str, str]:
    """The `_id` and the label that the engine derives; refuses any other `_id` and a timestamp outside the window."""
    dialect = index.mapping.dialect
    if "@timestamp" not in parsed.values:
        check_timestamp(dialect, parsed, source, "")
    series.check_window(parsed.values["@timestamp"][0], str(source.get("@timestamp")))
    doc_id, label = series.identity(parsed, source)
    if item.id is not None and item.id != doc_id:
        reason = (
            f"_id must be unset or set to [{doc_id}] but was [{item.id}] because [{index.name}] is in time_series mode"
        )
        cause = {"type": "illegal_argument_exception", "reason": reason}
        raise Refused(400, dialect.document_error, dialect.at(f"failed to parse: {reason}"), cause)
    return doc_id, f"[{doc_id}][{label}]"
