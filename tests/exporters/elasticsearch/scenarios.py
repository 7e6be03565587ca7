"""What must hold on every engine, real or emulated: imported by the modules that bring an `engine` fixture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from magictel.http.wire import Reply, Request, Transport
from magictel.model.events import SendOutcome
from magictel.model.finding import Rung, Status
from magictel.model.outcome import Fate
from magictel.operations.clean import clean
from magictel.operations.prepare import prepare
from tests.exporters.elasticsearch.collections_of_points import collection, gauge
from tests.exporters.elasticsearch.engines import Engine, Tampering, checked, rungs, sent, sent_side_by_side


def test_everyday_sample_is_verified_with_a_warning_and_the_thorough_one_is_altered(engine: Engine) -> None:
    everyday = sent(engine.job())
    assert everyday.outcome is SendOutcome.VERIFIED, everyday
    assert everyday.verification is not None
    assert (everyday.receipt.delivered, everyday.verification.found) == (12, 12)
    assert everyday.verification.time_to_visible is not None
    assert everyday.verification.time_to_visible < 5
    assert [finding.code for finding in everyday.findings] == ["es.mapping.unprepared"]
    assert {difference.declared for difference in everyday.verification.differences} == {
        "timestamps truncated to milliseconds"
    }
    thorough = sent(engine.job(), thorough=True)
    assert thorough.outcome is SendOutcome.ALTERED
    assert thorough.verification is not None
    altered = {
        (difference.point.split()[0], difference.field)
        for difference in thorough.verification.differences
        if difference.declared is None
    }
    assert altered == {
        ("magictel.sample.wide", "value_double"),
        ("magictel.sample.tenth", "value_double"),
        ("magictel.sample.tenth", "attributes.magictel.sample.long"),
    }


def test_after_prepare_the_thorough_sample_is_verified(engine: Engine) -> None:
    shown = prepare(engine.job(), apply=False)
    assert [step.status for step in shown.requests] == [None]
    assert engine.http.get(f"/_index_template/magictel-{engine.index}").status_code == 404
    done = prepare(engine.job(), apply=True)
    assert done.trouble is None
    assert [step.status for step in done.requests] == [200]
    result = checked(engine.job())
    assert rungs(result)[Rung.WRITE].outcome is Status.PASS, rungs(result)[Rung.WRITE]
    thorough = sent(engine.job(), thorough=True)
    assert thorough.outcome is SendOutcome.VERIFIED, thorough
    assert thorough.receipt.delivered == 17
    assert prepare(engine.job(), apply=True).trouble is None


ODD: dict[str, list[dict[str, Any]]] = {
    "a date, then a word": [{"k": "2026-11-24"}, {"k": "monday"}],
    "a beside a.b": [{"a": "1"}, {"a.b": "2"}],
    "a.b beside a": [{"a.b": "2"}, {"a": "1"}],
    "a mixed list": [{"l": [1, "x", True]}],
    "an empty name": [{"": "1"}],
    "a number, then a word": [{"n": 5}, {"n": "five"}],
    "points around a name": [{"n.": "1"}, {".n": "1"}],
    "a decimal beyond 32 bits": [{"f": 0.5}, {"f": 1e300}],
    "a text of 5000 characters": [{"t": "é" * 5000}],
}


def test_after_prepare_no_attribute_can_break_a_point(engine: Engine) -> None:
    assert prepare(engine.job(), apply=True).trouble is None
    exporter = engine.exporter()
    for name, odd in ODD.items():
        for attributes in odd:
            receipt = exporter.deliver(collection(gauge(1, attributes=attributes)))
            assert receipt.delivered == 1, (name, receipt)
    exporter.shutdown(0)


def test_before_prepare_each_refused_attribute_is_counted_under_its_code(engine: Engine) -> None:
    exporter = engine.exporter()
    codes = set()
    for odd in ODD.values():
        for attributes in odd:
            receipt = exporter.deliver(collection(gauge(1, attributes=attributes)))
            assert receipt.delivered + receipt.rejected == 1, receipt
            codes |= {reason.code for reason in receipt.reasons if reason.fate is Fate.REJECTED}
    exporter.shutdown(0)
    assert "es.write.mapping-type" in codes
    assert codes <= {"es.write.mapping-type", "es.write.field-name", "es.write.out-of-range"}, codes


def test_decimals_mapped_as_ip_are_rejected_exactly_and_the_field_is_named(engine: Engine) -> None:
    engine.make({"properties": {"value_double": {"type": "ip"}}})
    result = sent(engine.job())
    assert result.outcome is SendOutcome.REJECTED
    assert (result.receipt.delivered, result.receipt.rejected) == (8, 4)
    assert result.code == "es.write.mapping-type"
    assert result.message is not None
    assert "value_double" in result.message
    assert result.verification is not None
    assert (result.verification.found, result.verification.altered) == (8, 0)
    write = rungs(checked(engine.job()))[Rung.WRITE]
    assert (write.outcome, write.code) == (Status.FAIL, "es.write.mapping-type")
    assert "value_double" in write.message


def test_decimals_mapped_as_long_are_altered(engine: Engine) -> None:
    engine.make({"properties": {"value_double": {"type": "long"}}})
    result = sent(engine.job())
    assert result.outcome is SendOutcome.ALTERED
    assert result.verification is not None
    undeclared = [difference for difference in result.verification.differences if difference.declared is None]
    assert {difference.field for difference in undeclared} == {"value_double"}
    assert (0.5, 0) in {(difference.sent, difference.seen) for difference in undeclared}
    write = rungs(checked(engine.job()))[Rung.WRITE]
    assert (write.outcome, write.code) == (Status.WARN, "es.mapping.long")


MAPPINGS: list[tuple[str, dict[str, Any], SendOutcome]] = [
    ("ignored as malformed", {"value_double": {"type": "ip", "ignore_malformed": True}}, SendOutcome.ALTERED),
    ("without doc values", {"value_double": {"type": "double", "doc_values": False}}, SendOutcome.UNVERIFIED),
    ("text alone", {"name": {"type": "text"}}, SendOutcome.UNVERIFIED),
    ("kept from the index", {"attributes": {"type": "object", "enabled": False}}, SendOutcome.ALTERED),
    ("too short a keyword", {"name": {"type": "keyword", "ignore_above": 20}}, SendOutcome.ALTERED),
]


def test_what_users_cannot_see_is_never_called_equal(engine: Engine) -> None:
    beside = [engine.beside(str(number)) for number in range(len(MAPPINGS))]
    for (_, properties, _), other in zip(MAPPINGS, beside, strict=True):
        other.make({"properties": properties})
    results = sent_side_by_side([other.job() for other in beside])
    for other in beside:
        other.http.delete(f"/{other.index}")
    assert {name: result.outcome for (name, _, _), result in zip(MAPPINGS, results, strict=True)} == {
        name: outcome for name, _, outcome in MAPPINGS
    }


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("write", "es.write.blocked"),
        ("read_only", "es.write.blocked"),
        ("read_only_allow_delete", "es.write.flood-stage"),  # the very block that a full disk sets
    ],
)
def test_a_blocked_index_fails_the_write_rung_and_keeps_every_point_out(engine: Engine, block: str, code: str) -> None:
    engine.make()
    settings = f"/{engine.index}/_settings"
    assert engine.http.put(settings, json={f"index.blocks.{block}": True}).status_code == 200
    write = rungs(checked(engine.job()))[Rung.WRITE]
    result = sent(engine.job())
    engine.http.put(settings, json={f"index.blocks.{block}": None})
    assert (write.outcome, write.code) == (Status.FAIL, code)
    assert (result.outcome, result.code) == (SendOutcome.UNDELIVERED, code)
    assert result.receipt.dropped == 12


def test_an_index_that_is_never_refreshed_is_unverified(engine: Engine) -> None:
    engine.make(None, **{"index.refresh_interval": -1})
    result = sent(engine.job())
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "es.read.never-refreshed")
    assert result.receipt.delivered == 12


def swap_counts(document: dict[str, Any]) -> None:
    """Swap two bucket counts, 3 and 1, as they are meant."""
    if document.get("cumulative_counts") == [4, 9, 9, 12, 13, 14]:
        document["cumulative_counts"] = [4, 9, 9, 10, 13, 14]


def swap_stored(document: dict[str, Any]) -> None:
    """Swap two elements of the stored list: doc values sort them back, `fields` shows it."""
    if document.get("cumulative_counts") == [4, 9, 9, 12, 13, 14]:
        document["cumulative_counts"] = [9, 4, 9, 12, 13, 14]


def delta(document: dict[str, Any]) -> None:
    if document["kind"] == "sum":
        document["temporality"] = "delta"


def lose_resource(document: dict[str, Any]) -> None:
    document["resource"]["attributes"].pop("service.name")


def add_field(document: dict[str, Any]) -> None:
    if document["kind"] == "gauge":
        document["value_long"] = 1


CHANGES = [swap_counts, swap_stored, delta, lose_resource, add_field]


def test_what_is_changed_on_the_way_is_altered(engine: Engine) -> None:
    beside = {change: engine.beside(change.__name__) for change in CHANGES}
    results = sent_side_by_side(
        [
            other.job(lambda inner, change=change: Tampering(inner, change), compression="none")  # type: ignore[misc]
            for change, other in beside.items()
        ]
    )
    for other in beside.values():
        other.http.delete(f"/{other.index}")
    assert {change.__name__: result.outcome for change, result in zip(beside, results, strict=True)} == {
        change.__name__: SendOutcome.ALTERED for change in CHANGES
    }


def test_points_stored_under_other_ids_as_well_are_duplicated(engine: Engine) -> None:
    exporter = engine.exporter(compression="none")
    inner = exporter.transport

    class Twice(Tampering):
        def send(self, request: Request, timeout: float) -> Reply:
            if "/_bulk?" in request.url:
                other = replace(request, body=request.body.replace(b'"_id":"', b'"_id":"0'))
                self.inner.send(other, timeout)
            return self.inner.send(request, timeout)

    job = engine.job(lambda transport: Twice(transport, lambda _: None), compression="none")
    result = sent(job)
    assert result.outcome is SendOutcome.DUPLICATED
    assert result.verification is not None
    assert result.verification.duplicated == 12
    inner.close()


def test_a_repeat_is_delivered_and_stored_once(engine: Engine) -> None:
    exporter = engine.exporter()
    data = collection(gauge(1.5, 2.5))
    first, again = exporter.deliver(data), exporter.deliver(data)
    exporter.shutdown(0)
    assert (first.delivered, again.delivered) == (2, 2)
    assert [(reason.code, reason.count) for reason in again.reasons] == [("es.write.duplicate", 2)]
    engine.http.post(f"/{engine.index}/_refresh")
    assert engine.http.get(f"/{engine.index}/_count").json()["count"] == 2


def test_clean_deletes_exactly_the_run(engine: Engine) -> None:
    exporter = engine.exporter()
    exporter.deliver(collection(gauge(1)))
    exporter.shutdown(0)
    result = sent(engine.job(), run_id="run-to-be-cleaned")
    assert result.outcome is SendOutcome.VERIFIED
    counts: list[int] = []
    cleaned = clean(
        engine.job(), "run-to-be-cleaned", say=lambda _, count: counts.append(count), expected=12, clock=engine.clock
    )
    assert (counts, cleaned.deleted, cleaned.complete) == ([12], 12, True)
    engine.http.post(f"/{engine.index}/_refresh")
    assert engine.http.get(f"/{engine.index}/_count").json()["count"] == 1


class NoDeleteByQuery:
    """A transport to an engine without the module that deletes by query: what was found is then deleted one by one."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner

    def send(self, request: Request, timeout: float) -> Reply:
        if "/_delete_by_query" in request.url:
            return Reply(400, {}, b'{"error":"no handler found for uri [/x/_delete_by_query] and method [POST]"}')
        return self.inner.send(request, timeout)

    def close(self) -> None:
        self.inner.close()


