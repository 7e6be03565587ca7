"""Real Prometheus and VictoriaMetrics: the emulator held against Prometheus, the exporter against both, and through nginx."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.model.events import CheckFinished, SendFinished
from magictel.model.finding import Rung, SideEffect, Status
from magictel.operations.check import CheckOptions, check
from magictel.operations.clean import clean
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from tests.emulators.prometheus import PrometheusRemoteWriteEmulator
from tests.sandbox.prometheus_scenarios import SCENARIOS, Ask, Step

pytestmark = pytest.mark.real
HOW = "bash ../shared/real/start_real.sh --without rotel -- python -m pytest -m real tests/real/test_prometheus_real.py"
HOW3 = HOW.replace("start_real.sh --without rotel", "start_prom3.sh")


def variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"{name} is not set; this runs it: {HOW3 if '3_' in name else HOW}")
    return value


def settings(url: str, **more: Any) -> PrometheusRemoteWriteSettings:
    return PrometheusRemoteWriteSettings(url=url, trust_env=False, **more)


def job(url: str, **more: Any) -> Job:
    options = settings(url, **more)
    return Job("t", "prometheus-remote-write", lambda: PrometheusRemoteWriteExporter(options, target="t"))


def sent(url: str, *, thorough: bool = False, run_id: str | None = None, **more: Any) -> Any:
    *_, last = send([job(url, **more)], SendOptions(thorough=thorough, run_id=run_id, within=20.0))
    assert isinstance(last, SendFinished)
    return last.results[0]


def climbed(url: str, *allow: SideEffect, **more: Any) -> dict[Rung, Any]:
    *_, last = check([job(url, **more)], CheckOptions(allow=allow))
    assert isinstance(last, CheckFinished)
    return {finding.rung: finding for finding in last.results[0].rungs}


# ---- the emulator against the server -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["MT_PROM_URL", "MT_PROM3_URL"], ids=["prometheus2", "prometheus3"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A real Prometheus and an emulator of its version: 2 with an out-of-order window of ten minutes, 3 without."""
    url = variable(request.param)
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as real:
        version = real.get("/api/v1/status/buildinfo").json()["data"]["version"]
        flags = real.get("/api/v1/status/flags").json()["data"]
        emulator = PrometheusRemoteWriteEmulator(
            version="3.0.0" if request.param == "MT_PROM3_URL" else version,
            out_of_order_window=600 if request.param == "MT_PROM_URL" else 0,
            admin=flags["web.enable-admin-api"] == "true",
        )
        with Server(emulator) as server, httpx.Client(base_url=server.origin, trust_env=False, timeout=20) as emulated:
            yield real, emulated


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_emulator_answers_as_prometheus_does(pair: tuple[httpx.Client, httpx.Client], scenario: str) -> None:
    name = f"mt_{uuid.uuid4().hex[:10]}"
    now = int(time.time() * 1000)
    answers: list[list[Any]] = [[], []]
    for client, answered in zip(pair, answers, strict=True):
        answered.extend(answer(client, step, name, now) for step in SCENARIOS[scenario])
    for number, (real, emulated) in enumerate(zip(*answers, strict=True)):
        assert emulated == real, f"step {number}"


def answer(client: httpx.Client, step: Step, name: str, now: int) -> Any:
    if not isinstance(step, Ask):
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", **step.headers}
        reply = client.post("/api/v1/write", content=step.bytes(name, now), headers=headers)
        return reply.status_code, reply.text
    given = {
        key: value.replace("{m}", name) if isinstance(value, str) else value for key, value in step.parameters.items()
    }
    if step.path == "/api/v1/query":
        given["time"] = f"{now / 1000 + 1:.3f}"
    for key in ("start", "end"):
        if key in given:
            given[key] = f"{now / 1000 + given[key]:.3f}"
    reply = client.request(step.method, step.path, params=given)
    if step.status_only:
        return reply.status_code
    kind = reply.headers.get("content-type", "").split(";")[0]
    if kind != "application/json":
        return reply.status_code, kind, reply.text
    document = reply.json()
    data = document.get("data")
    rows = data.get("result", []) if isinstance(data, dict) else data or []
    return (
        reply.status_code,
        document.get("error"),
        sorted(rows, key=repr),
        isinstance(data, dict) and data.get("resultType"),
    )


