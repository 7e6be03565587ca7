"""Real Elasticsearch and OpenSearch: what the exporter, its ladder, its read-back and `prepare` are worth against the engines themselves.

Run: `bash ../shared/real/start_search.sh --with es7,es8,es8sec,es9,os2,os3 -- python -m pytest tests/real/test_elasticsearch_real.py`
"""

from __future__ import annotations

import base64
import os
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricsData

from magictel.model.events import SendOutcome
from magictel.model.finding import Rung, Status
from magictel.operations.prepare import prepare
from tests.exporters.elasticsearch.collections_of_points import collection, gauge
from tests.exporters.elasticsearch.engines import Engine, TimedJob, checked, rungs, sent
from tests.exporters.elasticsearch.scenarios import *  # noqa: F403 # the tests that hold everywhere

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
    url = next((os.environ[name] for name in VARIABLES[engine] if os.environ.get(name)), None)
    if url is None:
        pytest.skip(f"no real {engine}: {VARIABLES[engine][0]} is not set; {START}")
    return url


@pytest.fixture(params=list(VARIABLES))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = Engine(request.param, url_of(request.param), f"t-{uuid.uuid4().hex[:12]}")
    yield engine
    engine.http.delete(f"/_index_template/magictel-{engine.index}")
    engine.http.delete(f"/_data_stream/{engine.index}")
    engine.http.delete(f"/{engine.index}")
    engine.close()