@pytest.mark.parametrize("required", [True, False], ids=["routing required", "routing allowed"])
def test_documents_that_were_routed_are_deleted_one_by_one_where_they_lie(engine: Engine, required: bool) -> None:
    engine.make({"_routing": {"required": required}}, number_of_shards=3)
    result = sent(engine.job(routing="a-tenant"), run_id="run-of-a-tenant")
    assert (result.outcome, result.receipt.delivered) == (SendOutcome.VERIFIED, 12), result
    cleaned = clean(
        engine.job(NoDeleteByQuery, routing="a-tenant"),
        "run-of-a-tenant",
        say=lambda *_: None,
        expected=12,
        clock=engine.clock,
    )
    assert (cleaned.found, cleaned.deleted, cleaned.complete) == (12, 12, True)
    engine.http.post(f"/{engine.index}/_refresh")
    assert engine.http.get(f"/{engine.index}/_count").json()["count"] == 0


def test_the_sdk_reader_delivers_through_the_exporter(engine: Engine) -> None:
    exporter = engine.exporter()
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    meter = provider.get_meter("real")
    meter.create_counter("requests").add(3, {"route": "/"})
    meter.create_histogram("latency").record(0.25, {"route": "/"})
    meter.create_gauge("level").set(21.5)
    provider.shutdown()
    assert exporter.ledger.delivered == 3
    engine.http.post(f"/{engine.index}/_refresh")
    hits = engine.http.get(f"/{engine.index}/_search").json()["hits"]["hits"]
    assert {hit["_source"]["name"] for hit in hits} == {"requests", "latency", "level"}