# ---- the exporter against the servers ----------------------------------------------------------------------------------


@pytest.fixture(
    params=["MT_PROM_URL", "MT_VM_URL", "MT_PROM3_URL", "MT_VM3_URL"],
    ids=["prometheus2", "victoriametrics-1.79", "prometheus3", "victoriametrics-1.151"],
)
def url(request: pytest.FixtureRequest) -> str:
    return f"{variable(request.param)}/api/v1/write"


def test_the_ladder_holds_and_an_empty_write_is_taken(url: str) -> None:
    rungs = climbed(url, SideEffect.EMPTY_WRITE)
    skipped = {rung for rung, finding in rungs.items() if finding.outcome is Status.SKIPPED}
    assert skipped == {Rung.TLS, Rung.ROUND_TRIP}
    assert {finding.outcome for rung, finding in rungs.items() if rung not in skipped} == {Status.PASS}


def test_the_sample_is_verified_and_says_when_it_was_visible(url: str) -> None:
    result = sent(url)
    assert result.outcome == "verified", result.message
    assert (result.receipt.delivered, result.receipt.withheld, result.verification.found) == (10, 2, 10)
    assert result.verification.time_to_visible < 10


def test_extreme_values_hold_but_for_what_victoriametrics_does_to_minus_zero() -> None:
    assert sent(f"{variable('MT_PROM_URL')}/api/v1/write", thorough=True).outcome == "verified"
    result = sent(f"{variable('MT_VM_URL')}/api/v1/write", thorough=True)
    assert result.outcome == "altered"
    altered = [difference for difference in result.verification.differences if difference.declared is None]
    assert [(difference.field, repr(difference.sent), repr(difference.seen)) for difference in altered] == [
        ("value", "-0.0", "0.0")
    ]


def test_a_run_is_deleted(url: str) -> None:
    run_id = uuid.uuid4().hex[:12]
    assert sent(url, run_id=run_id).outcome == "verified"
    cleaned = clean(job(url), run_id, say=lambda *_: None)
    assert (cleaned.found, cleaned.deleted, cleaned.trouble) == (10, 10, None)


def gauges(name: str, values: list[float], at: int, **labels: str) -> MetricsData:
    points = [NumberDataPoint({"n": str(n), **labels}, 0, at, value) for n, value in enumerate(values)]
    resource = Resource({"service.name": "real", "service.instance.id": name})
    scope = ScopeMetrics(InstrumentationScope("t"), [Metric(name, "", "", Gauge(points))], "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def test_prometheus_refuses_a_whole_request_and_only_its_bad_points_are_rejected() -> None:
    base = variable("MT_PROM_URL")
    exporter = PrometheusRemoteWriteExporter(settings(f"{base}/api/v1/write"))
    name, at = f"mt_{uuid.uuid4().hex[:10]}", int(time.time()) * 1_000_000_000
    assert exporter.deliver(gauges(name, [7.0] * 3, at)).delivered == 3
    receipt = exporter.deliver(gauges(name, [float(n) for n in range(100)], at))
    exporter.shutdown(0)
    assert (receipt.delivered, receipt.rejected, receipt.balanced) == (97, 3, True)
    assert [reason.code for reason in receipt.reasons] == ["prom.rw.duplicate"]
    rows = httpx.get(f"{base}/api/v1/query", params={"query": name, "time": at / 1e9}, trust_env=False).json()["data"][
        "result"
    ]
    shown = {int(row["metric"]["n"]): float(row["value"][1]) for row in rows}
    assert shown == {n: 7.0 if n < 3 else float(n) for n in range(100)}


def test_what_victoriametrics_cuts_in_silence_is_not_verified() -> None:
    url = f"{variable('MT_VM_URL')}/api/v1/write"
    *_, last = send([job(url)], SendOptions(attributes={f"extra_{n:02d}": "value" for n in range(40)}, within=6.0))
    assert isinstance(last, SendFinished)
    result = last.results[0]
    assert result.receipt.delivered == 10
    assert result.outcome in ("altered", "lost")


def test_an_application_s_reader_delivers() -> None:
    base = variable("MT_PROM_URL")
    name = f"mt.{uuid.uuid4().hex[:10]}"
    exporter = PrometheusRemoteWriteExporter(settings(f"{base}/api/v1/write"))
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)])
    provider.get_meter("app").create_counter(name, unit="s").add(3, {"zone": "eu"})
    provider.shutdown()
    assert (exporter.ledger.sent, exporter.ledger.delivered) == (1, 1)
    query = {"query": f"{name.replace('.', '_')}_seconds_total"}
    [row] = httpx.get(f"{base}/api/v1/query", params=query, trust_env=False).json()["data"]["result"]
    assert (row["metric"]["zone"], row["value"][1]) == ("eu", "3")