@pytest.fixture
def es8(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = Engine("es8", url_of("es8"), f"t-{uuid.uuid4().hex[:12]}")
    yield engine
    engine.http.delete(f"/_index_template/{engine.index}")
    engine.http.delete(f"/_data_stream/{engine.index}")
    engine.http.delete(f"/{engine.index}")
    engine.close()


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


# ---- security ------------------------------------------------------------------------------------------------------------


class Secured(Engine):
    """Elasticsearch 8 with security and TLS."""

    def job(self, wrap: Callable[[Any], Any] | None = None, **options: Any) -> TimedJob:
        return super().job(
            wrap, **({"ca_file": os.environ["MT_ESSEC_CA"]} if self.url.startswith("https") else {}), **options
        )

    def key(self, index: str, *privileges: str, expiration: str | None = None) -> dict[str, str]:
        role = {"index": [{"names": [index], "privileges": list(privileges)}], "cluster": []}
        body: dict[str, Any] = {"name": uuid.uuid4().hex, "role_descriptors": {"r": role}}
        if expiration:
            body["expiration"] = expiration
        document: dict[str, str] = self.http.post("/_security/api_key", json=body).json()
        return document


@pytest.fixture
def secured() -> Iterator[Secured]:
    url = os.environ.get("MT_ESSEC_URL")
    if not url:
        pytest.skip(f"no real Elasticsearch with security: MT_ESSEC_URL is not set; {START}")
    login = (os.environ["MT_ESSEC_USER"], os.environ["MT_ESSEC_PASSWORD"])
    trusted: Any = ssl.create_default_context(cafile=os.environ["MT_ESSEC_CA"]) if url.startswith("https") else True
    engine = Secured("es8", url, f"t-{uuid.uuid4().hex[:12]}", auth=login, verify=trusted)
    yield engine
    engine.http.delete(f"/{engine.index}")
    engine.close()


def test_a_write_only_key_writes_and_its_sample_is_unverified(secured: Secured) -> None:
    key = secured.key(secured.index, "create_doc", "auto_configure")
    for spelled in (key["encoded"], f"{key['id']}:{key['api_key']}"):
        job = secured.job(api_key=spelled)
        result = checked(job)
        findings = rungs(result)
        assert result.outcome != "fail", findings
        assert findings[Rung.HTTP].outcome is Status.PASS
        assert findings[Rung.AUTH].outcome is Status.PASS
        assert (findings[Rung.CLOCK].outcome, findings[Rung.CLOCK].code) == (Status.WARN, "clock.unreadable")
        assert (findings[Rung.HEALTH].outcome, findings[Rung.HEALTH].code) == (Status.WARN, "es.authz.monitor")
        assert findings[Rung.WRITE].outcome is Status.PASS
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
        assert (auth.outcome, auth.code) == (Status.FAIL, code), auth
        result = sent(secured.job(**options))
        assert (result.outcome, result.code) == (SendOutcome.UNDELIVERED, code)
        exporter = secured.exporter(**options)
        receipt = exporter.deliver(collection(gauge(1)))
        exporter.shutdown(0)
        assert [reason.code for reason in receipt.reasons] == [code]


def test_missing_rights_are_named_with_the_smallest_role(secured: Secured) -> None:
    elsewhere = secured.key("other", "create_doc", "auto_configure")
    write = rungs(checked(secured.job(api_key=elsewhere["encoded"])))[Rung.WRITE]
    assert (write.outcome, write.code) == (Status.FAIL, "es.authz.bulk")
    assert '"privileges": ["auto_configure", "create_doc"]' in write.remedy
    result = sent(secured.job(api_key=elsewhere["encoded"]))  # the points wait for the privilege, and nothing grants it
    assert result.outcome is SendOutcome.UNDELIVERED
    assert result.code in ("es.authz.bulk", "es.authz.auto-create")
    cannot_make = secured.key(secured.index, "create_doc", "view_index_metadata", "read")
    write = rungs(checked(secured.job(api_key=cannot_make["encoded"])))[Rung.WRITE]
    assert (write.outcome, write.code) == (Status.FAIL, "es.authz.auto-create")
    result = sent(secured.job(api_key=cannot_make["encoded"]))
    assert (result.outcome, result.code) == (SendOutcome.UNDELIVERED, "es.authz.auto-create")
    secured.http.put(f"/{secured.index}")
    assert sent(secured.job(api_key=cannot_make["encoded"])).outcome is SendOutcome.VERIFIED


def test_a_user_with_no_right_to_write_is_refused_as_a_whole(secured: Secured) -> None:
    secured.http.put("/_security/user/reader", json={"password": "reader-password", "roles": ["viewer"]})
    options = {"username": "reader", "password": "reader-password"}
    write = rungs(checked(secured.job(**options)))[Rung.WRITE]
    assert (write.outcome, write.code) == (Status.FAIL, "es.authz.bulk")
    assert sent(secured.job(**options)).code == "es.authz.bulk"


def test_the_mode_is_learned_where_it_may_not_be_asked(secured: Secured) -> None:
    body = {"index_patterns": [secured.index], "priority": 400, "data_stream": {}, "template": time_series(secured)}
    reply = secured.http.put(f"/_index_template/{secured.index}", json=body)
    if reply.status_code != 200:
        pytest.skip("this build has no time-series streams")
    key = secured.key(secured.index, "create_doc", "auto_configure")
    exporter = secured.exporter(api_key=key["encoded"])
    attributes = {"magictel.sample.point": "x", "magictel.run.id": "r"}
    metrics = gauge(1, attributes=attributes)
    metrics.data.data_points[0] = replace(metrics.data.data_points[0], time_unix_nano=time.time_ns())
    data: MetricsData = collection(metrics)
    receipt = exporter.deliver(data)
    again = exporter.deliver(data)
    exporter.shutdown(0)
    secured.http.delete(f"/_data_stream/{secured.index}")
    assert (receipt.delivered, receipt.attempts) == (1, 2)
    assert (again.delivered, again.unconfirmed, again.attempts) == (0, 1, 1)
    assert [reason.code for reason in again.reasons] == ["es.write.duplicate"]
    assert "may be lost" in again.reasons[0].message


def test_the_requests_left_to_a_person_move_an_unprepared_index_under_its_own_name(engine: Engine) -> None:
    """All but the copy: the engines here have no reindex module."""
    assert engine.http.put(f"/{engine.index}", json={}).status_code == 200
    assert sent(engine.job(), thorough=True).outcome is SendOutcome.ALTERED
    plan = prepare(engine.job(), apply=True)
    by_hand = [request.preparation for request in plan.requests if request.preparation.by_hand]
    assert [request.path for request in by_hand] == [f"/{engine.index}-000002", "/_reindex", "/_aliases"]
    try:
        for request in by_hand:
            answer = engine.http.request(request.method, request.path, json=request.body)
            assert answer.status_code == 200 or request.path == "/_reindex", answer.text
        again = sent(engine.job(), thorough=True, force=False)
        assert (again.outcome, again.findings) == (SendOutcome.VERIFIED, ())
        assert not [reason for reason in again.receipt.reasons if reason.code == "es.write.elsewhere"]
        assert prepare(engine.job(), apply=False).requests == ()
    finally:
        engine.http.delete(f"/{engine.index}-000002")


def test_an_unprepared_alias_continues_in_a_prepared_index(engine: Engine) -> None:
    first = f"{engine.index}-x-000001"
    assert engine.http.put(f"/{first}", json={"aliases": {engine.index: {"is_write_index": True}}}).status_code == 200
    try:
        plan = prepare(engine.job(), apply=True)
        assert [request.status for request in plan.requests] == [200], plan
        after = sent(engine.job(), thorough=True, force=False)
        assert (after.outcome, after.findings) == (SendOutcome.VERIFIED, ())
    finally:
        engine.http.delete(f"/{first},{engine.index}-x-000002")
