"""The page of an application: collections, scrapes side by side, ports in use, forks, the runtime and the SDK's own road."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.util._once import Once

from magictel import runtime
from magictel.exporters.prometheus import PrometheusExporter, PrometheusSettings
from magictel.registry import entry_points
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from magictel.settings.convert import Unfit, convert
from magictel.settings.fields import fields_of
from magictel.settings.login import basic
from tests.exporters.prometheus.pages import collection, gauge, number
from tests.fake_clock import FakeClock
from tests.transports.servers import free_port


@pytest.fixture(autouse=True)
def _fresh_global_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK lets the global provider be set once in a process."""
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", None)


def page(port: int | None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port or 0, timeout=10)
    try:
        connection.request(
            "GET", "/metrics", headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def wait_for(reached: Callable[[], bool]) -> None:
    """A scrape is counted when the scraper has all of it, which is a moment after it."""
    for _ in range(500):
        if reached():
            return
        threading.Event().wait(0.01)
    raise AssertionError("not reached")


def settings(**options: Any) -> PrometheusSettings:
    return PrometheusSettings(**{"host": "127.0.0.1", "port": 0, **options})


@contextmanager
def serving(**options: Any) -> Iterator[tuple[PrometheusExporter, MeterProvider]]:
    exporter = PrometheusExporter(settings(**options))
    provider = MeterProvider(metric_readers=[exporter])
    try:
        yield exporter, provider
    finally:
        provider.shutdown()


def test_a_reader_listens_as_soon_as_a_provider_has_it_and_not_before() -> None:
    exporter = PrometheusExporter(settings())
    assert isinstance(exporter, MetricReader)
    assert exporter.port is None
    provider = MeterProvider(metric_readers=[exporter])
    port = exporter.port
    assert port is not None
    provider.get_meter("app").create_counter("orders").add(3)
    status, text = page(port)
    assert (status, "orders_total" in text) == (200, True)
    provider.shutdown()
    with pytest.raises(ConnectionRefusedError):
        page(port)


def test_a_sample_after_the_shutdown_is_dropped_and_not_served() -> None:
    exporter = PrometheusExporter(settings())
    exporter.shutdown()
    receipt = exporter.deliver(collection(gauge("m", number(1))))
    assert (receipt.dropped, receipt.balanced, receipt.reasons[0].code) == (1, True, "delivery.shutdown")
    assert exporter.port is None


def test_every_scrape_collects_and_the_ledger_counts_its_points() -> None:
    with serving() as (exporter, provider):
        counter = provider.get_meter("app").create_counter("orders")
        values = []
        for _ in range(3):
            counter.add(2)
            line = next(line for line in page(exporter.port)[1].splitlines() if line.startswith("orders_total"))
            values.append(float(line.split()[-1]))
        assert values == [2, 4, 6]
        wait_for(lambda: exporter.ledger.sent == 3)
    assert (exporter.ledger.delivered, exporter.ledger.balanced) == (3, True)


def test_scrapes_during_a_slow_collection_share_it_and_none_waits_longer_than_it_wants() -> None:
    go_on, calls, asked = threading.Event(), [], []

    def slow(_: CallbackOptions) -> list[Observation]:
        calls.append(1)
        go_on.wait(10)
        return [Observation(len(calls))]

    with serving() as (exporter, provider):
        provider.get_meter("app").create_observable_gauge("depth", [slow])
        latest = exporter._collections.latest

        def counted(seconds: float) -> Any:
            asked.append(seconds)
            return latest(seconds)

        exporter._collections.latest = counted  # type: ignore[method-assign]
        pages: list[tuple[int, str]] = []
        threads = [threading.Thread(target=lambda: pages.append(page(exporter.port))) for _ in range(5)]
        hurried = page(exporter.port, X_Prometheus_Scrape_Timeout_Seconds="0.6")
        assert (hurried[0], hurried[1]) == (503, "the collection takes longer than this scraper waits\n")
        for thread in threads:
            thread.start()
        wait_for(lambda: len(asked) == 6)
        go_on.set()
        for thread in threads:
            thread.join(10)
    assert [status for status, _ in pages] == [200] * 5
    assert len(calls) == 1


def test_a_collection_that_fails_is_one_line_and_the_next_scrape_works(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (exporter, provider):
        provider.get_meter("app").create_counter("orders").add(1)
        collect, exporter._collect = exporter._collect, lambda *_, **__: 1 / 0
        assert page(exporter.port)[0] == 500
        exporter._collect = collect
        assert page(exporter.port)[0] == 200
    assert "page.collection-failed: ZeroDivisionError" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_port_in_use_is_one_sentence_and_the_page_comes_when_it_is_free(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    clock.on_wait = lambda _: threading.Event().wait(0.02) and None
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        exporter = PrometheusExporter(settings(port=port), clock=clock)
        provider = MeterProvider(metric_readers=[exporter])
        provider.get_meter("app").create_counter("orders").add(1)
        assert exporter.port is None
        assert caplog.text.count("page.port-in-use") == 1
        assert f"port {port} of 127.0.0.1 is in use by process {os.getpid()}" in caplog.text
    wait_for(lambda: exporter.port is not None)
    assert page(port)[0] == 200
    provider.shutdown()


@pytest.mark.parametrize("host", ["no..host", "a" * 64 + ".example"])
def test_a_host_that_no_name_can_be_does_not_stop_the_application(host: str, caplog: pytest.LogCaptureFixture) -> None:
    exporter = PrometheusExporter(settings(host=host))
    MeterProvider(metric_readers=[exporter]).shutdown()
    assert exporter.port is None
    assert "page.cannot-listen" in caplog.text
    assert "not a valid host name" in caplog.text


@pytest.mark.parametrize("value", [9465, "9465"])
def test_an_optional_number_with_bounds_can_be_set(value: object) -> None:
    (field,) = (field for field in fields_of(PrometheusSettings) if field.key == "sample_port")
    assert convert(field, value) == 9465
    with pytest.raises(Unfit, match="at most 65535"):
        convert(field, 70_000)


def test_an_option_given_as_an_argument_is_refused_and_not_ignored() -> None:
    with pytest.raises(TypeError, match=r"no argument password: .*PrometheusExporter\(PrometheusSettings\(password="):
        PrometheusExporter(password="s3cret")


def test_each_process_takes_the_next_port() -> None:
    first = free_port()
    with serving(port=first, ports=3) as (one_page, _), serving(port=first, ports=3) as (other, _):
        assert {one_page.port, other.port} <= set(range(first, first + 3))
        assert one_page.port != other.port


def test_a_forked_child_has_a_page_of_its_own() -> None:
    first = free_port()
    with serving(port=first, ports=4) as (exporter, provider):
        provider.get_meter("app").create_counter("orders").add(7)
        assert page(exporter.port)[0] == 200
        parent = exporter.port
        read, write = os.pipe()
        lock = exporter.encoding._lock
        lock.acquire()  # as if another thread encoded a page
        child = os.fork()
        if child == 0:
            try:
                wait_for(lambda: exporter.port is not None)
                os.write(write, f"{exporter.port} {exporter.ledger.sent} {page(exporter.port)[0]}".encode())
            finally:
                os._exit(0)
        lock.release()
        os.waitpid(child, 0)
        os.close(write)
        port, sent, status = os.read(read, 100).decode().split()
        assert (int(port) != parent, sent, status) == (True, "0", "200")
        assert page(parent)[0] == 200, "the parent's page is there as before"


def test_the_runtime_serves_a_page_and_sends_to_elasticsearch() -> None:
    port = free_port()
    with Server(ElasticsearchEmulator()).start() as server:
        environment = {
            "ENABLED_EXPORTERS": "prometheus,elasticsearch",
            "ELASTICSEARCH_URL": server.origin,
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
        }
        with runtime.start(environment=environment) as running:
            metrics.get_meter("app").create_counter("orders").add(3)
            status, text = page(port)
            wait_for(lambda: running.ledgers()["prometheus"].delivered == 1)
            assert (status, 'orders_total{otel_scope_name="app"} 3' in text.replace(".0", "")) == (200, True)
        assert isinstance(server.emulator, ElasticsearchEmulator)
        assert len(server.emulator.documents()) == 1
    ledgers = running.ledgers()
    assert (ledgers["prometheus"].delivered, ledgers["elasticsearch"].delivered) == (1, 1)


def test_a_renewed_password_is_wanted_of_the_next_scrape(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("second-key")
    old, new = (basic("u", Secret(password)) for password in ("first-key", "second-key"))
    with serving(username="u", password=Secret("first-key", file.read_text)) as (exporter, _):
        assert [page(exporter.port, Authorization=login)[0] for login in (old, new)] == [401, 200]
        assert exporter.redact("second-key") == "***"


def test_half_a_login_fits_no_scraper() -> None:
    with serving(username="scraper", password=Secret("")) as (exporter, _):
        assert page(exporter.port)[0] == 401


def test_a_sample_on_all_addresses_is_read_from_this_machine() -> None:
    assert settings(host="").served_at(9464) == "http://localhost:9464/metrics"
    assert settings(host="::1", tls_cert_file="page.pem").served_at(1) == "https://[::1]:1/metrics"


def test_unusable_settings_stop_nothing(caplog: pytest.LogCaptureFixture) -> None:
    environment = {"ENABLED_EXPORTERS": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": "99999"}
    with runtime.start(environment=environment) as running:
        metrics.get_meter("app").create_counter("orders").add(3)
    assert "config.value" in caplog.text
    assert running.ledgers()["prometheus"].dropped == 1


def test_opentelemetry_finds_a_reader_under_its_name() -> None:
    points = entry_points.entry_points(group="opentelemetry_metrics_exporter", name="magictel_prometheus")
    assert [point.load() for point in points] == [PrometheusExporter]
    assert issubclass(entry_points.load("prometheus"), MetricReader)


def test_logs_of_a_page_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving() as (exporter, provider):
        provider.get_meter("app").create_counter("orders").add(1)
        page(exporter.port)
    assert [record.levelname for record in caplog.records if record.name.startswith("magictel")] == ["INFO", "INFO"]