# ---- through nginx -----------------------------------------------------------------------------------------------------


def front(name: str, path: str) -> str:
    return f"{variable(name)}{path}/api/v1/write"


def test_through_tls_with_a_private_ca_and_a_client_certificate() -> None:
    ca = variable("MT_CA")
    assert sent(front("MT_TLS_URL", "/prom"), ca_file=ca).outcome == "verified"
    certificate = {"client_cert_file": variable("MT_CLIENT_CERT"), "client_key_file": variable("MT_CLIENT_KEY")}
    assert sent(front("MT_MTLS_URL", "/prom"), ca_file=ca, **certificate).outcome == "verified"


@pytest.mark.parametrize(
    ("door", "code"),
    [
        ("MT_TLS_URL", "tls.unknown-ca"),
        ("MT_EXPIRED_URL", "tls.expired"),
        ("MT_WRONGHOST_URL", "tls.hostname-mismatch"),
    ],
)
def test_a_bad_certificate_stops_the_ladder_at_tls(door: str, code: str) -> None:
    trust = {} if code == "tls.unknown-ca" else {"ca_file": variable("MT_CA")}
    rungs = climbed(front(door, "/prom"), **trust)
    assert (rungs[Rung.TLS].outcome, rungs[Rung.TLS].code) == (Status.FAIL, code)
    assert rungs[Rung.WRITE].outcome is Status.BLOCKED


def test_with_basic_and_bearer_credentials() -> None:
    user, _, password = variable("MT_BASIC").partition(":")
    basic = {"username": user, "password": Secret(password)}
    assert sent(front("MT_AUTH_URL", "/basic/prom"), **basic).outcome == "verified"
    assert sent(front("MT_AUTH_URL", "/bearer/prom"), bearer_token=Secret(variable("MT_TOKEN"))).outcome == "verified"
    wrong = climbed(front("MT_AUTH_URL", "/basic/prom"), username=user, password=Secret("not-" + password))
    failed = [finding for finding in wrong.values() if finding.outcome is Status.FAIL]
    assert [finding.code for finding in failed] == ["http.unauthorized"]


@pytest.mark.parametrize(
    ("path", "outcome", "code"),
    [
        ("/401", "undelivered", "http.unauthorized"),
        ("/html", "undelivered", "http.not-a-backend"),
        ("/redirect", "undelivered", "http.redirect"),
        ("/503", "undelivered", "http.bad-gateway"),
    ],
)
def test_a_front_that_is_no_backend_is_found_out_before_anything_is_sent(path: str, outcome: str, code: str) -> None:
    result = sent(f"{variable('MT_FAULT_URL')}{path}/api/v1/write")
    assert (result.outcome, result.code) == (outcome, code)
    assert result.receipt.attempts == 0
