"""Read-back of a run: by search on the run id, as users see the data.

Never `refresh=`, never GET by id: both show what users do not see, and `refresh` needs a privilege that production lacks.
Values come from doc values of fields that are named one by one (a text field or `*` makes the whole search a 400). Doc values
are sorted, so for lists `fields` is asked as well, and proves the order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from magictel.exporters.elasticsearch.errors import READ_RULES, cause_of, reason_of
from magictel.exporters.elasticsearch.readback.expected import POINT, RUN_ID, TIMES
from magictel.exporters.elasticsearch.readback.fields import Fields
from magictel.exporters.elasticsearch.version import ask_product
from magictel.http import asking
from magictel.http.messages import malformed
from magictel.http.wire import Reply, Wire
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable, Value

_AT_ONCE = 90  # index.max_docvalue_fields_search is 100
MOST_HITS = 10_000  # index.max_result_window
_DEFAULT_REFRESH = 1.0
_SERVERLESS_REFRESH = 5.0
_DURATION = re.compile(r"(-?\d+)(nanos|micros|ms|s|m|h|d)?")
_UNITS = {"nanos": 1e-9, "micros": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1e-3}
_ASKED = (
    "@timestamp,start_timestamp,name,name.*,unit,unit.*,kind,kind.*,temporality,temporality.*,monotonic,value_*,count*,sum*,"
    "min*,max*,bounds*,scale,zero_*,cumulative_counts*,positive.*,negative.*,attributes,attributes.*,resource,resource.*,"
    "scope,scope.*"
)


def read_back(wire: Wire, index: str, query: SampleQuery, fields: Fields) -> Sequence[Seen] | Unreadable:
    """Return every hit of the run. `fields`: those of the index. Raises `WireError`."""
    ids = {point.id: point.key for point in query.expected if point.id}
    which = of_run(fields, query.run_id)
    if which is None:  # attributes are not indexed: doubles under other ids cannot be seen then
        if not ids:
            return Unreadable("es.read.unsearchable", f"{RUN_ID} is in no field of {index} that can be searched")
        which = {"ids": {"values": sorted(ids)}}
    if len(fields.indices) <= 1:
        return _one_index(wire, index, fields, which, query, ids)
    # The indices behind one name may map a field differently: each is asked in its own terms.
    hits = hits_of(wire, index, {"query": which, "_source": False, "size": _size(query)})
    if isinstance(hits, Unreadable):
        return hits
    seen: list[Seen] = []
    for concrete in sorted({key.rpartition("/")[0] for key, _ in hits}):
        index_fields = fields_of(wire, concrete)
        part = (
            index_fields
            if isinstance(index_fields, Unreadable)
            else _one_index(wire, concrete, index_fields, which, query, ids)
        )
        if isinstance(part, Unreadable):
            return part
        seen += part
    return seen


def _one_index(
    wire: Wire,
    index: str,
    fields: Fields,
    which: Mapping[str, Any],
    query: SampleQuery,
    ids: Mapping[str, str],
) -> Sequence[Seen] | Unreadable:
    wanted = {point.key: point for point in query.expected}
    names = {name for point in query.expected for name in point.fields} | {POINT}
    shown = {name: by_name for name in names if (by_name := fields.shown_by(name))}
    hits = search(wire, index, which, shown, lists_of(query.expected), _size(query))
    if isinstance(hits, Unreadable):
        return hits
    hidden = fields.hidden(names)
    return [_seen(key, hit, shown, wanted, hidden, ids) for key, hit in hits.items()]


def of_run(fields: Fields, run_id: str) -> dict[str, Any] | None:
    """Return the query for a run's documents: by every field that contains its id as a whole, in any index of the name."""
    return fields.holding(RUN_ID, run_id)


def _size(query: SampleQuery) -> int:
    return min(MOST_HITS, 4 * len(query.expected) + 100)


def fields_of(wire: Wire, index: str) -> Fields | Unreadable:
    """Return the fields of the index that a document can have. Raises `WireError`."""
    reply = wire.get(f"/{quote(index)}/_field_caps?fields={_ASKED}&ignore_unavailable=false")
    if not reply.ok:
        return unreadable(reply, wire)
    body = reply.json()
    if not isinstance(body, dict) or not isinstance(body.get("fields"), dict):  # no fields would read as no documents
        raise malformed(f"GET /{index}/_field_caps")
    return Fields.of(body)


def refresh_interval(wire: Wire, index: str) -> float | Unreadable:
    """Seconds until a stored document is shown, by its own setting; unreadable: 1, or 5 if serverless. Raises `WireError`."""
    reply = wire.get(f"/{quote(index)}/_settings/index.refresh_interval?flat_settings=true&include_defaults=true")
    body = reply.json()
    if not reply.ok or not isinstance(body, dict):
        return _SERVERLESS_REFRESH if ask_product(wire, False).serverless else _DEFAULT_REFRESH
    longest = 0.0
    for settings in body.values():
        for layer in ("settings", "defaults"):
            text = settings.get(layer, {}).get("index.refresh_interval") if isinstance(settings, dict) else None
            if text is None:
                continue
            seconds = seconds_of(str(text))
            if seconds < 0:
                return Unreadable(
                    "es.read.never-refreshed",
                    f"refresh_interval of {index} is -1: searches show nothing new until a manual refresh",
                    f"PUT {index}/_settings with index.refresh_interval: null",
                )
            longest = max(longest, seconds)
            break
    return longest or _DEFAULT_REFRESH


