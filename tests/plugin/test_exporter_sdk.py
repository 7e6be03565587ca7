"""The SDK's view: a real MeterProvider with several readers, dead and healthy backends, sockets, processes."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.clean_environment import clean_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator()).start() as server:
        yield server


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of somebody who takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        sockets: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sockets.append(listener.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(100)
        for connection in sockets:
            connection.close()


def refused_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def exporter(url: str, target: str, **settings: Any) -> ElasticsearchExporter:
    return ElasticsearchExporter(ElasticsearchExporter.Settings(url=[url], **settings), target=target)


def reader(exporter: ElasticsearchExporter, interval: float = 60_000) -> PeriodicExportingMetricReader:
    return PeriodicExportingMetricReader(exporter, export_interval_millis=interval)


def stored(server: Server, metric: str) -> list[dict[str, Any]]:
    emulator = server.emulator
    assert isinstance(emulator, ElasticsearchEmulator)
    return [document for document in emulator.documents() if document.get("name") == metric or metric in str(document)]


def test_two_dead_backends_and_a_healthy_one(
    backend: Server, black_hole: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "magictel")
    dead = exporter(refused_port(), "refuses")
    silent = exporter(black_hole, "silent", shutdown_timeout=1.0)
    healthy = exporter(backend.origin, "healthy")
    provider = MeterProvider(
        metric_readers=[reader(dead), reader(silent), reader(healthy)], resource=Resource({}), shutdown_on_exit=False
    )
    counter = provider.get_meter("app").create_counter("orders")
    for number in range(50):
        counter.add(1, {"shop": number % 5})
    provider.shutdown(timeout_millis=120_000)  # raises when a reader had no time left
    assert len(stored(backend, "orders")) == 5
    assert (healthy.ledger.sent, healthy.ledger.delivered) == (5, 5)
    for http_exporter, code in ((dead, "net.tcp.refused"), (silent, "net.http.read-timeout")):
        ledger = http_exporter.ledger
        assert (ledger.sent, ledger.dropped, ledger.balanced) == (5, 5, True), http_exporter.target
        assert [reason.code for reason in ledger.reasons] == [code]
        lines = [record.getMessage() for record in caplog.records if record.name == f"magictel.{http_exporter.target}"]
        assert len(lines) == 3, lines
        assert lines[0].startswith("sent 5, delivered 0, kept 5; 5 kept: " + code)
        assert lines[1].startswith("shut down with undelivered points; 5 dropped: " + code)
    counter.add(1, {"shop": 0})  # after the end: no crash


def test_a_reader_that_comes_too_late_is_ended_without_time_and_says_what_it_holds(
    black_hole: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "magictel")
    silent = exporter(black_hole, "silent", retry_budget=8.0)
    provider = MeterProvider(metric_readers=[reader(silent)], resource=Resource({}), shutdown_on_exit=False)
    provider.get_meter("app").create_counter("orders").add(1)
    silent_thread = next(
        thread for thread in threading.enumerate() if thread.name == "OtelPeriodicExportingMetricReader"
    )
    provider.shutdown(timeout_millis=300)
    assert silent_thread.is_alive(), "it did not wait for the attempt that hangs, which has 8 seconds"
    silent_thread.join(100)
    ledger = silent.ledger
    assert (ledger.sent, ledger.dropped, ledger.kept) == (1, 1, 0), "counted when the attempt ended"
    assert ledger.reasons[0].maybe_stored


def test_an_outage_is_bridged_by_the_outbox() -> None:
    url = refused_port()
    http_exporter = exporter(url, "es", retry_budget=0.05, backoff_initial=0.01, breaker_failures=1000)
    metrics = reader(http_exporter)
    provider = MeterProvider(metric_readers=[metrics], resource=Resource({}), shutdown_on_exit=False)
    counter = provider.get_meter("app").create_counter("orders")
    for _ in range(3):
        counter.add(1)
        metrics.collect()
    assert (http_exporter.ledger.sent, http_exporter.ledger.kept) == (3, 3)
    with Server(ElasticsearchEmulator(), port=int(url.rsplit(":", 1)[1])).start() as server:
        counter.add(1)
        provider.shutdown()
        assert len(stored(server, "orders")) == 4
    assert (http_exporter.ledger.sent, http_exporter.ledger.delivered, http_exporter.ledger.dropped) == (4, 4, 0)


def test_export_flush_and_shutdown_again_after_the_end_do_no_harm(backend: Server) -> None:
    http_exporter = exporter(backend.origin, "es")
    metrics = reader(http_exporter)
    provider = MeterProvider(metric_readers=[metrics], resource=Resource({}), shutdown_on_exit=False)
    provider.get_meter("app").create_counter("orders").add(1)
    assert provider.force_flush()
    provider.shutdown()
    metrics.collect()
    metrics.force_flush()
    http_exporter.shutdown(timeout=-5)
    ledger = http_exporter.ledger
    assert (ledger.delivered, ledger.dropped, ledger.balanced) == (2, 2, True), "flushed and last; twice too late"


APPLICATION = """
import logging, os, sys, threading, warnings
logging.basicConfig(level=logging.INFO, format="%(name)s|%(levelname)s|%(message)s")
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from magictel.exporters.elasticsearch import ElasticsearchExporter

