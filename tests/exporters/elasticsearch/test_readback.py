"""Read-back from scripted answers: what is found, what cannot be asked, and which differences are declared."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.exporters.elasticsearch.encoding import encode, frame
from magictel.exporters.elasticsearch.readback import cleanup, run
from magictel.exporters.elasticsearch.readback.expected import FlatAttributes, declared, expected
from magictel.http.wire import Reply, Wire
from magictel.model.metrics import Series, groups
from magictel.model.verification import Expected, SampleQuery, Unreadable, Value, identical
from magictel.net.endpoint import Endpoint
from tests.exporters.elasticsearch.collections_of_points import collection, gauge, metrics
from tests.exporters.elasticsearch.test_probes import Scripted, answer, refusal

QUERY = SampleQuery("run", 0, 1, (Expected("p", "m p", {"value_double": 0.5}, "id-1"),))
CAPS, SEARCH = "GET /m/_field_caps", "POST /m/_search"
RUN, POINT = "attributes.magictel.run.id", "attributes.magictel.sample.point"


def caps(*indices: str, **types: str) -> Reply:
    named = {RUN: "keyword", POINT: "keyword", **types}
    fields = {name: {kind: {"aggregatable": kind != "text"}} for name, kind in named.items()}
    return answer(200, {"indices": list(indices or ("m",)), "fields": fields})


def hits(*documents: dict[str, Any], **shards: Any) -> Reply:
    listed = [{"_index": "m", "_id": f"id-{number}", "fields": fields} for number, fields in enumerate(documents, 1)]
    return answer(200, {"_shards": {"failed": 0, **shards}, "hits": {"hits": listed}})


def exporter_of(transport: Scripted) -> ElasticsearchExporter:
    return ElasticsearchExporter(ElasticsearchExporter.Settings(index="m"), transport=transport)


def asked(replies: dict[str, Reply]) -> tuple[Any, Scripted]:
    transport = Scripted(replies)
    return exporter_of(transport).readback.seen(QUERY), transport


def test_a_hit_is_a_point_seen() -> None:
    seen, transport = asked({CAPS: caps(value_double="double"), SEARCH: hits({POINT: ["p"], "value_double": [0.5]})})
    assert [(point.key, dict(point.fields)["value_double"]) for point in seen] == [("p", 0.5)]
    assert not any("refresh" in path or "/_doc/" in path for path in transport.asked)


def test_the_fields_of_an_index_are_asked_for_until_they_are_complete() -> None:
    one_hit = hits({POINT: ["p"], "value_double": [0.5]})
    transport = Scripted({CAPS: caps(), SEARCH: hits(), "GET /m/_settings": answer(404, {})})
    exporter = exporter_of(transport)
    assert exporter.readback.seen(QUERY) == []
    transport.replies = {CAPS: caps(value_double="double"), SEARCH: one_hit}
    for _ in range(3):
        seen = exporter.readback.seen(QUERY)
        assert not isinstance(seen, Unreadable)
        assert [dict(point.fields)["value_double"] for point in seen] == [0.5]
    assert sum("_field_caps" in path for path in transport.asked) == 2
    exporter.readback.seen(SampleQuery("run", 0, 1, QUERY.expected))
    assert sum("_field_caps" in path for path in transport.asked) == 3, "another look begins anew"


def test_a_field_without_doc_values_is_unreadable_and_never_asked_for() -> None:
    seen, _ = asked({CAPS: caps(value_double="text"), SEARCH: hits({POINT: ["p"]})})
    assert "no doc values" in seen[0].unreadable["value_double"]


UNREADABLE: list[tuple[str, dict[str, Reply], str, bool]] = [
    ("no right", {CAPS: refusal(403, "action [x] is unauthorized")}, "es.read.forbidden", True),
    ("wrong credentials", {CAPS: refusal(401, "unable to authenticate user [x]")}, "http.unauthorized", True),
    ("no index", {CAPS: refusal(404, "no such index", "index_not_found_exception")}, "es.read.no-index", False),
    ("busy", {CAPS: caps(), SEARCH: answer(503, {})}, "es.read.unavailable", False),
    ("a shard failed", {CAPS: caps(), SEARCH: hits(failed=1)}, "es.read.partial", False),
    ("nonsense", {CAPS: caps(), SEARCH: answer(200, {"took": 1})}, "es.read.refused", True),
]


@pytest.mark.parametrize(("replies", "code", "final"), [r[1:] for r in UNREADABLE], ids=[r[0] for r in UNREADABLE])
def test_what_cannot_be_asked_says_why(replies: dict[str, Reply], code: str, final: bool) -> None:
    seen, _ = asked(replies)
    assert isinstance(seen, Unreadable)
    assert (seen.code, seen.final) == (code, final)


def test_more_fields_than_one_search_may_ask_for_are_asked_in_several() -> None:
    fields: dict[str, Value] = {f"attributes.k{number}": "v" for number in range(200)}
    query = SampleQuery("run", 0, 1, (Expected("p", "m p", fields),))
    types = dict.fromkeys(fields, "keyword")
    bodies: list[int] = []

    class Counting(Scripted):
        def send(self, request: Any, timeout: float) -> Reply:
            if request.body:
                bodies.append(len(json.loads(request.body).get("docvalue_fields", ())))
            return super().send(request, timeout)

    transport = Counting({CAPS: caps(**types), SEARCH: hits({POINT: ["p"]})})
    exporter_of(transport).readback.seen(query)
    assert sum(bodies) == 201
    assert max(bodies) <= 100


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1.0), ("500ms", 0.5), ("1m", 60.0), ("-1", -0.001), ("250000micros", 0.25), ("x", 1.0)]
)
def test_refresh_intervals(text: str, seconds: float) -> None:
    assert run.seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("settings", "expected_delay"),
    [
        (answer(200, {"m": {"settings": {}, "defaults": {"index.refresh_interval": "1s"}}}), 1.0),
        (answer(200, {"a": {"settings": {"index.refresh_interval": "30s"}}, "b": {"settings": {}}}), 30.0),
        (refusal(403, "no"), 1.0),
        (refusal(404, "no"), 1.0),
    ],
)
def test_visibility_is_the_slowest_index(settings: Reply, expected_delay: float) -> None:
    wire = Wire(
        Scripted({"GET /m/_settings/index.refresh_interval": settings}), Endpoint("http", "scripted.test", 9200)
    )
    assert run.refresh_interval(wire, "m") == expected_delay


def test_deleting_without_the_right_says_so() -> None:
    script = {CAPS: caps(), "POST /m/_delete_by_query": refusal(403, "action [x] is unauthorized")}
    gone = cleanup.delete(Wire(Scripted(script), Endpoint("http", "scripted.test", 9200)), "m", "run")
    assert isinstance(gone, Unreadable)
    assert gone.code == "es.read.no-delete"


T9 = "2026-11-25T02:20:30.174123456Z"
DECLARED: list[tuple[str, Value, Value, bool]] = [
    ("@timestamp", T9, "2026-11-25T02:20:30.174000000Z", True),
    ("@timestamp", T9, "2026-11-25T02:20:30.175000000Z", False),
    ("@timestamp", T9, "2026-11-25T02:20:30.000000000Z", False),
    ("attributes.n", 5, "5", True),
    ("attributes.n", 5, "6", False),
    ("attributes.b", True, "true", True),
    ("attributes.f", 0.5, "0.5", True),
    ("attributes.f", 0.5, 0, False),
    ("attributes.t", "x" * 5000, "x" * 4096, True),
    ("attributes.t", "x" * 300, None, False),
    ("attributes.l", ("b", "a", "b"), ("a", "b"), True),
    ("attributes.l", ("b", "a"), ("a",), False),
    ("attributes.l", (3, 1), (1, 3), True),
    ("attributes.l", (3, 1), ("1", "3"), True),
    ("attributes.l", ("only",), "only", True),
    ("value_double", 0.5, "0.5", False),
    ("value_long", 5, 5.0, False),
    ("cumulative_counts", (1, 3), (3, 1), False),
    ("resource.attributes.replicas", 3, "3", True),
    ("name", "a", "b", False),
]


@pytest.mark.parametrize(("field", "sent", "seen", "is_declared"), DECLARED)
def test_only_documented_losses_are_declared(field: str, sent: Value, seen: Value, is_declared: bool) -> None:
    assert not identical(sent, seen)
    assert (declared(field, sent, seen) is not None) is is_declared


@given(metrics())
def test_every_field_of_a_document_is_expected_back_and_no_other(metric: Any) -> None:
    """What read-back is held against is made apart from the encoding; both must speak of the same fields."""
    for group in groups(collection(metric)):
        for point in group.points:
            attributes = {**(point.attributes or {}), "magictel.sample.point": "p", "magictel.run.id": "r"}
            series = Series(group.stream, attributes)
            item = encode(frame(group.stream), series, point)
            wanted = expected(series, point, item, FlatAttributes())
            assert wanted is not None
            assert wanted.key == "p"
            names = set(_leaves("", json.loads(item.splitlines()[1])))
            assert set(wanted.fields) | {RUN} == names


def test_a_point_that_is_not_the_samples_is_not_looked_for() -> None:
    [group] = groups(collection(gauge(1)))
    series = Series(group.stream, {})
    item = encode(frame(group.stream), series, group.points[0])
    assert expected(series, group.points[0], item, FlatAttributes()) is None


def _leaves(prefix: str, value: dict[str, Any]) -> list[str]:
    leaves = []
    for name, inner in value.items():
        if isinstance(inner, dict):
            leaves += _leaves(f"{prefix}{name}.", inner)
        elif inner is not None and inner != []:
            leaves.append(prefix + name)
    return leaves