def seconds_of(text: str) -> float:
    """A time value of Elasticsearch (`30s`, `500ms`, `-1`) in seconds; negative is never."""
    match = _DURATION.fullmatch(text.strip().lower())
    return int(match.group(1)) * _UNITS[match.group(2)] if match else _DEFAULT_REFRESH


def unreadable(reply: Reply, wire: Wire) -> Unreadable:
    """Return why a reply does not show the stored points."""
    return asking.unreadable(reply, wire, READ_RULES, reason_of(reply))


def ask(
    wire: Wire, path: str, body: Mapping[str, Any], accept: Callable[[Mapping[str, Any]], bool], *, masked: bool = True
) -> Any | Unreadable:
    """Return the answer to a search that `accept` takes, or why there is none. Raises `WireError`."""
    return asking.ask(wire, path, READ_RULES, body=body, accept=accept, masked=masked, reason=reason_of)


def search(
    wire: Wire, index: str, which: Mapping[str, Any], shown: Mapping[str, str], lists: Sequence[str], size: int
) -> dict[str, dict[str, list[Any]]] | Unreadable:
    """Hits by id and index, each with the values of every shown field; lists in their order where `fields` proves it."""
    names = sorted(set(shown.values()))
    hits: dict[str, dict[str, list[Any]]] = {}
    for start in range(0, max(1, len(names)), _AT_ONCE):
        body = {
            "query": dict(which),
            "docvalue_fields": names[start : start + _AT_ONCE],
            "_source": False,
            "size": size,
            "sort": ["_doc"],
        }
        hits_found = hits_of(wire, index, body)
        if isinstance(hits_found, Unreadable):
            return hits_found
        for key, values in hits_found:
            hits.setdefault(key, {}).update(values)
    if lists and hits:
        body = {"query": dict(which), "fields": list(lists), "_source": False, "size": size}
        ordered = hits_of(wire, index, body)
        if not isinstance(ordered, Unreadable):  # before 7.10 there is no `fields`: doc values stand alone
            for key, values in ordered:
                for name, listed in values.items():
                    shown_value = hits.get(key, {}).get(name)
                    if (
                        shown_value is not None
                        and len(shown_value) == len(listed)
                        and sorted(shown_value) == sorted(listed)
                    ):
                        hits[key][name] = listed
    return hits


def hits_of(wire: Wire, index: str, body: Mapping[str, Any]) -> list[tuple[str, dict[str, list[Any]]]] | Unreadable:
    """A search's hits: `index/id` of each, and its fields. Raises `WireError`."""
    hits = whole_hits(wire, index, body)
    if isinstance(hits, Unreadable):
        return hits
    return [(f"{hit['_index']}/{hit['_id']}", hit.get("fields", {})) for hit in hits]


def whole_hits(wire: Wire, index: str, body: Mapping[str, Any]) -> list[dict[str, Any]] | Unreadable:
    """A search's hits as they come. An answer that lacks shards concludes nothing. Raises `WireError`."""
    # Values are compared: one that is a secret of ours by chance must stay.
    answer = ask(wire, f"/{quote(index)}/_search", body, _has_hits, masked=False)
    if isinstance(answer, Unreadable):
        return answer
    shards = answer.get("_shards", {})
    if shards.get("failed") or answer.get("timed_out"):
        causes = "; ".join(str(cause_of(failure.get("reason"))) for failure in shards.get("failures", ())[:1])
        why = wire.redact.echoed(f"{shards.get('failed')} shards did not answer: {causes}")
        return Unreadable("es.read.partial", why[:300], final=False)
    hits: list[dict[str, Any]] = answer["hits"]["hits"]
    return hits


def _has_hits(answer: Mapping[str, Any]) -> bool:
    hits = answer.get("hits")
    return isinstance(hits, dict) and isinstance(hits.get("hits"), list)


def lists_of(expected: Sequence[Expected]) -> list[str]:
    """The numbers' lists that a point's value has; attributes' lists lose their order by declaration."""
    return sorted(
        {
            name
            for point in expected
            for name, value in point.fields.items()
            if isinstance(value, tuple) and "attributes." not in name
        }
    )


def _seen(
    hit_key: str,
    hit: Mapping[str, list[Any]],
    shown: Mapping[str, str],
    wanted: Mapping[str, Expected],
    hidden: Mapping[str, str],
    ids: Mapping[str, str],
) -> Seen:
    """Return a hit as a point, identified by its attribute or else by its id."""
    named = next(iter(hit.get(shown.get(POINT, POINT), ())), None)
    key = str(named) if named is not None else ids.get(hit_key.rpartition("/")[2], hit_key)
    want = wanted[key].fields if key in wanted else {}
    fields = dict(values_of(hit, shown, want))
    return Seen(key, fields, {name: why for name, why in hidden.items() if name in want})


def values_of(
    hit: Mapping[str, list[Any]], shown: Mapping[str, str], want: Mapping[str, Value]
) -> Iterator[tuple[str, Value]]:
    """The fields that a hit shows, by the names they were sent under."""
    for name, by in shown.items():
        values = hit.get(by)
        if not values:
            continue
        if name in TIMES:
            values = [_nanoseconds(value) for value in values]
        yield name, tuple(values) if len(values) > 1 or isinstance(want.get(name), tuple) else values[0]


def _nanoseconds(shown: Any) -> Any:
    """A date as doc values show it, with all nine digits of the second."""
    if isinstance(shown, str) and shown.endswith("Z"):
        seconds, _, fraction = shown[:-1].partition(".")
        return f"{seconds}.{fraction:0<9}Z"
    return shown