exporter = ElasticsearchExporter()
reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
provider = MeterProvider(metric_readers=[reader], shutdown_on_exit={shutdown_on_exit})
counter = provider.get_meter("app").create_counter("orders")
counter.add(1, {{"process": "parent"}})
{body}
"""


def application(
    body: str, url: str, *, shutdown_on_exit: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", APPLICATION.format(body=body, shutdown_on_exit=shutdown_on_exit)],
        env={**clean_environment(), "ELASTICSEARCH_URL": url, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_process_that_just_ends_delivers_its_last_collection(backend: Server) -> None:
    done = application("", backend.origin)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert len(stored(backend, "orders")) == 1
    assert "magictel.elasticsearch|INFO|shut down; in all: sent 1, delivered 1" in done.stderr


def test_what_nobody_shuts_down_ends_with_the_process(backend: Server) -> None:
    body = "reader.collect()"
    done = application(body, backend.origin, shutdown_on_exit=False)
    assert done.returncode == 0, done.stderr
    assert "magictel.elasticsearch|INFO|shut down; in all: sent 1, delivered 1" in done.stderr


def test_what_waits_in_an_exporter_that_nobody_shuts_down_is_tried_once_more_and_named() -> None:
    done = application("reader.collect()", refused_port(), shutdown_on_exit=False, ELASTICSEARCH_RETRY_BUDGET="50ms")
    assert done.returncode == 0, done.stderr
    assert "magictel.elasticsearch|ERROR|shut down with undelivered points; 1 dropped: net.tcp.refused" in done.stderr
    assert "Traceback" not in done.stderr


FORK = """
reader.collect()
sys.stdout.flush()
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    counter.add(1, {"process": "parent"})
else:
    assert exporter.ledger.sent == 0
    counter.add(5, {"process": "child"})
provider.shutdown()
print("child" if not child else "parent", exporter.ledger.sent, exporter.ledger.delivered)
sys.stdout.flush()
if not child:
    os._exit(0)
"""


def test_a_forked_worker_sends_its_own_over_connections_of_its_own(backend: Server) -> None:
    # From 3.12 on Python itself warns of a fork beside threads, which is the caller's choice.
    done = application("warnings.simplefilter('ignore', DeprecationWarning)\n" + FORK, backend.origin)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    # The SDK's counters are inherited: the child's collection holds the parent's series too.
    assert lines[0].startswith("child 2 2"), done.stdout + done.stderr
    assert lines[1].startswith("parent 2 2"), done.stdout + done.stderr
    times = {(document["attributes"]["process"], document["@timestamp"]) for document in stored(backend, "orders")}
    assert len(stored(backend, "orders")) == 4
    assert {process for process, _ in times} == {"parent", "child"}
    assert backend.connections >= 2
