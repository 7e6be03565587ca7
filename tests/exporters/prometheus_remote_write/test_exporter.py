"""The exporter against the emulator, over real sockets: what arrives, what is refused, what only a read-back sees."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.clock import SystemClock
from magictel.errors import SettingsError
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.exporters.prometheus_remote_write.readback import query_wire
from magictel.http.wire import Reply, Request
from magictel.model.events import CheckFinished, SendFinished
from magictel.model.finding import Finding, Rung, SideEffect, Status
from magictel.model.verification import Unreadable
from magictel.net.endpoint import Endpoint
from magictel.operations.check import CheckOptions, check
from magictel.operations.clean import clean
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from magictel.sandbox.faults import parse_faults
from magictel.sandbox.prometheus_store import is_stale
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from magictel.settings.load import resolve_settings
from tests.emulators.prometheus import PrometheusRemoteWriteEmulator

RESOURCE = Resource({"service.name": "shop", "service.instance.id": "i-1"})
SCOPE = InstrumentationScope("lib", "1")


class Backend:
    """An emulator behind a socket."""

    def __init__(self, emulator: PrometheusRemoteWriteEmulator, faults: str | None = None) -> None:
        self.emulator = emulator
        self.server = Server(emulator, faults=parse_faults(faults) if faults else None, record=True)
        self.exporters: list[PrometheusRemoteWriteExporter] = []

    def settings(self, **more: Any) -> PrometheusRemoteWriteSettings:
        return PrometheusRemoteWriteSettings(
            **{"url": f"{self.server.origin}/api/v1/write", "backoff_initial": 0.001, "retry_budget": 5.0, **more}
        )

    def exporter(self, **more: Any) -> PrometheusRemoteWriteExporter:
        exporter = PrometheusRemoteWriteExporter(self.settings(**more))
        self.exporters.append(exporter)
        return exporter

    def job(self, **more: Any) -> Job:
        settings = self.settings(**more)
        return Job("t", "prometheus-remote-write", lambda: PrometheusRemoteWriteExporter(settings, target="t"))

    def check(self, allow: tuple[SideEffect, ...] = (), **more: Any) -> dict[Rung, Finding]:
        *_, last = check([self.job(**more)], CheckOptions(allow=allow, timeout=5.0))
        assert isinstance(last, CheckFinished)
        return {finding.rung: finding for finding in last.results[0].rungs}

    def send(self, thorough: bool = False, within: float | None = 2.0, **more: Any) -> Any:
        *_, last = send([self.job(**more)], SendOptions(thorough=thorough, within=within))
        assert isinstance(last, SendFinished)
        return last.results[0]

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.server.requests if self.emulator.is_write(request)]


@pytest.fixture
def serve() -> Iterator[Any]:
    opened: list[Backend] = []

    def start(
        emulator: PrometheusRemoteWriteEmulator | None = None, faults: str | None = None, **options: Any
    ) -> Backend:
        backend = Backend(emulator or PrometheusRemoteWriteEmulator(**options), faults)
        backend.server.start()
        opened.append(backend)
        return backend

    yield start
    for backend in opened:
        for exporter in backend.exporters:
            exporter.shutdown(0)
        backend.server.stop()


def gauges(*values: float, time: int, name: str = "m") -> MetricsData:
    points = [NumberDataPoint({"n": str(n)}, 0, time, value) for n, value in enumerate(values)]
    return MetricsData(
        [ResourceMetrics(RESOURCE, [ScopeMetrics(SCOPE, [Metric(name, "", "", Gauge(points))], "")], "")]
    )


def now() -> int:
    return int(SystemClock().now() * 1000) * 1_000_000


# ---- there and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.42.0", "3.5.0"])
@pytest.mark.parametrize("thorough", [False, True])
def test_the_sample_arrives_and_is_read_back_equal(serve: Any, version: str, thorough: bool) -> None:
    result = serve(version=version).send(thorough)
    assert result.outcome == "verified", result.message
    delivered = 15 if thorough else 10
    assert (result.receipt.delivered, result.receipt.withheld) == (delivered, 2)
    assert [reason.code for reason in result.receipt.reasons] == ["prom.rw.exponential"]
    assert (result.verification.found, result.verification.altered) == (delivered, 0)
    declared = {difference.declared for difference in result.verification.differences}
    assert declared >= {
        "timestamps truncated to milliseconds",
        "labels are text",
        "normalised names",
        "start time and min/max not carried by remote write",
    }
    assert ("numbers are 64-bit floats" in declared) is thorough


@pytest.mark.parametrize("option", [{"name_suffixes": False}, {"scope_labels": False}, {"target_info": False}])
def test_the_sample_is_equal_whatever_names_are_chosen(serve: Any, option: dict[str, bool]) -> None:
    backend = serve()
    assert backend.send(**option).outcome == "verified"
    names = {labels["__name__"] for labels, _, _ in backend.emulator.samples()}
    assert ("magictel_sample_requests" in names) is ("name_suffixes" in option)
    assert ("target_info" in names) is ("target_info" not in option)


@pytest.mark.parametrize("histograms", ["classic", "native"])
@pytest.mark.parametrize("protocol", ["auto", "2.0"])
def test_by_2_the_whole_sample_is_read_back_equal_native_histograms_included(
    serve: Any, protocol: str, histograms: str
) -> None:
    result = serve(version="3.5.0").send(thorough=True, protocol=protocol, histograms=histograms)
    assert result.outcome == "verified", result.message
    assert (result.receipt.delivered, result.receipt.sent, result.receipt.reasons) == (17, 17, ())
    assert (result.verification.found, result.verification.altered) == (17, 0)


def test_by_auto_an_older_receiver_has_all_but_the_native_histograms_which_are_rejected_by_name(serve: Any) -> None:
    backend = serve(version="2.42.0")
    result = backend.send(protocol="auto")
    assert result.outcome == "rejected", result.message
    assert (result.receipt.delivered, result.receipt.rejected) == (10, 2)
    assert [reason.code for reason in result.receipt.reasons] == ["prom.rw.exponential"]
    assert (result.verification.found, result.verification.altered) == (10, 0)


@pytest.mark.parametrize("fault", ["415", "204"])
def test_a_fault_script_makes_a_receiver_an_older_one(serve: Any, fault: str) -> None:
    backend = serve(version="3.5.0", faults=fault)
    exporter = backend.exporter(protocol="auto")
    receipts = [exporter.deliver(gauges(1.0, time=now())) for _ in range(2)]
    assert [(receipt.delivered, receipt.attempts) for receipt in receipts] == [(1, 1), (1, 1)]
    versions = [request.header("X-Prometheus-Remote-Write-Version") for request in backend.writes]
    assert versions == ["2.0.0", "0.1.0", "0.1.0"]


@pytest.mark.parametrize(("version", "protocol"), [("2.42.0", "1.0"), ("3.5.0", "2.0"), ("2.42.0", "auto")])
@pytest.mark.parametrize("stale_markers", [False, True])
def test_stale_markers_end_the_series_of_the_latest_collection_at_shutdown(
    serve: Any, version: str, protocol: str, stale_markers: bool
) -> None:
    backend = serve(version=version)
    exporter = backend.exporter(protocol=protocol, stale_markers=stale_markers)
    time = now()
    for turn in range(2):
        assert exporter.deliver(gauges(1.0, 2.0, time=time + turn * 1_000_000)).delivered == 2
    exporter.shutdown(5000)
    assert exporter.ledger.sent == 4, "markers are no points"
    rows = [(labels["__name__"], samples) for labels, samples in stored_by_series(backend)]
    assert sorted(name for name, _ in rows) == ["m", "m"]
    assert {is_stale(samples[-1][1]) for _, samples in rows} == {stale_markers}


def stored_by_series(backend: Any) -> list[tuple[dict[str, str], list[Any]]]:
    return [(dict(labels), samples) for labels, samples in backend.emulator.store.select(lambda _: True)]


class Alters(PrometheusRemoteWriteEmulator):
    """Changes what queries show: a backend that keeps something else than it was sent."""

    def __init__(self, **change: Any) -> None:
        super().__init__()
        self.change = change

    def handle(self, request: Request) -> Reply:
        reply = super().handle(request)
        old, new = self.change["text"]
        return replace(reply, body=reply.body.replace(old, new)) if request.path == "/api/v1/query" else reply


@pytest.mark.parametrize(
    ("text", "outcome", "named"),
    [
        ((b'"21.5"', b'"21.500000000000004"'), "altered", "value"),
        ((b'"-2"', b'"2"'), "altered", "value"),
        ((b'"le":"0.25"', b'"le":"0.2"'), "altered", "bucket 0.2"),
        ((b'"18.75"', b'"18.7"'), "altered", "sum"),
        ((b'"shard":"3"', b'"shard":"03"'), "altered", "labels.shard"),
        ((b'"service_version"', b'"service_versiom"'), "altered", "target_info.service_versiom"),
        ((b"magictel_sample_temperature_celsius", b"magictel_sample_temperature_celsiuz"), "altered", "name"),
        ((b'"magictel_sample_point":"point-05"', b'"magictel_sample_point":"point-50"'), "lost", None),
    ],
)
def test_what_a_backend_alters_is_named(serve: Any, text: tuple[bytes, bytes], outcome: str, named: str | None) -> None:
    result = serve(Alters(text=text)).send(within=0.5)
    assert result.outcome == outcome
    if named is not None:
        assert named in {
            difference.field for difference in result.verification.differences if difference.declared is None
        }


class Forgets(PrometheusRemoteWriteEmulator):
    """Answers 204 and stores nothing, as receivers do with what they drop in silence."""

    def handle(self, request: Request) -> Reply:
        return Reply(204) if self.is_write(request) else super().handle(request)


def test_a_2xx_without_storage_is_lost(serve: Any) -> None:
    result = serve(Forgets()).send(within=0.3)
    assert (result.outcome, result.code) == ("lost", "verify.lost")
    assert result.verification.missing == 10


def test_without_a_query_api_the_sample_is_unverified(serve: Any) -> None:
    backend = serve()
    elsewhere = backend.send(query_url=f"{backend.server.origin}/nowhere")
    assert (elsewhere.outcome, elsewhere.code) == ("unverified", "prom.read.no-query-api")
    hidden = PrometheusRemoteWriteExporter(backend.settings(url=f"{backend.server.origin}/api/v1/receive"))
    assert isinstance(hidden.readback.visible_delay(), Unreadable)
    hidden.shutdown(0)


# ---- refusals ----------------------------------------------------------------------------------------------------------


def test_bad_points_are_told_from_good_ones_though_the_reply_names_none(serve: Any) -> None:
    backend = serve()
    time = now()
    exporter = backend.exporter()
    later = gauges(*[9.0] * 100, time=time)
    kept = [
        point
        for n, point in enumerate(later.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points)
        if n in (3, 40, 99)
    ]
    seed = MetricsData([ResourceMetrics(RESOURCE, [ScopeMetrics(SCOPE, [Metric("m", "", "", Gauge(kept))], "")], "")])
    assert exporter.deliver(seed).delivered == 3
    refused: list[str] = []
    receipt = exporter.deliver(
        gauges(*map(float, range(100)), time=time - 1_000_000_000),
        on_refused=lambda at, why: refused.extend([why.code] * len(at)),
    )
    assert receipt.balanced
    assert (receipt.delivered, receipt.rejected) == (97, 3)
    assert refused == ["prom.rw.out-of-order"] * 3
    stored = {labels["n"]: value for labels, _, value in backend.emulator.samples() if labels["__name__"] == "m"}
    assert {n: stored[str(n)] for n in range(100)} == {n: 9.0 if n in (3, 40, 99) else float(n) for n in range(100)}
    assert len(backend.writes) < 50


def test_when_all_points_are_bad_they_are_not_told_apart_for_ever(serve: Any) -> None:
    backend = serve()
    exporter = backend.exporter()
    time = now()
    assert exporter.deliver(gauges(*[1.0] * 2000, time=time)).delivered == 2000
    receipt = exporter.deliver(gauges(*[2.0] * 2000, time=time - 1_000_000_000))
    assert (receipt.delivered, receipt.rejected, receipt.balanced) == (0, 2000, True)
    assert receipt.attempts < 100
    again = exporter.deliver(gauges(*[2.0] * 2000, time=time - 1_000_000_000))
    assert (again.rejected, again.attempts) == (2000, 1)
    assert exporter.deliver(gauges(*[3.0] * 2000, time=time + 1_000_000)).delivered == 2000


def test_a_retry_after_a_lost_answer_stores_nothing_twice(serve: Any) -> None:
    backend = serve(faults="reset-after, then 503, then slow 0.01")
    receipt = backend.exporter().deliver(gauges(1.0, 2.0, time=now()))
    assert (receipt.delivered, receipt.attempts, receipt.balanced) == (2, 3, True)
    assert sorted(value for labels, _, value in backend.emulator.samples() if labels["__name__"] == "m") == [1.0, 2.0]


# A 2xx from something else than the backend ("wrong-json") is left out: only a read-back sees through it.
_KINDS = (
    "ok",
    "408",
    "429",
    "429 retry-after=1",
    "500",
    "502",
    "503",
    "reset",
    "reset-after",
    "close",
    "truncated",
    "too-large",
)


@pytest.mark.parametrize("seed", range(25))
def test_under_random_faults_the_ledger_is_what_is_stored(serve: Any, seed: int) -> None:
    backend = serve()
    dice = random.Random(seed)
    steps = (f"{dice.choice(_KINDS)} x{dice.randint(1, 2)}" for _ in range(6))
    backend.server.faults = parse_faults(", then ".join(steps))
    exporter = backend.exporter(max_batch_points=7, backoff_max=0.01, breaker_failures=50)
    refused: set[str] = set()
    prepared = exporter.prepare(gauges(*map(float, range(30)), time=now()))
    receipt = exporter.deliver(
        prepared,
        seconds=1.5,
        on_refused=lambda at, _: refused.update(str(series.attributes["n"]) for series, _ in prepared.at(at)),
    )
    assert backend.server.faults.fired
    assert receipt.balanced
    stored = {labels["n"] for labels, _, _ in backend.emulator.samples() if "n" in labels}
    sent = {str(n) for n in range(30)}
    assert receipt.rejected == len(refused)
    assert receipt.delivered <= len(stored - refused) <= receipt.delivered + receipt.dropped
    if not receipt.dropped:
        assert stored - refused == sent - refused


def test_a_payload_that_is_too_large_is_halved(serve: Any) -> None:
    backend = serve(faults="too-large")
    receipt = backend.exporter().deliver(gauges(*map(float, range(10)), time=now()))
    assert (receipt.delivered, receipt.attempts) == (10, 3)


def test_a_switched_off_receiver_rejects_for_good(serve: Any) -> None:
    receipt = serve(receiver=False).exporter().deliver(gauges(1.0, time=now()))
    assert (receipt.rejected, receipt.attempts, receipt.reasons[0].code) == (1, 1, "prom.rw.disabled")


def test_deltas_are_added_up_and_a_late_one_is_withheld(serve: Any) -> None:
    backend = serve()
    exporter, time = backend.exporter(), now() - 60 * 1_000_000_000
    for seconds, value in ((1, 5), (2, 3), (4, 2), (3, 100)):
        point = NumberDataPoint({}, time, time + seconds * 1_000_000_000, value)
        delta = Metric("d", "", "", Sum([point], AggregationTemporality.DELTA, True))
        receipt = exporter.deliver(MetricsData([ResourceMetrics(RESOURCE, [ScopeMetrics(SCOPE, [delta], "")], "")]))
    assert [reason.code for reason in receipt.reasons] == ["delivery.late-delta"]
    assert [value for _, _, value in backend.emulator.samples()] == [5.0, 8.0, 10.0]


def test_several_points_of_one_series_arrive_in_the_order_of_their_times(serve: Any) -> None:
    backend = serve(out_of_order_window=0)
    time = now()
    points = [NumberDataPoint({}, 0, time - age * 1_000_000_000, float(age)) for age in (0, 2, 1)]
    data = MetricsData([ResourceMetrics(RESOURCE, [ScopeMetrics(SCOPE, [Metric("m", "", "", Gauge(points))], "")], "")])
    assert backend.exporter().deliver(data).delivered == 3
    assert [value for _, _, value in backend.emulator.samples()] == [2.0, 1.0, 0.0]


# ---- the request -------------------------------------------------------------------------------------------------------


def test_the_request_carries_what_remote_write_asks_for(serve: Any) -> None:
    backend = serve(token="s3cret-token")
    exporter = backend.exporter(bearer_token=Secret("s3cret-token"), org_id="team-a")
    assert exporter.deliver(gauges(1.0, time=now())).delivered == 1
    [request] = backend.writes
    sent = {
        name: request.header(name) for name in ("Content-Type", "Content-Encoding", "X-Prometheus-Remote-Write-Version")
    }
    assert sent == {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    assert request.header("X-Scope-OrgID") == "team-a"
    assert request.header("Authorization") == "Bearer s3cret-token"
    assert request.header("User-Agent").startswith("magictel/")


@pytest.mark.parametrize(
    ("url", "query"),
    [
        ("http://p:9090/api/v1/write", "http://p:9090"),
        ("http://p:9090/prefix/api/v1/write", "http://p:9090/prefix"),
        ("https://m/api/v1/push", "https://m:443/prometheus"),
        ("https://g/api/prom/push", "https://g:443/api/prom"),
        ("http://t/api/v1/receive", None),
    ],
)
def test_where_to_query_is_told_from_where_to_write(url: str, query: str | None) -> None:
    exporter = PrometheusRemoteWriteExporter(PrometheusRemoteWriteSettings(url=url))
    reading = query_wire(exporter.settings, exporter.wire())
    assert (str(reading.endpoint) if reading else None) == query
    named = PrometheusRemoteWriteExporter(PrometheusRemoteWriteSettings(url=url, query_url="http://q:1/x"))
    other = query_wire(named.settings, named.wire())
    assert other is not None
    assert other.endpoint == Endpoint("http", "q", 1, "/x")
    exporter.shutdown(0)
    named.shutdown(0)


# ---- the ladder --------------------------------------------------------------------------------------------------------


def test_a_prometheus_holds_on_every_rung_and_nothing_is_written(serve: Any) -> None:
    backend = serve()
    rungs = backend.check()
    assert {rung: finding.outcome for rung, finding in rungs.items() if finding.outcome is not Status.PASS} == {
        Rung.TLS: Status.SKIPPED,
        Rung.ROUND_TRIP: Status.SKIPPED,
    }
    assert "Prometheus 2.42.0" in rungs[Rung.HTTP].message
    assert backend.writes == []


def test_an_empty_write_is_made_only_when_it_is_allowed(serve: Any) -> None:
    backend = serve()
    assert backend.check((SideEffect.EMPTY_WRITE,))[Rung.WRITE].outcome is Status.PASS
    assert len(backend.writes) == 1
    assert backend.emulator.samples() == []


class NoFlags(PrometheusRemoteWriteEmulator):
    """Tells no flags, as VictoriaMetrics and Mimir."""

    def handle(self, request: Request) -> Reply:
        return Reply(404) if request.path in ("/api/v1/status/flags", "/-/ready") else super().handle(request)


def test_where_the_right_to_write_cannot_be_read_the_rung_is_skipped_and_says_how_to_ask(serve: Any) -> None:
    backend = serve(NoFlags())
    rungs = backend.check()
    assert rungs[Rung.WRITE].outcome is Status.SKIPPED
    assert "--allow empty-write" in rungs[Rung.WRITE].message
    assert rungs[Rung.HEALTH].outcome is Status.SKIPPED
    assert backend.check((SideEffect.EMPTY_WRITE,))[Rung.WRITE].outcome is Status.PASS
    off = serve(NoFlags(receiver=False)).check((SideEffect.EMPTY_WRITE,))[Rung.WRITE]
    assert (off.outcome, off.code) == (Status.FAIL, "prom.rw.disabled")


@pytest.mark.parametrize(
    ("options", "settings", "rung", "code"),
    [
        ({"receiver": False}, {}, Rung.WRITE, "prom.rw.disabled"),
        ({"ready": False}, {}, Rung.HEALTH, "prom.health.not-ready"),
        ({"token": "right-token"}, {"bearer_token": Secret("wrong-token")}, Rung.AUTH, "http.unauthorized"),
        ({"users": {"u": "right"}}, {}, Rung.AUTH, "http.unauthorized"),
    ],
)
def test_each_trouble_has_its_rung_and_code(
    serve: Any, options: dict[str, Any], settings: dict[str, Any], rung: Rung, code: str
) -> None:
    finding = serve(**options).check(**settings)[rung]
    assert (finding.outcome, finding.code) == (Status.FAIL, code)
    assert finding.remedy


def test_another_path_is_no_remote_write_door(serve: Any) -> None:
    backend = serve()
    finding = backend.check(url=f"{backend.server.origin}/api/v2/write")[Rung.HTTP]
    assert (finding.outcome, finding.code) == (Status.FAIL, "prom.rw.path")


def test_the_right_credentials_are_told_from_needless_ones(serve: Any) -> None:
    asked = serve(users={"u": "pass-word"}).check(username="u", password=Secret("pass-word"))[Rung.AUTH]
    assert asked.outcome is Status.PASS
    assert "required" in asked.message
    needless = serve().check(username="u", password=Secret("pass-word"))[Rung.AUTH]
    assert "without them" in needless.message


class Mimir(PrometheusRemoteWriteEmulator):
    """Multi-tenant: the query API wants a tenant, and a right to read."""

    def handle(self, request: Request) -> Reply:
        if request.path == "/api/v1/query":
            return Reply(401, {}, b"no org id\n") if not request.header("X-Scope-OrgID") else Reply(403, {}, b"no")
        return super().handle(request)


def test_a_missing_tenant_fails_and_a_missing_right_to_read_only_warns(serve: Any) -> None:
    backend = serve(Mimir())
    missing = backend.check()[Rung.AUTH]
    assert (missing.outcome, missing.code) == (Status.FAIL, "mimir.org-id")
    unread = backend.check(org_id="a")[Rung.AUTH]
    assert (unread.outcome, unread.code) == (Status.WARN, "prom.read.forbidden")
    result = backend.send(org_id="a")
    assert (result.outcome, result.code) == ("unverified", "prom.read.forbidden")


# ---- cleaning up -------------------------------------------------------------------------------------------------------


def test_a_run_is_counted_and_deleted_and_nothing_else(serve: Any) -> None:
    backend = serve()
    exporter = backend.exporter()
    assert exporter.deliver(gauges(5.0, time=now(), name="mine")).delivered == 1
    list(send([backend.job()], SendOptions(run_id="feedc0ffee00")))
    statuses: list[int] = []
    cleaned = clean(backend.job(), "feedc0ffee00", say=lambda _, count: statuses.append(count))
    assert (statuses, cleaned.found, cleaned.deleted, cleaned.complete) == ([10], 10, 10, True)
    assert [labels["__name__"] for labels, _, _ in backend.emulator.samples()] == ["mine"]
    assert clean(backend.job(), "feedc0ffee00", say=lambda *_: None).found == 0


def test_a_backend_that_does_not_delete_says_so(serve: Any) -> None:
    backend = serve(admin=False)
    list(send([backend.job()], SendOptions(run_id="feedc0ffee01")))
    cleaned = clean(backend.job(), "feedc0ffee01", say=lambda *_: None)
    assert cleaned.trouble is not None
    assert cleaned.trouble.code == "verify.no-clean"
    assert cleaned.trouble.remedy is not None
    assert "--web.enable-admin-api" in cleaned.trouble.remedy


# ---- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "config.required"),
        (
            {"PROMETHEUS_REMOTE_WRITE_URL": "http://p/api/v1/write", "PROMETHEUS_REMOTE_WRITE_PASSWORD": "pass-word"},
            "config.credentials",
        ),
        (
            {
                "PROMETHEUS_REMOTE_WRITE_URL": "http://p/api/v1/write",
                "PROMETHEUS_REMOTE_WRITE_USERNAME": "u",
                "PROMETHEUS_REMOTE_WRITE_BEARER_TOKEN": "token-token",
            },
            "config.credentials",
        ),
        ({"PROMETHEUS_REMOTE_WRITE_URL": "http://p:99999/api/v1/write"}, "config.url.bad-port"),
        ({"PROMETHEUS_REMOTE_WRITE_URL": "http://p:9090"}, "config.value"),
        ({"PROMETHEUS_REMOTE_WRITE_URL": "http://p/w", "PROMETHEUS_REMOTE_WRITE_TEMPORALITY": "delta"}, "config.value"),
        ({"PROMETHEUS_REMOTE_WRITE_URL": "http://p/w", "PROMETHEUS_REMOTE_WRITE_COMPRESSION": "gzip"}, "config.value"),
    ],
)
def test_settings_that_cannot_work_are_refused(environment: dict[str, str], code: str) -> None:
    def load() -> None:
        name = "prometheus-remote-write"
        settings = resolve_settings(name, name, PrometheusRemoteWriteSettings, environment=environment)
        PrometheusRemoteWriteExporter.check_settings(settings.settings)

    with pytest.raises(SettingsError) as refused:
        load()
    assert refused.value.code == code


def test_credentials_in_the_url_are_used_and_never_shown(serve: Any) -> None:
    backend = serve(users={"me": "pass-word"})
    url = backend.settings().url.replace("http://", "http://me:pass-word@")
    exporter = backend.exporter(url=url)
    assert exporter.deliver(gauges(1.0, time=now())).delivered == 1
    assert "pass-word" not in exporter.endpoint()
    assert exporter.redact("it is pass-word") == "it is ***"


def test_unusable_settings_drop_and_count_and_never_raise() -> None:
    exporter = PrometheusRemoteWriteExporter(environment={})
    assert exporter.export(gauges(1.0, time=1)) is MetricExportResult.FAILURE
    assert (exporter.ledger.dropped, exporter.ledger.reasons[0].code) == (1, "config.required")
    assert exporter.endpoint() == ""
    exporter.shutdown()
