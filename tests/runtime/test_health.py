"""`telemetry.health()`, its pages over HTTP, and `magictel status`: what really happened to the exports."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics

from magictel import runtime
from magictel.clock import SystemClock
from magictel.model.health import HealthStatus
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.runtime.health import Exports
from magictel.runtime.health_page import health_ports
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.faults import parse_faults
from magictel.sandbox.server import Server
from tests.cli.running import answering, html, magictel, refused
from tests.documents import blocks


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator()).start() as server:
        yield server


def environment(url: str, **more: str) -> dict[str, str]:
    return {
        "ENABLED_EXPORTERS": "elasticsearch",
        "ELASTICSEARCH_URL": url,
        "ELASTICSEARCH_RETRY_BUDGET": "0",
        "ELASTICSEARCH_START_CHECK": "warn",
        "OTEL_SERVICE_NAME": "shop",
        **more,
    }


def measured() -> None:
    metrics.get_meter("app").create_counter("orders").add(3)


def test_a_target_waits_and_then_succeeds(backend: Server) -> None:
    with runtime.start(environment=environment(backend.origin)) as telemetry:
        (target,) = telemetry.health().targets
        assert (target.status, target.last_export, target.last_success) == (HealthStatus.WAITING, None, None)
        assert target.connection is not None
        assert (target.ready, repr(telemetry)) == (True, "Telemetry(elasticsearch: waiting)")
        measured()
        before = SystemClock().now()
        telemetry.force_flush()
        health = telemetry.health()
        (target,) = health.targets
    assert (health.service, health.pid, health.healthy, health.ready) == ("shop", os.getpid(), True, True)
    assert health.instance
    assert (target.target, target.exporter, target.status) == ("elasticsearch", "elasticsearch", HealthStatus.OK)
    assert (target.ledger.sent, target.ledger.delivered, target.code) == (1, 1, None)
    assert target.last_success is not None
    assert before <= target.last_success <= health.now
    assert target.queue is not None
    assert (target.queue.points, target.queue.max_points, target.queue.breaker) == (0, 50_000, "closed")


def test_an_outage_is_seen_with_its_queue_and_its_breaker() -> None:
    url = f"http://127.0.0.1:{refused()}"
    with runtime.start(environment=environment(url, ELASTICSEARCH_BREAKER_FAILURES="1")) as telemetry:
        measured()
        telemetry.force_flush()
        health = telemetry.health()
        telemetry.shutdown(0)
    (target,) = health.targets
    assert (target.status, target.code, health.healthy, health.ready) == (
        HealthStatus.FAILING,
        "net.tcp.refused",
        False,
        False,
    )
    assert target.connection is not None
    assert target.connection.code == "net.tcp.refused"
    assert (target.ledger.kept, target.last_success) == (1, None)
    assert target.queue is not None
    assert (target.queue.points, target.queue.breaker) == (1, "open")
    assert target.queue.bytes > 0
    assert 0 < target.queue.paused <= 30
    assert repr(telemetry).startswith("Telemetry(elasticsearch: ")


def test_what_waits_in_a_spool_is_named_with_its_file(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{refused()}"
    given = environment(url, ELASTICSEARCH_SPOOL=str(tmp_path), MAGICTEL_HEALTH_PORT="0")
    with runtime.start(environment=given) as telemetry:
        measured()
        telemetry.force_flush()
        (target,) = telemetry.health().targets
        ran = magictel("status", f"http://127.0.0.1:{port_of(telemetry)}", folder=tmp_path)
        telemetry.shutdown(0)
    assert target.queue is not None
    file = str(tmp_path / "elasticsearch.spool")
    assert (target.queue.points, target.queue.max_points, target.queue.spool) == (1, 0, file)
    assert 0 < target.queue.bytes < target.queue.max_bytes
    assert f"      1 point in {file}, {target.queue.bytes} B of at most " in ran.out


def test_it_recovers() -> None:
    faulty = Server(ElasticsearchEmulator(), faults=parse_faults("503"))
    with faulty.start() as server, runtime.start(environment=environment(server.origin)) as telemetry:
        measured()
        telemetry.force_flush()
        telemetry.force_flush()
        (target,) = telemetry.health().targets
        assert (target.status, target.ledger.kept) == (HealthStatus.OK, 0)


def test_what_an_export_came_to() -> None:
    exports = Exports(SystemClock())
    rejected = Reason("es.write.mapping-type", "no number", 1, Fate.REJECTED)
    exports.exported(Receipt(sent=3, delivered=2, rejected=1, reasons=(rejected,)))
    assert exports.latest.why == rejected
    assert exports.latest.success is not None
    exports.exported(Receipt(sent=3, delivered=2, rejected=1, reasons=(rejected,)))  # an export without points
    assert exports.latest.why == rejected
    exports.exported(Receipt(sent=4, delivered=3, rejected=1, reasons=(rejected,)))
    assert exports.latest.why is None


def test_an_unusable_target_says_why() -> None:
    with runtime.start(environment=environment("http://localhost:99999")) as telemetry:
        measured()
        telemetry.force_flush()
        health = telemetry.health()
    (target,) = health.targets
    assert (target.status, target.code) == (HealthStatus.UNUSABLE, "config.url.bad-port")
    assert (target.ledger.dropped, health.healthy, health.ready) == (1, False, False)
    assert repr(telemetry) == "Telemetry(elasticsearch: config.url.bad-port)"


def fetched(port: int | None, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as failure:
        with failure:
            return failure.code, failure.read().decode()


def port_of(telemetry: runtime.Telemetry) -> int | None:
    assert telemetry.health_page is not None
    return telemetry.health_page.port


def test_the_pages_of_a_healthy_application(backend: Server) -> None:
    with runtime.start(environment=environment(backend.origin, MAGICTEL_HEALTH_PORT="0")) as telemetry:
        measured()
        telemetry.force_flush()
        port = port_of(telemetry)
        status, text = fetched(port, "/healthz")
        document = json.loads(text)
        assert (status, document["schema"], document["healthy"]) == (200, "magictel.status/1", True)
        assert document["targets"][0]["ledger"]["delivered"] == 1
        assert fetched(port, "/readyz")[0] == 200
        assert fetched(port, "/")[0] == 404
        samples = fetched(port, "/metrics")[1].splitlines()
    labels = 'otel_component_name="elasticsearch",otel_component_type="magictel_elasticsearch"'
    assert f"otel_sdk_exporter_metric_data_point_exported_total{{{labels}}} 1" in samples
    assert f"otel_sdk_exporter_metric_data_point_inflight{{{labels}}} 0" in samples
    assert f"magictel_exporter_healthy{{{labels}}} 1" in samples
    with pytest.raises(OSError, match="refused"):
        fetched(port, "/healthz")


def test_the_pages_of_one_whose_backend_is_away() -> None:
    url = f"http://127.0.0.1:{refused()}"
    more = {"MAGICTEL_HEALTH_PORT": "0", "ELASTICSEARCH_OUTBOX_POINTS": "0"}
    with runtime.start(environment=environment(url, **more)) as telemetry:
        port = port_of(telemetry)
        assert [fetched(port, "/healthz")[0], fetched(port, "/readyz")[0]] == [200, 503]
        measured()
        telemetry.force_flush()
        assert [fetched(port, "/healthz")[0], fetched(port, "/readyz")[0]] == [503, 503]
        text = fetched(port, "/metrics")[1]
    assert 'error_type="delivery.outbox-full"} 1\n' in text
    assert "magictel_exporter_last_success_timestamp_seconds{" not in text


def test_a_second_process_takes_the_next_port_of_the_range(backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first = taken.getsockname()[1]
        given = environment(backend.origin, MAGICTEL_HEALTH_PORT=str(first))
        with runtime.start(environment=given) as telemetry:
            assert port_of(telemetry) is None
        assert f"no health page: 127.0.0.1 port {first}: address already in use" in caplog.text
        given["MAGICTEL_HEALTH_PORT"] = f"{first}-{min(65_535, first + 50)}"
        with runtime.start(environment=given) as telemetry:
            assert port_of(telemetry) in range(first + 1, first + 51)


@pytest.mark.parametrize("text", ["health", "9465-9460", "70000", "-1", "9465-"])
def test_a_port_that_is_none(text: str, caplog: pytest.LogCaptureFixture) -> None:
    expected = [9465] if text == "9465-" else []
    assert list(health_ports({"MAGICTEL_HEALTH_PORT": text})) == expected
    assert ("MAGICTEL_HEALTH_PORT is neither a port nor a range" in caplog.text) is not bool(expected)


def test_no_port_no_page(backend: Server) -> None:
    with runtime.start(environment=environment(backend.origin)) as telemetry:
        assert telemetry.health_page is None


# ---- magictel status -------------------------------------------------------------------------------------------------


def test_status_of_a_healthy_application(backend: Server, tmp_path: Path) -> None:
    given = environment(backend.origin, MAGICTEL_HEALTH_PORT="0")
    assert magictel("prepare", "elasticsearch", "--apply", folder=tmp_path, environment=given).code == 0
    with runtime.start(environment=given) as telemetry:
        measured()
        telemetry.force_flush()
        ran = magictel("status", f"http://127.0.0.1:{port_of(telemetry)}", folder=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"shop, process {os.getpid()}, started ")
    assert lines[1] == f"  √ elasticsearch  {backend.origin}"
    assert lines[2] == "      1 point: 1 delivered"
    assert lines[3].startswith("      last success ")
    assert lines[-1] == "elasticsearch OK"
    shown = next(block for block in blocks("application", "console") if "magictel status" in block)
    assert _unnumbered(shown.partition("$ magictel status\n")[2]) == _unnumbered(
        ran.out.replace("1 point:", "1 points:")
    )


def _unnumbered(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?|<", "", re.sub(r"http://\S+|(?<=\d )(ms|s|min)\b", "", text))


def test_status_of_one_whose_backend_is_away(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{refused()}"
    with runtime.start(environment=environment(url, MAGICTEL_HEALTH_PORT="0")) as telemetry:
        measured()
        telemetry.force_flush()
        address = f"http://127.0.0.1:{port_of(telemetry)}"
        ran = magictel("status", address, folder=tmp_path)
        document = magictel("status", address, "--format", "json", folder=tmp_path)
        telemetry.shutdown(0)
    assert ran.code == document.code == 1
    assert f"  × elasticsearch  {url}\n" in ran.out
    assert "; none has succeeded\n" in ran.out
    assert "      1 of at most 50000 points wait\n" in ran.out
    assert "      more:  magictel explain net.tcp.refused\n" in ran.out
    assert ran.last == "1 of 1 FAILING: elasticsearch (net.tcp.refused)"
    assert document.document["targets"][0]["status"] == "failing"


def test_status_of_an_unusable_target(tmp_path: Path) -> None:
    with runtime.start(environment=environment("http://localhost:99999", MAGICTEL_HEALTH_PORT="0")) as telemetry:
        measured()
        telemetry.force_flush()
        ran = magictel("status", f"http://127.0.0.1:{port_of(telemetry)}", folder=tmp_path)
    assert ran.code == 1
    assert "      1 point: 0 delivered, 1 dropped\n" in ran.out
    assert "the port 99999 is not between 1 and 65535 (config.url.bad-port)\n" in ran.out
    assert ran.last == "1 of 1 FAILING: elasticsearch (config.url.bad-port)"


def test_the_name_of_a_foreign_exporter_in_the_metrics() -> None:
    given = {"ENABLED_EXPORTERS": "otel:otlp_proto_http", "MAGICTEL_HEALTH_PORT": "0"}
    with runtime.start(environment=given) as telemetry:
        assert 'otel_component_type="otel:otlp_proto_http"' in fetched(port_of(telemetry), "/metrics")[1]
        telemetry.shutdown(0)


def test_status_before_the_first_export(backend: Server, tmp_path: Path) -> None:
    with runtime.start(environment=environment(backend.origin, MAGICTEL_HEALTH_PORT="0")) as telemetry:
        ran = magictel("status", f"http://127.0.0.1:{port_of(telemetry)}/healthz", folder=tmp_path)
    assert (ran.code, ran.last) == (0, "elasticsearch OK")
    assert "  · elasticsearch" in ran.out
    assert "      nothing was exported yet\n" in ran.out


def test_status_where_nothing_listens(tmp_path: Path) -> None:
    ran = magictel("status", f"http://127.0.0.1:{refused()}", folder=tmp_path)
    assert ran.code == 1
    assert "refused the connection: nothing is listening there" in ran.err
    assert "MAGICTEL_HEALTH_PORT=9465" in ran.err


@pytest.mark.parametrize("body", [b"[]", b'{"schema": "magictel.status/1"}', html().partition(b"\r\n\r\n")[2]])
def test_status_of_something_else(body: bytes, tmp_path: Path) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with answering(head + body) as port:
        ran = magictel("status", f"http://127.0.0.1:{port}", folder=tmp_path)
    assert ran.code == 2
    assert f"http://127.0.0.1:{port}/healthz answers 200, but not with the health of magictel's runtime" in ran.err


@pytest.mark.parametrize("address", ["localhost:9465:1", "http://[::1", "http://"])
def test_status_at_an_invalid_address(address: str, tmp_path: Path) -> None:
    ran: Any = magictel("status", address, "--format", "json", folder=tmp_path)
    assert (ran.code, ran.document["code"]) == (2, "usage.status")
    assert "healthz" not in str(ran.document)


def test_the_health_page_is_in_the_log(backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with runtime.start(environment=environment(backend.origin, MAGICTEL_HEALTH_PORT="0")) as telemetry:
        assert f"health: http://127.0.0.1:{port_of(telemetry)}/healthz" in caplog.text
