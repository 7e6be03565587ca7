"""Real Elasticsearch and OpenSearch: what the exporter, its ladder, its read-back and `prepare` are worth against the engines themselves.

Run: `bash ../shared/real/start_search.sh --with es7,es8,es8sec,es9,os2,os3 -- python -m pytest tests/real/test_elasticsearch_real.py`
"""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricsData, PeriodicExportingMetricReader

from magictel.events import CheckFinished, CheckResult, SendFinished, SendOutcome, SendResult
from magictel.exporters.elasticsearch import ElasticsearchExporter, OpenSearchExporter
from magictel.exporters.elasticsearch.exporter import SearchExporter
from magictel.finding import Held, Rung
from magictel.operations.check import CheckOptions, check
from magictel.operations.clean import clean
from magictel.operations.job import Job
from magictel.operations.prepare import prepare
from magictel.operations.send import SendOptions, send
from magictel.outcome import Fate
from magictel.settings.load import resolve
from magictel.transports.http import HttpTransport
from magictel.wire import Reply, Request
from tests.exporters.elasticsearch.collections_of_points import collection, gauge

START = "bash ../shared/real/start_search.sh --with es7,es8,es8sec,es9,os2,os3 -- python -m pytest tests/real"
VARIABLES = {
    "es7": ("MT_ES7_URL",),
    "es8": ("MT_ES8_URL", "MT_ES_URL"),
    "es9": ("MT_ES9_URL",),
    "os2": ("MT_OS2_URL", "MT_OS_URL"),
    "os3": ("MT_OS3_URL",),
}
pytestmark = pytest.mark.real


def url_of(engine: str) -> str:
    found = next((os.environ[name] for name in VARIABLES[engine] if os.environ.get(name)), None)
    if found is None:
        pytest.skip(f"no real {engine}: {VARIABLES[engine][0]} is not set; {START}")
    return found


class Engine:
    """One engine and an index of its own."""

    def __init__(self, name: str, url: str, index: str, **options: Any) -> None:
        self.name, self.url, self.index = name, url, index
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=60, **options)

    def make(self, mappings: dict[str, Any] | None = None, **settings: Any) -> None:
        body = {"mappings": mappings or {}, "settings": settings}
        reply = self.http.put(f"/{self.index}", json=body)
        assert reply.status_code == 200, reply.text

    def job(self, wrap: Callable[[Any], Any] | None = None, **options: Any) -> Job:
        kind: type[SearchExporter[Any]] = OpenSearchExporter if self.name.startswith("os") else ElasticsearchExporter
        prefix = kind.Settings.env_prefix
        given = {"url": self.url, "index": self.index, **options}
        environment = {prefix + key.upper(): str(value) for key, value in given.items()}

        def build() -> SearchExporter[Any]:
            settings = resolve(kind.name, kind.name, kind.Settings, environment=environment).settings
            exporter = kind(settings, target=kind.name)
            if wrap is not None:
                exporter._given = exporter._transport = wrap(exporter.transport)
            return exporter

        return Job(kind.name, kind.name, build)

    def exporter(self, **options: Any) -> SearchExporter[Any]:
        return self.job(**options).build()  # type: ignore[return-value]


def sent(job: Job, **options: Any) -> SendResult:
    last = list(send([job], SendOptions(**options)))[-1]
    assert isinstance(last, SendFinished)
    return last.results[0]


def checked(job: Job, **options: Any) -> CheckResult:
    last = list(check([job], CheckOptions(**options)))[-1]
    assert isinstance(last, CheckFinished)
    return last.results[0]


def rungs(result: CheckResult) -> dict[Rung, Any]:
    return {finding.rung: finding for finding in result.rungs}


@pytest.fixture(params=list(VARIABLES))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = Engine(request.param, url_of(request.param), f"t-{uuid.uuid4().hex[:12]}")
    yield made
    made.http.delete(f"/_index_template/magictel-{made.index}")
    made.http.delete(f"/_data_stream/{made.index}")
    made.http.delete(f"/{made.index}")
    made.http.close()


