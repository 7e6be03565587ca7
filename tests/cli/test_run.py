"""`magictel run` as a process: a signal flushes, sums up, and is exit 0."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from magictel import sandbox
from magictel.sandbox.prometheus_remote_write import PrometheusRemoteWriteEmulator
from tests.cli.running import magictel, process

PAGE = "# TYPE hits counter\nhits_total 3\n"
SENDER = Path(__file__).parents[1] / "real" / "compliance_sender.sh"
RW = "prometheus-remote-write"


@contextlib.contextmanager
def interrupted(
    command: list[str], number: int, stored: Callable[[], int], **environment: str
) -> Iterator[tuple[str, str]]:
    """Start the command, send it the signal once so many samples are stored, and yield what it printed; it must exit with 0."""
    variables = {**process(**environment)[1], "MAGICTEL_PYTHON": sys.executable}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            until = time.monotonic() + 60
            while stored() < 4 and time.monotonic() < until:
                time.sleep(0.02)
            running.send_signal(number)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 0, (out, err)
    yield out, err


def test_sigterm_ends_it_with_exit_0_and_the_ledger(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/metrics").respond_with_data(PAGE, content_type="text/plain; version=0.0.4")
    with sandbox.start([RW]) as room:
        command, _ = process(
            "run", "--from", httpserver.url_for("/metrics"), "--to", RW, "--every", "50ms", "--format", "json"
        )
        stored = lambda: room.emulators[RW].stored  # noqa: E731
        with interrupted(command, signal.SIGTERM, stored, **room.environment(RW)) as (out, err):
            document = json.loads(out)
            assert document["schema"] == "magictel.run/1"
            (target,) = document["targets"]
            assert target["receipt"]["delivered"] == target["receipt"]["sent"] == stored()
            assert err == ""


@pytest.mark.parametrize("message", ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"])
def test_the_sender_of_the_compliance_suite_runs_until_sigint(httpserver: HTTPServer, message: str) -> None:
    httpserver.expect_request("/metrics").respond_with_data(PAGE, content_type="text/plain; version=0.0.4")
    with sandbox.start([RW]) as room:
        options = {
            "SCRAPE_HOST_PORT": f"{httpserver.host}:{httpserver.port}",
            "SCRAPE_JOB_NAME": "test",
            "REMOTE_WRITE_ENDPOINT": room.servers[RW].origin,
            "REMOTE_WRITE_MESSAGE": message,
        }
        environment = {f"PROMETHEUS_COMPLIANCE_RW_TARGET_{name}": value for name, value in options.items()}
        emulator = room.emulators[RW]
        assert isinstance(emulator, PrometheusRemoteWriteEmulator)
        with interrupted([str(SENDER)], signal.SIGINT, lambda: emulator.stored, **environment) as (out, _):
            assert "accepted" in out
        assert {(labels["job"], labels["instance"]) for labels, _, _ in emulator.samples()} == {
            ("test", options["SCRAPE_HOST_PORT"])
        }


def test_what_is_no_url_and_a_target_that_is_unusable(tmp_path: Path) -> None:
    ran = magictel("run", "--from", "page.txt", "--to", RW, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "magictel replay FILE --to TARGET" in ran.err
    ran = magictel("run", "--from", "http://127.0.0.1:1/metrics", "--to", RW, folder=tmp_path)
    assert ran.code == 78, ran


@pytest.mark.parametrize("quiet", [False, True])
def test_a_page_among_the_enabled_targets_is_left_out_and_named(tmp_path: Path, quiet: bool) -> None:
    (tmp_path / "recording").write_text("# TYPE a gauge\na 1\n")
    environment = {"ENABLED_EXPORTERS": "prometheus,file"}
    command = ("replay", "recording", "--set", "file.path=out", *(("--quiet",) if quiet else ()))
    ran = magictel(*command, folder=tmp_path, environment=environment)
    assert (ran.code, "a 1" not in ran.out) == (0, True), ran
    assert ("prometheus is left out: it is scraped, so nothing can be sent to it" in ran.err) is not quiet
    assert magictel("replay", "recording", "--to", "prometheus", folder=tmp_path).code == 78


def test_a_page_cannot_control_the_terminal(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/metrics").respond_with_data(
        b'a{b="\x1b]0;title\x07"} 1\n# TYPE "h\x1b[2J" histogram\n{"h\x1b[2J_bucket",le="1"} 0.5\n{"h\x1b[2J_count"} 1\n',
        content_type="text/plain",
    )
    url = httpserver.url_for("/metrics")
    recorded = magictel("record", "--from", url, "--out", "r", "--on-error", "skip", "--debug", folder=tmp_path)
    assert (recorded.code, "200 GET" in recorded.err) == (0, True), recorded
    with sandbox.start([RW]) as room:
        command, _ = process("run", "--from", url, "--to", RW, "--every", "50ms", "--debug")
        stored = lambda: room.emulators[RW].stored  # noqa: E731
        with interrupted(command, signal.SIGTERM, stored, **room.environment(RW)) as (out, err):
            assert "unusable lines: 1 skipped" in err
            assert "\x1b" not in recorded.out + recorded.err + out + err
