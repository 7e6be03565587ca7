"""`--deadline` and `--timeout` count for the rungs before a send as well: what a request may take is seen, no clock is watched."""

from __future__ import annotations

from pathlib import Path

import pytest

from magictel.clock import SystemClock
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.http.wire import Reply, Request
from magictel.model.finding import Finding, Rung
from magictel.operations.preflight import readiness
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from tests.cli.running import magictel
from tests.diagnose.scripted import answering, raw
from tests.transports.servers import OK, answers, serving


class Remembers:
    """Answers at once, and remembers how long each request might have taken."""

    def __init__(self) -> None:
        self.given: list[tuple[str, float]] = []

    def send(self, request: Request, timeout: float) -> Reply:
        self.given.append((request.method, timeout))
        return Reply(405 if request.method == "GET" else 204)

    def close(self) -> None:
        """Nothing is held."""


def exporter(origin: str, transport: Remembers) -> PrometheusRemoteWriteExporter:
    settings = PrometheusRemoteWriteExporter.Settings(url=f"{origin}/api/v1/write", trust_env=False, timeout=60.0)
    return PrometheusRemoteWriteExporter(settings, transport=transport)


@pytest.mark.parametrize(("timeout", "deadline", "most"), [(10.0, 3.0, 3.0), (2.0, 30.0, 2.0), (10.0, 30.0, 10.0)])
def test_no_question_before_a_send_may_take_longer_than_either_limit(
    timeout: float, deadline: float, most: float
) -> None:
    transport = Remembers()
    with serving(answers(OK)) as server:
        config = Finding.passed(Rung.CONFIG, "")
        _, stop = readiness(exporter(server.http, transport), config, SystemClock(), timeout=timeout, deadline=deadline)
    assert stop is None
    assert transport.given
    assert all(given <= most for _, given in transport.given)


def test_what_the_questions_took_is_taken_from_the_time_for_sending() -> None:
    transport = Remembers()

    class Later(SystemClock):
        """Five seconds pass between any two looks at it."""

        def __init__(self) -> None:
            super().__init__()
            self.looked = 0

        def monotonic(self) -> float:
            self.looked += 1
            return super().monotonic() + 5.0 * self.looked

    with serving(answers(OK)) as server:
        job = Job("prom", "prometheus-remote-write", lambda: exporter(server.http, transport))
        list(send([job], SendOptions(verify=False, deadline=8.0), Later()))
    writes = [given for method, given in transport.given if method == "POST"]
    assert writes
    assert all(given < 3.0 for given in writes)


@pytest.mark.parametrize(
    "words", [("send-sample", "prometheus-remote-write"), ("replay", "@gateway", "--to", "prometheus-remote-write")]
)
@pytest.mark.parametrize("limit", ["--deadline=300ms", "--timeout=300ms"])
def test_a_server_that_takes_a_connection_and_says_nothing_ends_at_the_limit(
    words: tuple[str, ...], limit: str, tmp_path: Path
) -> None:
    with answering("prometheus-remote-write", {"GET": b""}) as url:
        environment = {"PROMETHEUS_REMOTE_WRITE_URL": f"{url}/api/v1/write"}
        ran = magictel(*words, limit, "--format", "json", folder=tmp_path, environment=environment)
    assert ran.code == 1
    assert ran.document["targets"][0]["code"] == "net.http.read-timeout"
    assert ran.document["targets"][0]["receipt"]["attempts"] == 0


def test_a_server_that_is_slow_but_within_the_limit_is_sent_to(tmp_path: Path) -> None:
    with answering("prometheus-remote-write", {"GET": raw(405, {}, b""), "POST": raw(204, {}, b"")}) as url:
        environment = {"PROMETHEUS_REMOTE_WRITE_URL": f"{url}/api/v1/write"}
        words = ("send-sample", "prometheus-remote-write", "--no-verify", "--deadline=60s", "--timeout=60s")
        assert magictel(*words, folder=tmp_path, environment=environment).code == 0
