"""The connection test at the start: what it logs, what it waits for, and what prevents a start."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import metrics

from magictel import runtime
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.clean_environment import clean_environment
from tests.cli.running import hanging, refused


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator()).start() as server:
        yield server


def elasticsearch(url: str, start_check: str = "background") -> dict[str, str]:
    return {
        "ENABLED_EXPORTERS": "elasticsearch",
        "ELASTICSEARCH_URL": url,
        "ELASTICSEARCH_START_CHECK": start_check,
        "ELASTICSEARCH_RETRY_BUDGET": "0",
    }


def wait_for_tests(telemetry: runtime.Telemetry) -> None:
    """Wait for the tests in the background."""
    for thread in threading.enumerate():
        if thread.name == "magictel-start-check":
            thread.join()
    assert set(telemetry.connections.results) == set(telemetry.exporters)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "connection" in record.getMessage()]


def test_one_line_for_a_backend_that_is_reached(backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with runtime.start(environment=elasticsearch(backend.origin), interval=5) as telemetry:
        wait_for_tests(telemetry)
        (line,) = lines(caplog)
    assert line.startswith(f"sends to {backend.origin}")
    assert " every 5 s: connection OK" in line


@pytest.mark.parametrize("start_check", ["background", "warn"])
def test_a_backend_that_is_away_is_logged_and_stops_nothing(start_check: str, caplog: pytest.LogCaptureFixture) -> None:
    with runtime.start(environment=elasticsearch(f"http://127.0.0.1:{refused()}", start_check)) as telemetry:
        if start_check == "background":
            wait_for_tests(telemetry)
        (line,) = lines(caplog)
        assert "connection FAILED at tcp: " in line
        assert "(net.tcp.refused); fix: " in line
        assert telemetry.exporters


def test_only_a_test_in_the_background_is_not_waited_for() -> None:
    with hanging() as (port, _), runtime.start(environment=elasticsearch(f"http://127.0.0.1:{port}")) as telemetry:
        assert telemetry.connections.results == {}


def test_a_required_target_that_is_away_prevents_the_start() -> None:
    before, threads = metrics.get_meter_provider(), set(threading.enumerate())
    with pytest.raises(runtime.StartError) as failed:
        runtime.start(environment=elasticsearch(f"http://127.0.0.1:{refused()}", "required"))
    assert failed.value.code == "net.tcp.refused"
    assert failed.value.message.startswith("elasticsearch failed at tcp: ")
    assert metrics.get_meter_provider() is before
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize("written", ["variable", "file"])
def test_a_required_target_with_unusable_settings_prevents_the_start(written: str, tmp_path: Path) -> None:
    environment = elasticsearch("http://localhost:99999", "required")
    config = tmp_path / "magictel.toml"
    config.write_text('[targets.elasticsearch]\nurl = "http://localhost:99999"\nstart_check = "required"\n')
    given = environment if written == "variable" else {"ENABLED_EXPORTERS": "elasticsearch"}
    if written == "variable":
        config.write_text("")
    with pytest.raises(runtime.StartError) as failed:
        runtime.start(environment=given, config=config)
    assert failed.value.code == "config.url.bad-port"


def test_a_required_target_that_is_reached_is_no_obstacle(backend: Server) -> None:
    with runtime.start(environment=elasticsearch(backend.origin, "required")) as telemetry:
        assert list(telemetry.connections.results) == ["elasticsearch"]


def test_a_page_is_required_to_be_served_and_is_not_scraped() -> None:
    page = {"ENABLED_EXPORTERS": "prometheus", "OTEL_EXPORTER_PROMETHEUS_START_CHECK": "required"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken_port = str(taken.getsockname()[1])
        given = {**page, "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1", "OTEL_EXPORTER_PROMETHEUS_PORT": taken_port}
        with pytest.raises(runtime.StartError) as failed:
            runtime.start(environment=given)
        assert failed.value.code == "page.cannot-listen"
    with runtime.start(environment={**given, "OTEL_EXPORTER_PROMETHEUS_PORT": "0"}) as telemetry:
        assert telemetry.ledgers()["prometheus"].sent == 0


def test_nothing_is_logged_after_the_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    with hanging() as (port, asked):
        telemetry = runtime.start(environment=elasticsearch(f"http://127.0.0.1:{port}"))
        asked.wait()
        telemetry.shutdown(0)
    wait_for_tests(telemetry)
    assert lines(caplog) == []


FORK = """
import os, sys, threading
from magictel import runtime
telemetry = runtime.start()
child = os.fork()
assert telemetry.connections.results, "the parent forked while the test imported modules"
if child == 0:
    import httpcore
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_waits_for_the_imports_of_the_test(backend: Server, tmp_path: Path) -> None:
    """A module that a thread is importing while the process forks can never be imported in the child."""
    environment = {**clean_environment(), **elasticsearch(backend.origin)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], env=environment, cwd=tmp_path, timeout=300, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