@pytest.fixture
def es8(request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = Engine("es8", url_of("es8"), f"t-{uuid.uuid4().hex[:12]}")
    yield made
    made.http.delete(f"/_index_template/{made.index}")
    made.http.delete(f"/_data_stream/{made.index}")
    made.http.delete(f"/{made.index}")
    made.http.close()


def test_everyday_sample_is_verified_with_a_warning_and_the_thorough_one_is_altered(engine: Engine) -> None:
    everyday = sent(engine.job())
    assert everyday.outcome is SendOutcome.VERIFIED, everyday
    assert everyday.verification is not None
    assert (everyday.receipt.delivered, everyday.verification.found) == (12, 12)
    assert everyday.verification.time_to_visible is not None
    assert everyday.verification.time_to_visible < 5
    assert [finding.code for finding in everyday.findings] == ["es.mapping.unprepared"]
    assert {one.declared for one in everyday.verification.differences} == {"times have milliseconds"}
    thorough = sent(engine.job(), thorough=True)
    assert thorough.outcome is SendOutcome.ALTERED
    assert thorough.verification is not None
    altered = {(one.point.split()[0], one.field) for one in thorough.verification.differences if one.declared is None}
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
    assert rungs(result)[Rung.WRITE].outcome is Held.PASS, rungs(result)[Rung.WRITE]
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


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_after_prepare_no_attribute_can_break_a_point(engine: Engine, odd: list[dict[str, Any]]) -> None:
    assert prepare(engine.job(), apply=True).trouble is None
    exporter = engine.exporter()
    for attributes in odd:
        receipt = exporter.deliver(collection(gauge(1, attributes=attributes)))
        assert receipt.delivered == 1, receipt
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
    assert (write.outcome, write.code) == (Held.FAIL, "es.write.mapping-type")
    assert "value_double" in write.message


def test_decimals_mapped_as_long_are_altered(engine: Engine) -> None:
    engine.make({"properties": {"value_double": {"type": "long"}}})
    result = sent(engine.job())
    assert result.outcome is SendOutcome.ALTERED
    assert result.verification is not None
    undeclared = [one for one in result.verification.differences if one.declared is None]
    assert {one.field for one in undeclared} == {"value_double"}
    assert (0.5, 0) in {(one.sent, one.seen) for one in undeclared}
    write = rungs(checked(engine.job()))[Rung.WRITE]
    assert (write.outcome, write.code) == (Held.WARN, "es.mapping.long")


MAPPINGS: list[tuple[str, dict[str, Any], SendOutcome]] = [
    ("ignored as malformed", {"value_double": {"type": "ip", "ignore_malformed": True}}, SendOutcome.ALTERED),
    ("without doc values", {"value_double": {"type": "double", "doc_values": False}}, SendOutcome.UNVERIFIED),
    ("text alone", {"name": {"type": "text"}}, SendOutcome.UNVERIFIED),
    ("kept from the index", {"attributes": {"type": "object", "enabled": False}}, SendOutcome.ALTERED),
    ("too short a keyword", {"name": {"type": "keyword", "ignore_above": 20}}, SendOutcome.ALTERED),
]


@pytest.mark.parametrize(("properties", "outcome"), [row[1:] for row in MAPPINGS], ids=[row[0] for row in MAPPINGS])
def test_what_users_cannot_see_is_never_called_equal(
    engine: Engine, properties: dict[str, Any], outcome: SendOutcome
) -> None:
    engine.make({"properties": properties})
    assert sent(engine.job()).outcome is outcome


def test_a_blocked_index_fails_the_write_rung_and_keeps_every_point_out(engine: Engine) -> None:
    engine.make(None, **{"index.blocks.write": True})
    write = rungs(checked(engine.job()))[Rung.WRITE]
    assert (write.outcome, write.code) == (Held.FAIL, "es.write.blocked")
    result = sent(engine.job())
    assert (result.outcome, result.code) == (SendOutcome.UNDELIVERED, "es.write.blocked")
    assert result.receipt.dropped == 12


def test_an_index_that_is_never_refreshed_is_unverified(engine: Engine) -> None:
    engine.make(None, **{"index.refresh_interval": -1})
    result = sent(engine.job())
    assert (result.outcome, result.code) == (SendOutcome.UNVERIFIED, "es.read.never-refreshed")
    assert result.receipt.delivered == 12


class Tampering:
    """A transport that changes documents on their way: what a broken pipeline before the index does."""

    def __init__(self, inner: HttpTransport, change: Callable[[dict[str, Any]], None]) -> None:
        self.inner, self.change = inner, change

    def send(self, request: Request, timeout: float) -> Reply:
        if "/_bulk?" in request.url:
            lines = [json.loads(line) for line in request.body.splitlines()]
            for document in lines[1::2]:
                self.change(document)
            request = replace(request, body="".join(json.dumps(line) + "\n" for line in lines).encode())
        return self.inner.send(request, timeout)

    def close(self) -> None:
        self.inner.close()


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


@pytest.mark.parametrize("change", CHANGES, ids=[one.__name__ for one in CHANGES])
def test_what_is_changed_on_the_way_is_altered(engine: Engine, change: Callable[[dict[str, Any]], None]) -> None:
    job = engine.job(lambda inner: Tampering(inner, change), compression="none")
    assert sent(job).outcome is SendOutcome.ALTERED


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
    said: list[int] = []
    cleaned = clean(engine.job(), "run-to-be-cleaned", say=lambda _, count: said.append(count), expected=12)
    assert (said, cleaned.deleted, cleaned.held) == ([12], 12, True)
    engine.http.post(f"/{engine.index}/_refresh")
    assert engine.http.get(f"/{engine.index}/_count").json()["count"] == 1


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


def time_series(engine: Engine) -> dict[str, Any]:
    return {
        "settings": {"index.mode": "time_series", "index.routing_path": ["name", "attributes.magictel.sample.point"]},
        "mappings": {
            "properties": {
                "@timestamp": {"type": "date"},
                "name": {"type": "keyword", "time_series_dimension": True},
                "attributes": {
                    "properties": {
                        "magictel": {
                            "properties": {
                                "run": {"properties": {"id": {"type": "keyword", "time_series_dimension": True}}},
                                "sample": {"properties": {"point": {"type": "keyword", "time_series_dimension": True}}},
                            }
                        }
                    }
                },
            }
        },
    }


@pytest.mark.parametrize("asked", [True, False], ids=["mode asked", "mode learned"])
def test_a_time_series_stream_gets_no_ids(es8: Engine, asked: bool) -> None:
    body = {
        "index_patterns": [es8.index],
        "priority": 400,
        "data_stream": {},
        "template": time_series(es8),
    }
    assert es8.http.put(f"/_index_template/{es8.index}", json=body).status_code == 200
    if asked:  # the stream exists, so its mode can be asked
        assert sent(es8.job()).outcome is SendOutcome.VERIFIED
    result = sent(es8.job())
    assert result.outcome is SendOutcome.VERIFIED, result
    assert result.receipt.attempts == (1 if asked else 2)


def test_points_outside_of_a_time_series_window_are_rejected_by_name(es8: Engine) -> None:
    body = {"index_patterns": [es8.index], "priority": 400, "data_stream": {}, "template": time_series(es8)}
    assert es8.http.put(f"/_index_template/{es8.index}", json=body).status_code == 200
    exporter = es8.exporter()
    old = gauge(1, attributes={"magictel.sample.point": "x", "magictel.run.id": "r"})
    old.data.data_points[0] = replace(old.data.data_points[0], time_unix_nano=time.time_ns() - 5 * 86_400 * 10**9)
    receipt = exporter.deliver(collection(old))
    exporter.shutdown(0)
    assert [reason.code for reason in receipt.reasons] == ["es.write.tsdb-window"]


def test_an_index_that_may_not_be_made_by_writing_fails_before_anything_is_written(engine: Engine) -> None:
    rule = {"persistent": {"action.auto_create_index": f"-{engine.index},*"}}
    assert engine.http.put("/_cluster/settings", json=rule).status_code == 200
    try:
        write = rungs(checked(engine.job()))[Rung.WRITE]
        assert (write.outcome, write.code) == (Held.FAIL, "es.write.no-auto-create")
        result = sent(engine.job())
        assert (result.outcome, result.code) == (SendOutcome.REJECTED, "es.write.no-auto-create")
    finally:
        engine.http.put("/_cluster/settings", json={"persistent": {"action.auto_create_index": None}})


def test_the_ladder_of_an_open_engine_holds(engine: Engine) -> None:
    result = rungs(checked(engine.job()))
    assert [result[rung].outcome for rung in (Rung.HTTP, Rung.AUTH, Rung.CLOCK, Rung.HEALTH)] == [Held.PASS] * 4
    assert result[Rung.AUTH].evidence["security"] == "off"
    assert result[Rung.WRITE].code == "es.mapping.unprepared"
    product = "OpenSearch" if engine.name.startswith("os") else "Elasticsearch"
    assert product in result[Rung.HTTP].message


# ---- security ------------------------------------------------------------------------------------------------------------


class Secured(Engine):
    """Elasticsearch 8 with security and TLS."""

    def job(self, wrap: Callable[[Any], Any] | None = None, **options: Any) -> Job:
        return super().job(
            wrap, **({"ca_file": os.environ["MT_ESSEC_CA"]} if self.url.startswith("https") else {}), **options
        )

    def key(self, index: str, *privileges: str, expiration: str | None = None) -> dict[str, str]:
        role = {"index": [{"names": [index], "privileges": list(privileges)}], "cluster": []}
        body: dict[str, Any] = {"name": uuid.uuid4().hex, "role_descriptors": {"r": role}}
        if expiration:
            body["expiration"] = expiration
        made: dict[str, str] = self.http.post("/_security/api_key", json=body).json()
        return made


@pytest.fixture
def secured() -> Iterator[Secured]:
    url = os.environ.get("MT_ESSEC_URL")
    if not url:
        pytest.skip(f"no real Elasticsearch with security: MT_ESSEC_URL is not set; {START}")
    import ssl

    login = (os.environ["MT_ESSEC_USER"], os.environ["MT_ESSEC_PASSWORD"])
    trusted: Any = ssl.create_default_context(cafile=os.environ["MT_ESSEC_CA"]) if url.startswith("https") else True
    made = Secured("es8", url, f"t-{uuid.uuid4().hex[:12]}", auth=login, verify=trusted)
    yield made
    made.http.delete(f"/{made.index}")
    made.http.close()


def test_a_write_only_key_writes_and_its_sample_is_unverified(secured: Secured) -> None:
    key = secured.key(secured.index, "create_doc", "auto_configure")
    for spelled in (key["encoded"], f"{key['id']}:{key['api_key']}"):
        job = secured.job(api_key=spelled)
        result = checked(job)
        found = rungs(result)
        assert result.outcome != "fail", found
        assert found[Rung.HTTP].outcome is Held.PASS
        assert found[Rung.AUTH].outcome is Held.PASS
        assert (found[Rung.CLOCK].outcome, found[Rung.CLOCK].code) == (Held.WARN, "clock.unreadable")
        assert (found[Rung.HEALTH].outcome, found[Rung.HEALTH].code) == (Held.WARN, "es.authz.monitor")
        assert found[Rung.WRITE].outcome is Held.PASS
        sample = sent(job)
        assert (sample.outcome, sample.code) == (SendOutcome.UNVERIFIED, "es.read.forbidden")
        assert sample.receipt.delivered == 12


def test_a_key_that_reads_verifies(secured: Secured) -> None:
    key = secured.key(secured.index, "create_doc", "auto_configure", "read")
    assert sent(secured.job(api_key=key["encoded"])).outcome is SendOutcome.VERIFIED


def test_credentials_that_are_refused_are_told_apart(secured: Secured) -> None:
    expired = secured.key("*", "all", expiration="1s")
    revoked = secured.key("*", "all")
    secured.http.request("DELETE", "/_security/api_key", json={"ids": [revoked["id"]]})
    good = secured.key("*", "all")
    time.sleep(1.5)
    wanted = {
        "es.auth.missing": {},
        "es.auth.bad-password": {"username": "elastic", "password": "wrong-password"},
        "es.auth.api-key-unknown": {"api_key": "nobody-knows:this-key"},
        "es.auth.api-key-invalid": {"api_key": f"{good['id']}:wrong-half"},
        "es.auth.api-key-expired": {"api_key": expired["encoded"]},
        "es.auth.api-key-invalidated": {"api_key": revoked["encoded"]},
        "es.auth.api-key-encoding": {"api_key": base64.b64encode(b"no-colon-inside").decode()},
    }
    for code, options in wanted.items():
        auth = rungs(checked(secured.job(**options)))[Rung.AUTH]
        assert (auth.outcome, auth.code) == (Held.FAIL, code), auth
        result = sent(secured.job(**options))
        assert (result.outcome, result.code) == (SendOutcome.UNDELIVERED, code)
        exporter = secured.exporter(**options)
        receipt = exporter.deliver(collection(gauge(1)))
        exporter.shutdown(0)
        assert [reason.code for reason in receipt.reasons] == [code]


def test_missing_rights_are_named_with_the_smallest_role(secured: Secured) -> None:
    elsewhere = secured.key("other", "create_doc", "auto_configure")
    write = rungs(checked(secured.job(api_key=elsewhere["encoded"])))[Rung.WRITE]
    assert (write.outcome, write.code) == (Held.FAIL, "es.authz.bulk")
    assert '"privileges": ["auto_configure", "create_doc"]' in write.remedy
    result = sent(secured.job(api_key=elsewhere["encoded"]))
    assert result.outcome is SendOutcome.REJECTED
    assert result.code in ("es.authz.bulk", "es.authz.auto-create")
    cannot_make = secured.key(secured.index, "create_doc", "view_index_metadata", "read")
    write = rungs(checked(secured.job(api_key=cannot_make["encoded"])))[Rung.WRITE]
    assert (write.outcome, write.code) == (Held.FAIL, "es.authz.auto-create")
    result = sent(secured.job(api_key=cannot_make["encoded"]))
    assert (result.outcome, result.code) == (SendOutcome.REJECTED, "es.authz.auto-create")
    secured.http.put(f"/{secured.index}")
    assert sent(secured.job(api_key=cannot_make["encoded"])).outcome is SendOutcome.VERIFIED


def test_a_user_with_no_right_to_write_is_refused_as_a_whole(secured: Secured) -> None:
    secured.http.put("/_security/user/reader", json={"password": "reader-password", "roles": ["viewer"]})
    options = {"username": "reader", "password": "reader-password"}
    write = rungs(checked(secured.job(**options)))[Rung.WRITE]
    assert (write.outcome, write.code) == (Held.FAIL, "es.authz.bulk")
    assert sent(secured.job(**options)).code == "es.authz.bulk"


def test_the_mode_is_learned_where_it_may_not_be_asked(secured: Secured) -> None:
    body = {"index_patterns": [secured.index], "priority": 400, "data_stream": {}, "template": time_series(secured)}
    made = secured.http.put(f"/_index_template/{secured.index}", json=body)
    if made.status_code != 200:
        pytest.skip("this build has no time-series streams")
    key = secured.key(secured.index, "create_doc", "auto_configure")
    exporter = secured.exporter(api_key=key["encoded"])
    attributes = {"magictel.sample.point": "x", "magictel.run.id": "r"}
    one = gauge(1, attributes=attributes)
    one.data.data_points[0] = replace(one.data.data_points[0], time_unix_nano=time.time_ns())
    data: MetricsData = collection(one)
    receipt = exporter.deliver(data)
    again = exporter.deliver(data)
    exporter.shutdown(0)
    secured.http.delete(f"/_data_stream/{secured.index}")
    assert (receipt.delivered, receipt.attempts) == (1, 2)
    assert (again.delivered, again.attempts) == (1, 1)
    assert [reason.code for reason in again.reasons] == ["es.write.duplicate"]
    assert "may be lost" in again.reasons[0].message