def test_a_data_stream_takes_the_sample(engine: Engine) -> None:
    body = {"index_patterns": [engine.index], "priority": 400, "data_stream": {}}
    if engine.http.put(f"/_index_template/magictel-{engine.index}", json=body).status_code != 200:
        pytest.skip(f"this build of {engine.name} has no data streams")
    assert sent(engine.job()).outcome is SendOutcome.VERIFIED
    plan = prepare(engine.job(), apply=True)
    assert plan.trouble is None
    assert [step.preparation.path for step in plan.requests][1] == f"/{engine.index}/_rollover"
    assert sent(engine.job(), thorough=True).outcome is SendOutcome.VERIFIED


def test_an_index_that_may_not_be_made_by_writing_fails_before_anything_is_written(engine: Engine) -> None:
    rule = {"persistent": {"action.auto_create_index": f"-{engine.index},*"}}
    assert engine.http.put("/_cluster/settings", json=rule).status_code == 200
    try:
        write = rungs(checked(engine.job()))[Rung.WRITE]
        assert (write.outcome, write.code) == (Status.FAIL, "es.write.no-auto-create")
        result = sent(engine.job())
        assert (result.outcome, result.code) == (SendOutcome.REJECTED, "es.write.no-auto-create")
    finally:
        engine.http.put("/_cluster/settings", json={"persistent": {"action.auto_create_index": None}})


def test_the_ladder_of_an_open_engine_holds(engine: Engine) -> None:
    result = rungs(checked(engine.job()))
    assert [result[rung].outcome for rung in (Rung.HTTP, Rung.AUTH, Rung.CLOCK, Rung.HEALTH)] == [Status.PASS] * 4
    assert result[Rung.AUTH].evidence["security"] == "off"
    assert result[Rung.WRITE].code == "es.mapping.unprepared"
    product = "OpenSearch" if engine.name.startswith("os") else "Elasticsearch"
    assert product in result[Rung.HTTP].message
