"""Points that a time-series index takes for one: the first is sent, the others are named and counted; other indices are not asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricExportResult, MetricsData, NumberDataPoint

from magictel.clock import SystemClock
from magictel.exporters.elasticsearch import encoding
from magictel.http.wire import Request
from magictel.model.metrics import Point, Series
from magictel.model.outcome import Fate, Receipt
from tests.emulators.elasticsearch import admin
from tests.emulators.elasticsearch.emulator import SearchEmulator
from tests.exporters.elasticsearch.collections_of_points import collection
from tests.exporters.elasticsearch.engines import Emulated
from tests.fake_clock import FakeClock

CODE = "es.write.tsdb-collision"
DIMENSION = {"time_series_dimension": True}
ROUTED = {"index.mode": "time_series", "index.routing_path": ["name"]}
BY_SOURCE = {"index.mode": "time_series"}
FIELDS: dict[str, Any] = {
    "k": {"type": "keyword", **DIMENSION},
    "l": {"type": "long", **DIMENSION},
    "d": {"type": "double", **DIMENSION},
    "b": {"type": "boolean", **DIMENSION},
    "host": {"type": "keyword"},
}
ATTRIBUTES: dict[str, Any] = {"properties": FIELDS}
PASSTHROUGH: dict[str, Any] = {"type": "passthrough", "priority": 10, "dynamic": True, **DIMENSION}


@contextmanager
def engine(
    attributes: dict[str, Any] = ATTRIBUTES,
    settings: dict[str, Any] = ROUTED,
    *,
    with_stream: bool = True,
    version: str = "8.19.0",
    **options: Any,
) -> Iterator[Emulated]:
    """An emulator with a template for a time-series stream, and with the stream itself where it is `made`."""
    clock = FakeClock(SystemClock().now())
    engine = Emulated("es", SearchEmulator("elasticsearch", version, clock=clock, **options), clock, "series")
    put_template(engine, attributes, settings)
    if with_stream:
        engine.emulator.cluster.create_stream("series")
    yield engine
    engine.close()


def put_template(engine: Emulated, attributes: dict[str, Any], settings: dict[str, Any]) -> None:
    properties = {"@timestamp": {"type": "date"}, "name": {"type": "keyword", **DIMENSION}, "attributes": attributes}
    template = {"settings": settings, "mappings": {"properties": properties}}
    body = {"index_patterns": ["series"], "priority": 400, "data_stream": {}, "template": template}
    admin.put_template(engine.emulator.cluster, "_index_template", "series", body)


def point(engine: Emulated, value: float = 1.0, later: int = 0, **attributes: Any) -> NumberDataPoint:
    second = int(engine.clock.now()) * 1_000_000_000
    return NumberDataPoint(attributes, 0, second + later, value)


def points(*given: NumberDataPoint, name: str = "level") -> MetricsData:
    return collection(Metric(name, "", "", Gauge(list(given))))


def reason(receipt: Receipt, code: str = CODE) -> tuple[int, Fate, str]:
    (reason,) = (reason for reason in receipt.reasons if reason.code == code)
    return reason.count, reason.fate, reason.example or ""


def figures(receipt: Receipt) -> tuple[int, int, int, int]:
    assert receipt.balanced
    return receipt.delivered, receipt.rejected, receipt.withheld, receipt.unconfirmed


def test_the_second_of_two_that_differ_in_no_dimension_is_refused_by_name() -> None:
    with engine() as emulated:
        exporter = emulated.exporter()
        receipt = exporter.deliver(
            points(point(emulated, k="a", host="x"), point(emulated, k="a", host="y"), point(emulated, k="b"))
        )
        exporter.shutdown(0)
        assert figures(receipt) == (2, 1, 0, 0)
        example = "level{host=x, k=a} and level{host=y, k=a} differ only in attributes.host, which is not a dimension"
        assert reason(receipt) == (1, Fate.REJECTED, example)
        assert emulated.emulator.stored == 2


# The other points, beside level{k=1} of value 1.0, and what is said of them.
SAID: dict[str, tuple[dict[str, Any], float, int, str]] = {
    "type": (
        {"k": "1"},
        2.0,
        0,
        'two points of level{k=1} differ only in attributes.k: the index treats 1 and "1" as equal',
    ),
    "value": ({"k": 1}, 2.0, 0, "two points of level{k=1} differ only in their values"),
    "nanosecond": ({"k": 1}, 2.0, 1, "two points of level{k=1} lie within one millisecond"),
}


@pytest.mark.parametrize("case", SAID)
def test_what_does_not_differ_is_named(case: str) -> None:
    attributes, value, later, example = SAID[case]
    with engine() as emulated:
        exporter = emulated.exporter()
        receipt = exporter.deliver(points(point(emulated, k=1), point(emulated, value, later, **attributes)))
        exporter.shutdown(0)
    assert figures(receipt) == (1, 1, 0, 0)
    assert reason(receipt) == (1, Fate.REJECTED, example)


def test_a_repeat_is_withheld_and_no_failure() -> None:
    with engine() as emulated:
        exporter = emulated.exporter()
        assert (
            exporter.export(points(point(emulated, k=1), point(emulated, k=1), point(emulated, 1.0, 1, k=1)))
            is MetricExportResult.SUCCESS
        )
        exporter.shutdown(0)
        assert figures(exporter.ledger) == (1, 0, 2, 0)
        assert emulated.emulator.stored == 1
    assert reason(exporter.ledger, "es.write.duplicate") == (2, Fate.WITHHELD, "level{k=1}")


def test_an_export_fails_where_a_point_is_refused_and_sends_the_others() -> None:
    with engine() as emulated:
        exporter = emulated.exporter()
        outcome = exporter.export(points(point(emulated, 1.0, k=1), point(emulated, 2.0, k=1), point(emulated, k=2)))
        exporter.shutdown(0)
        assert outcome is MetricExportResult.FAILURE
        assert figures(exporter.ledger) == (2, 1, 0, 0)


def test_metrics_collide_where_the_name_is_no_dimension() -> None:
    with engine() as emulated:
        emulated.emulator.cluster.delete_stream("series")
        body = {
            "settings": {**ROUTED, "index.routing_path": ["attributes.k"]},
            "mappings": {"properties": {"attributes": ATTRIBUTES}},
        }
        template = {"index_patterns": ["series"], "priority": 400, "data_stream": {}, "template": body}
        admin.put_template(emulated.emulator.cluster, "_index_template", "series", template)
        emulated.emulator.cluster.create_stream("series")
        exporter = emulated.exporter()
        metrics = [Metric(name, "", "", Gauge([point(emulated, k="a")])) for name in ("reads", "writes")]
        receipt = exporter.deliver(collection(*metrics))
        exporter.shutdown(0)
    assert figures(receipt) == (1, 1, 0, 0)
    assert reason(receipt)[2] == "reads{k=a} and writes{k=a} differ only in name, which is not a dimension"


def test_the_json_type_counts_where_the_index_lists_its_dimensions() -> None:
    with engine(settings=BY_SOURCE, version="9.2.0") as emulated:
        exporter = emulated.exporter()
        receipt = exporter.deliver(
            points(point(emulated, k=1), point(emulated, k="1"), point(emulated, k="1", host="x"))
        )
        exporter.shutdown(0)
        assert figures(receipt) == (2, 1, 0, 0)
        assert emulated.emulator.stored == 2


@pytest.mark.parametrize(("settings", "version"), [(ROUTED, "8.19.0"), (BY_SOURCE, "9.2.0")])
def test_all_attributes_of_a_passthrough_object_are_dimensions(settings: dict[str, Any], version: str) -> None:
    with engine(PASSTHROUGH, settings, version=version) as emulated:
        exporter = emulated.exporter()
        for _ in range(2):
            receipt = exporter.deliver(
                points(point(emulated, new="x"), point(emulated, new="y"), point(emulated), point(emulated, new=""))
            )
            emulated.clock.wait(1.0)
            assert figures(receipt) == (4, 0, 0, 0)
        exporter.shutdown(0)
        assert emulated.emulator.stored == 8


# ---- what is asked, and when ---------------------------------------------------------------------------------------------


def test_an_index_that_is_not_time_series_is_asked_nothing_more_and_compares_nothing() -> None:
    clock = FakeClock(SystemClock().now())
    emulated = Emulated("es", SearchEmulator("elasticsearch", "8.19.0", clock=clock), clock, "plain")
    requests = recorded(emulated)
    exporter = emulated.exporter()
    for _ in range(3):
        receipt = exporter.deliver(points(point(emulated, k=1), point(emulated, k="1")))
        assert figures(receipt) == (2, 0, 0, 0)
    groups = iter(())
    assert exporter.encoder.deduplicate(groups) is groups
    exporter.shutdown(0)
    emulated.close()
    assert [request.path.split("?")[0].split("/")[2] for request in requests] == [
        "_settings",
        "_bulk",
        "_bulk",
        "_bulk",
    ]


def test_the_dimensions_are_asked_once() -> None:
    with engine() as emulated:
        requests = recorded(emulated)
        exporter = emulated.exporter()
        for _ in range(3):
            emulated.clock.wait(100.0)
            exporter.deliver(points(point(emulated, k=1), point(emulated, k=2)))
        exporter.shutdown(0)
    assert [request.path.split("?")[0].split("/")[2] for request in requests] == [
        "_settings",
        "_mapping",
        "_bulk",
        "_bulk",
        "_bulk",
    ]


def test_warm_points_are_not_encoded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Point] = []

    def counting(frame: encoding.Frame, series: Series, of: Point) -> bytes:
        encoded.append(of)
        return plain(frame, series, of)

    plain = encoding.encode
    monkeypatch.setattr(encoding, "encode", counting)
    with engine() as emulated:
        exporter = emulated.exporter()
        attributes = [{"k": number} for number in range(50)]
        for _ in range(2):
            emulated.clock.wait(1.0)
            now = int(emulated.clock.now()) * 1_000_000_000
            exporter.deliver(points(*(NumberDataPoint(attribute, 0, now, 1.0) for attribute in attributes)))
        exporter.shutdown(0)
        assert emulated.emulator.stored == 100
    assert encoded == []


def test_a_dry_run_asks_nothing() -> None:
    with engine() as emulated:
        requests = recorded(emulated)
        exporter = emulated.exporter()
        list(exporter.payloads(points(point(emulated, k=1), point(emulated, k="1"))))
        exporter.shutdown(0)
    assert list(requests) == []


def test_after_a_rollover_to_more_dimensions_nothing_is_refused_for_long() -> None:
    with engine() as emulated:
        exporter = emulated.exporter()
        two = [{"k": 1, "host": "x"}, {"k": 1, "host": "y"}]

        def deliver() -> tuple[int, int, int, int]:
            emulated.clock.wait(61.0)
            return figures(exporter.deliver(points(*(point(emulated, **attributes) for attributes in two))))

        assert deliver() == (1, 1, 0, 0)
        more = {"properties": {**FIELDS, "host": {"type": "keyword", **DIMENSION}}}
        put_template(emulated, more, ROUTED)
        emulated.emulator.cluster.delete_stream("series")
        emulated.emulator.cluster.create_stream("series")
        assert deliver() == (2, 0, 0, 0)
        exporter.shutdown(0)


# ---- where the dimensions are not known ----------------------------------------------------------------------------------


def test_the_first_write_makes_the_index_and_collisions_are_named_after_it() -> None:
    with engine(with_stream=False) as emulated:
        exporter = emulated.exporter()
        two = points(
            point(emulated, k="a", host="x"),
            point(emulated, k="a", host="y"),
            point(emulated, k="b"),
            point(emulated, k="b"),
        )
        first = exporter.deliver(two)
        assert figures(first) == (3, 1, 0, 0)
        assert reason(first)[2].endswith("differ only in attributes.host, which is not a dimension")
        assert emulated.emulator.stored == 2
        exporter.shutdown(0)


def test_without_the_right_to_ask_a_conflict_is_unconfirmed_and_says_why() -> None:
    role = {"secret": "writers-password", "cluster": [], "index": {"series": ["create_doc"]}}
    with engine(security={"users": {"writer": role}}) as emulated:
        exporter = emulated.exporter(username="writer", password="writers-password")
        receipt = exporter.deliver(points(point(emulated, k=1), point(emulated, k="1")))
        exporter.shutdown(0)
    assert figures(receipt) == (1, 0, 0, 1)
    (conflict,) = receipt.reasons
    assert (conflict.code, conflict.fate) == ("es.write.duplicate", Fate.UNCONFIRMED)
    assert "403 to GET series/_settings: the privilege view_index_metadata is missing" in conflict.message


def test_a_pipeline_may_change_dimensions_so_nothing_is_refused_before_it() -> None:
    with engine(settings={**ROUTED, "index.final_pipeline": "enrich"}) as emulated:
        emulated.http.put("/_ingest/pipeline/enrich", json={"processors": []})
        exporter = emulated.exporter()
        receipt = exporter.deliver(points(point(emulated, k=1), point(emulated, k="1")))
        exporter.shutdown(0)
    assert receipt.rejected == 0
    assert "an ingest pipeline (enrich) may change dimensions" in receipt.reasons[0].message


# ---- the index's own word ------------------------------------------------------------------------------------------------

texts = st.sampled_from(["", "1", "a", "true", "A"])
whole = st.sampled_from([0, 1, 2, "1", "01"])
decimals = st.sampled_from([0.5, 1.0, 1.2, 1.7, 2.0, 1, "1"])
generated = st.fixed_dictionaries(
    {},
    optional={
        "k": texts | st.sampled_from([0, 1, 1.0, True, None]) | st.lists(texts, max_size=2),
        "l": whole,
        "d": decimals,
        "b": st.sampled_from([True, False, "true", ""]),
        "host": texts,
        "new": texts,
    },
)
values = st.tuples(generated, st.sampled_from([1.0, 2.0]), st.sampled_from([0, 1, 1_000_000]))


@given(st.lists(values, min_size=2, max_size=12), st.sampled_from(["8.19.0", "9.2.0"]))
def test_exactly_those_are_left_out_that_the_index_would_not_keep(
    given_points: list[tuple[dict[str, Any], float, int]], version: str
) -> None:
    settings = ROUTED if version == "8.19.0" else BY_SOURCE
    with engine(settings=settings, version=version) as emulated:
        exporter = emulated.exporter()
        data = points(*(point(emulated, value, later, **attributes) for attributes, value, later in given_points))
        items = [
            item for payload in exporter.payloads(data) for item in exporter.encoder.split(payload.body)
        ]  # nothing is known yet
        receipt = exporter.deliver(data)
        stored = documents(emulated)
        exporter.shutdown(0)
    with engine(settings=settings, version=version) as alone:
        body = b"".join(b'{"create":{}}\n' + item.split(b"\n", 1)[1] for item in items)
        reply = alone.http.post("/series/_bulk", content=body, headers={"content-type": "application/x-ndjson"}).json()
        kept = [item["create"]["status"] == 201 for item in reply["items"]]
        expected = documents(alone)
    assert receipt.unconfirmed == 0, receipt
    assert (receipt.delivered, receipt.rejected + receipt.withheld) == (sum(kept), len(kept) - sum(kept)), receipt
    assert stored == expected


def documents(engine: Emulated) -> list[str]:
    """What is stored, without the names that the engine gave."""
    return sorted(
        json.dumps({name: value for name, value in document.items() if name not in ("_id", "_index")}, sort_keys=True)
        for document in engine.emulator.documents("series")
    )


def recorded(engine: Emulated) -> list[Request]:
    """The requests that the emulator gets from now on."""
    requests: list[Request] = []
    handle = engine.emulator.handle

    def recording(request: Request) -> Any:
        requests.append(request)
        return handle(request)

    engine.emulator.handle = recording  # type: ignore[method-assign]
    return requests
