"""`prometheus` by the command line: against the sandbox, an application that runs, and a Prometheus that does not scrape it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from pytest_httpserver import HTTPServer

from magictel.catalogue.pages import explain
from magictel.exporters.prometheus import PrometheusExporter, PrometheusSettings
from magictel.exporters.prometheus.errors import scrape_error
from magictel.http.wire import Reply, Request
from magictel.sandbox.prometheus_page import PrometheusPageEmulator
from magictel.sandbox.prometheus_remote_write import Parameters, success
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from tests.cli.running import magictel, refused


class FakePrometheus(PrometheusPageEmulator):
    """A Prometheus whose targets are given."""

    given: Mapping[str, Any] = {"activeTargets": [], "droppedTargets": []}

    def targets(self, request: Request, parameters: Parameters) -> Reply:
        return success(self.given)


@pytest.fixture
def application() -> Iterator[PrometheusExporter]:
    exporter = PrometheusExporter(PrometheusSettings(host="127.0.0.1", port=0, username="u", password=Secret("p4ss")))
    provider = MeterProvider(metric_readers=[exporter])
    provider.get_meter("app").create_counter("orders").add(3)
    yield exporter
    provider.shutdown()


def env(exporter: PrometheusExporter, **more: str) -> dict[str, str]:
    login = {"OTEL_EXPORTER_PROMETHEUS_USERNAME": "u", "OTEL_EXPORTER_PROMETHEUS_PASSWORD": "p4ss"}
    return {"OTEL_EXPORTER_PROMETHEUS_URL": f"http://127.0.0.1:{exporter.port}/metrics", **login, **more}


def rungs(folder: Path, environment: Mapping[str, str], *options: str) -> dict[str, Any]:
    ran = magictel("check", "prometheus", "--format", "json", *options, folder=folder, environment=environment)
    (target,) = ran.document["targets"]
    return {rung["rung"]: rung for rung in target["rungs"]} | {"exit": ran.code}


def test_a_sample_is_verified_in_the_sandbox_and_the_ladder_passes(tmp_path: Path) -> None:
    sent = magictel("send-sample", "prometheus", "--sandbox", "--format", "json", folder=tmp_path)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12)
    ladder = magictel("check", "prometheus", "--sandbox", "--round-trip", folder=tmp_path)
    assert (ladder.code, "scrapes" in ladder.out) == (0, True), ladder.out


def test_without_a_prometheus_our_own_scrape_is_no_proof_of_delivery(tmp_path: Path) -> None:
    sent = magictel("send-sample", "prometheus", "--format", "json", folder=tmp_path)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"], target["code"]) == (3, "unverified", "prom.page.own-scrape")
    assert target["receipt"]["delivered"] == 0
    assert target["receipt"]["unconfirmed"] == target["verification"]["found"]
    assert "prometheus_url" in target["remedy"]


def test_a_running_application_is_read_and_its_port_is_left_alone(
    application: PrometheusExporter, tmp_path: Path
) -> None:
    ladder = rungs(tmp_path, env(application))
    assert ladder["exit"] == 0
    assert ladder["health"]["message"].startswith("2 points of 2 metrics, "), "the counter and target_info"
    assert "accepted, and required" in ladder["auth"]["message"]
    assert "set prometheus_url" in ladder["write"]["message"]
    wrong = rungs(tmp_path, env(application, OTEL_EXPORTER_PROMETHEUS_PASSWORD="wr0ng"))
    assert (wrong["exit"], wrong["auth"]["code"]) == (1, "http.unauthorized")
    assert "wr0ng" not in str(wrong)
    other = rungs(
        tmp_path, env(application) | {"OTEL_EXPORTER_PROMETHEUS_URL": f"http://127.0.0.1:{application.port}/"}
    )
    assert (other["exit"], other["http"]["code"]) == (1, "prom.page.path")


def test_a_missing_file_of_cas_for_the_prometheus_is_named_by_its_option(
    application: PrometheusExporter, tmp_path: Path
) -> None:
    missing = {"PROMETHEUS_URL": "https://127.0.0.1:1", "PROMETHEUS_CA_FILE": str(tmp_path / "missing.pem")}
    write = rungs(tmp_path, env(application, **missing))["write"]
    assert (write["code"], write["message"].partition(":")[0]) == ("config.tls.ca-file", "prometheus_ca_file")
    assert "prometheus_ca_file" in write["remedy"]


def test_nothing_that_listens_is_said_in_terms_of_the_page(tmp_path: Path) -> None:
    ladder = rungs(tmp_path, {"OTEL_EXPORTER_PROMETHEUS_PORT": str(refused())})
    assert (ladder["exit"], ladder["tcp"]["code"]) == (1, "prom.page.not-served")
    assert "no application serves this page now" in ladder["tcp"]["message"]
    any_port = rungs(tmp_path, {"OTEL_EXPORTER_PROMETHEUS_PORT": "0"})
    assert (any_port["exit"], any_port["tcp"]["code"]) == (1, "prom.page.not-served")
    assert "port 0 is any free one" in any_port["tcp"]["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "prom.page.empty"),
        (b"\x00\x01\xff", "prom.page.unparsable"),
        (b"a 1\nb{ 2\n", "prom.page.unparsable"),
        (b'a{b="' + b"c" * 17_000_000, "prom.page.unparsable"),
    ],
    ids=["empty", "binary", "one line", "too long"],
)
def test_a_page_that_cannot_be_read_is_said_in_terms_of_the_page(
    body: bytes, code: str, tmp_path: Path, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/metrics").respond_with_data(body, content_type="text/plain; version=0.0.4")
    ladder = rungs(tmp_path, {"OTEL_EXPORTER_PROMETHEUS_URL": httpserver.url_for("/metrics")})
    assert ladder["health"]["code"] == code


def target(port: int | None, **more: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/metrics"
    return {
        "scrapeUrl": url,
        "labels": {"job": "app", "instance": f"127.0.0.1:{port}"},
        "health": "up",
        "lastError": "",
        "lastScrape": "2100-01-01T00:00:00.123456789Z",
        "scrapeInterval": "1m15s",
        "scrapeTimeout": "10s",
        **more,
    }


@pytest.mark.parametrize(
    ("change", "status", "code", "message"),
    [
        ({}, "pass", None, "every 75 s: up"),
        (
            {"health": "unknown", "lastScrape": "0001-01-01T00:00:00Z"},
            "warn",
            "prom.page.not-yet-scraped",
            "not scraped",
        ),
        ({"lastScrape": "2020-01-01T00:00:00Z"}, "warn", "prom.page.old", "too long"),
        ({"health": "down", "lastError": "context deadline exceeded"}, "fail", "prom.page.slow", "scrape_timeout"),
        ({"scrapeUrl": "http://127.0.0.1:1/metrics"}, "fail", "prom.page.no-target", "does not scrape"),
    ],
)
def test_what_the_prometheus_says_about_its_target(
    change: dict[str, Any], status: str, code: str | None, message: str, application: PrometheusExporter, tmp_path: Path
) -> None:
    emulator = FakePrometheus()
    with Server(emulator).start() as server:
        emulator.given = {"activeTargets": [target(application.port, **change)]}
        write = rungs(tmp_path, env(application, PROMETHEUS_URL=server.origin))["write"]
    assert (write["outcome"], write.get("code")) == (status, code)
    assert message in write["message"]


def test_a_dropped_target_is_named(application: PrometheusExporter, tmp_path: Path) -> None:
    labels = {"__address__": f"app:{application.port}", "__metrics_path__": "/metrics", "__scheme__": "http"}
    emulator = FakePrometheus()
    with Server(emulator).start() as server:
        emulator.given = {"activeTargets": [], "droppedTargets": [{"discoveredLabels": labels}]}
        write = rungs(tmp_path, env(application, PROMETHEUS_URL=server.origin))["write"]
    assert write["code"] == "prom.page.target-dropped"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ('Get "http://app:9464/metrics": dial tcp 10.0.0.2:9464: connect: connection refused', "prom.page.unreachable"),
        ('Get "http://app:9464/metrics": dial tcp: lookup app on 127.0.0.11:53: no such host', "prom.page.unreachable"),
        ('Get "http://app:9464/metrics": context deadline exceeded', "prom.page.slow"),
        ("server returned HTTP status 401 Unauthorized", "prom.page.credentials"),
        ("server returned HTTP status 404 Not Found", "prom.page.path"),
        ("server returned HTTP status 503 Service Unavailable", "prom.page.application-error"),
        ('Get "https://app:9464/metrics": http: server gave HTTP response to HTTPS client', "prom.page.tls"),
        (
            'Get "https://a/metrics": tls: failed to verify certificate: x509: certificate signed by unknown authority',
            "prom.page.tls",
        ),
        ('Get "http://app:9464/metrics": EOF', "prom.page.tls"),
        ("sample limit exceeded", "prom.page.limit"),
        (
            "label_value_length_limit exceeded (metric: x, label name: y, value: z, length: 300, limit: 200)",
            "prom.page.limit",
        ),
        ("body size limit exceeded", "prom.page.limit"),
        (
            "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target",
            "prom.page.content-type",
        ),
        (r'expected a valid start token, got "\x1f" ("INVALID") while parsing: "\x1f"', "prom.page.compressed-twice"),
        ('expected value after metric, got "x" ("INVALID") while parsing: "a b"', "prom.page.unparsable"),
        ("data does not end with # EOF", "prom.page.unparsable"),
        # as Prometheus 3 words them
        (
            'received unsupported Content-Type "text/html; charset=utf-8" and no fallback_scrape_protocol',
            "prom.page.content-type",
        ),
        ('cannot parse Content-Type "bogus;;;" and no fallback_scrape_protocol for target', "prom.page.content-type"),
        (
            'received OpenMetrics 2.0 Content-Type "application/openmetrics-text; version=2.0.0"',
            "prom.page.content-type",
        ),
        ("unexpected data after # EOF", "prom.page.unparsable"),
        ('strconv.ParseFloat: parsing "line": invalid syntax while parsing: "bad line"', "prom.page.unparsable"),
        ("proto: wrong wireType = 0 for field Metric", "prom.page.unparsable"),
        ('label name "a" is not unique: invalid sample', "prom.page.unparsable"),
        (r'invalid metric type "gauge\r"', "prom.page.unparsable"),
        ("something new", "prom.page.scrape-failed"),
    ],
)
def test_the_error_of_a_target_has_a_code(error: str, code: str) -> None:
    known = scrape_error(error, "http://app:9464/metrics")
    assert (known.code, bool(known.message), bool(known.remedy)) == (code, True, True)


ROWS = Path(__file__).parents[4] / "shared" / "reference" / "fault_responses.json"
PAGE_CODES = {
    "scrape.blank-content-type": "prom.page.content-type",
    "scrape.gzip-unasked": "prom.page.compressed-twice",
    "scrape.port-in-use": "page.port-in-use",
}
"""The codes that the rows of the fault table have here."""


@pytest.mark.skipif(not ROWS.exists(), reason=f"the fault table is not here: {ROWS}")
@pytest.mark.parametrize("id_", PAGE_CODES)
def test_a_row_of_the_fault_table_has_one_code_on_every_road(
    id_: str, application: PrometheusExporter, tmp_path: Path
) -> None:
    """But delivery: a scrape that fails reaches no page, and a busy port has its own test below."""
    rows = {row["id"]: row for row in json.loads(ROWS.read_text())["rows"] if row["id"].startswith("scrape.")}
    assert rows.keys() == PAGE_CODES.keys()
    row, code = rows[id_], PAGE_CODES[id_]
    text = f"{row['seen']}: {row['body']}"
    codes = [magictel("diagnose", "prometheus", "--text", text, "--format", "json", folder=tmp_path).document["code"]]
    if row["phase"] == "http":
        emulator = FakePrometheus()
        with Server(emulator).start() as server:
            emulator.given = {"activeTargets": [target(application.port, health="down", lastError=row["body"])]}
            codes.append(rungs(tmp_path, env(application, PROMETHEUS_URL=server.origin))["write"]["code"])
    page = explain(code)
    assert set(codes) == {code}
    assert page is not None
    assert page.retry == row["retry"]


def test_a_sample_that_no_target_scrapes_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    with Server(FakePrometheus()).start() as server:
        sent = magictel("send-sample", "prometheus", folder=tmp_path, environment={"PROMETHEUS_URL": server.origin})
    assert sent.code == 1
    assert "prom.page.no-target" in sent.last
    assert "scrape_configs" in sent.out


def test_a_busy_port_fails_the_sample_and_names_the_other_process(tmp_path: Path) -> None:
    emulator = FakePrometheus()
    with socket.create_server(("127.0.0.1", 0)) as busy, Server(emulator).start() as server:
        port = busy.getsockname()[1]
        emulator.given = {"activeTargets": [target(port, scrapeInterval="1s")]}
        where = {"PROMETHEUS_URL": server.origin, "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
        sent = magictel("send-sample", "prometheus", "--set", "host=127.0.0.1", folder=tmp_path, environment=where)
    assert sent.code == 1
    assert "page.port-in-use" in sent.last


def test_a_scrape_that_does_not_come_is_no_delivery(tmp_path: Path) -> None:
    emulator = FakePrometheus()
    with Server(emulator).start() as server:
        emulator.given = {
            "activeTargets": [target(port := refused(), scrapeInterval="1s", lastError="context deadline exceeded")]
        }
        where = {"PROMETHEUS_URL": server.origin, "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
        options = ("--set", "host=127.0.0.1", "--deadline", "1.5s", "--format", "json")
        sent = magictel("send-sample", "prometheus", *options, folder=tmp_path, environment=where)
    (row,) = sent.document["targets"]
    assert (sent.code, row["code"], row["receipt"]["delivered"]) == (1, "page.not-scraped", 0)
    assert "scrape_timeout" in row["message"]


def test_a_prometheus_that_answers_nonsense_while_it_is_waited_for_does_not_end_the_wait(tmp_path: Path) -> None:
    class Forgetful(FakePrometheus):
        asked = 0

        def targets(self, request: Request, parameters: Parameters) -> Reply:
            self.asked += 1
            return success(self.given if self.asked == 1 else {"activeTargets": ["no target"]})

    emulator = Forgetful()
    with Server(emulator).start() as server:
        emulator.given = {"activeTargets": [target(port := refused(), scrapeInterval="1s")]}
        where = {"PROMETHEUS_URL": server.origin, "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
        options = ("--set", "host=127.0.0.1", "--deadline", "1.5s", "--format", "json")
        sent = magictel("send-sample", "prometheus", *options, folder=tmp_path, environment=where)
    (row,) = sent.document["targets"]
    assert (sent.code, row["code"], emulator.asked > 1) == (1, "page.not-scraped", True)


def test_a_recording_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "page.prom").write_text("# TYPE a gauge\na 1\n")
    ran = magictel("replay", "page.prom", "--to", "prometheus", folder=tmp_path)
    assert ran.code == 78
    assert "page.no-replay" in ran.out + ran.err
    dry = magictel("replay", "page.prom", "--to", "prometheus", "--dry-run", folder=tmp_path)
    assert (dry.code, "nothing can be sent to it" in dry.out) == (78, True), dry


def test_there_is_nothing_to_prepare(tmp_path: Path) -> None:
    ran = magictel("prepare", "prometheus", folder=tmp_path)
    assert (ran.code, ran.last) == (0, "prometheus needs no preparation")


def test_a_dry_run_shows_the_page(tmp_path: Path) -> None:
    ran = magictel("send-sample", "prometheus", "--dry-run", folder=tmp_path)
    assert ran.code == 0
    assert "magictel_sample_requests_total{" in ran.out


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("OSError 98: [Errno 98] Address already in use", "page.port-in-use"),
        ("scrape error: non-compliant scrape target sending blank Content-Type", "prom.page.content-type"),
        (
            r'parse error: expected a valid start token, got "\x1f" ("INVALID") while parsing: "\x1f"',
            "prom.page.compressed-twice",
        ),
        ('err="server returned HTTP status 404 Not Found"', "prom.page.path"),
        ("sample limit exceeded", "prom.page.limit"),
    ],
)
def test_lines_of_logs_are_diagnosed(text: str, code: str, tmp_path: Path) -> None:
    ran = magictel("diagnose", "prometheus", "--text", text, "--format", "json", folder=tmp_path)
    assert ran.document["code"] == code, ran
