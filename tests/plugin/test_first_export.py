"""The first export: everything is imported when the exporter is made, so that it costs the attempt no time and a fork no lock."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from magictel.clock import SystemClock
from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.http.wire import Reply, Request
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.faults import Fault, Faults
from magictel.sandbox.server import Server
from magictel.transports.http import HttpTransport
from tests.clean_environment import clean_environment
from tests.cli.running import answering, html, refused
from tests.delivery.points import collection
from tests.fake_clock import FakeClock

ROOT = Path(__file__).parents[2]


def ran(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(
        command, env=clean_environment(), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


IMPORTS = """
import json, logging, sys
logging.disable()
from magictel.registry import entry_points as registry
from tests.delivery.points import collection

made, data = registry.load(sys.argv[1]), collection(range(7))
exporters = {
    name: made(made.Settings(**settings, retry_budget=0, trust_env=False))
    for name, settings in json.loads(sys.argv[2]).items()
}
looked_for = []

class Finder:
    def find_spec(self, name, path=None, target=None):
        looked_for.append(name)

sys.meta_path.insert(0, Finder())
seen = {}
for name, exporter in exporters.items():
    exporter.export(data)
    exporter.force_flush(1000)
    exporter.shutdown(0)
    seen[name] = [*looked_for], exporter.ledger.delivered
    looked_for.clear()
print(json.dumps(seen))
"""
ANSWERS = {
    "a page": html(),
    "429": html("429 Too Many Requests"),
    "503": html("503 Service Unavailable"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", ["elasticsearch", "prometheus-remote-write"])
def test_no_export_imports_anything_however_it_is_answered(name: str) -> None:
    with ExitStack() as stack:
        urls = {answer: f"http://127.0.0.1:{stack.enter_context(answering(body))}" for answer, body in ANSWERS.items()}
        urls["refused"] = f"http://127.0.0.1:{refused()}"
        urls["untrusted"] = f"https://127.0.0.1:{stack.enter_context(answering(html(), secure=True))}"
        urls["served"] = stack.enter_context(Server(ElasticsearchEmulator()).start()).origin
        page = name == "prometheus-remote-write"
        settings = {answer: {"url": f"{url}/api/v1/write" if page else [url]} for answer, url in urls.items()}
        seen = json.loads(ran(IMPORTS, name, json.dumps(settings)))
    assert {answer: looked_for for answer, (looked_for, _) in seen.items() if looked_for} == {}
    if name == "elasticsearch":
        assert seen["served"][1] == 7


FORK = """
import json, os, sys, threading, warnings
warnings.simplefilter("ignore")
from opentelemetry import metrics
from magictel import runtime
from magictel.transports.http import HttpTransport

sending, send = threading.Event(), HttpTransport.send

def announced(self, request, timeout):
    sending.set()
    return send(self, request, timeout)

HttpTransport.send = announced
in_flight = sys.argv[2]
environment = {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_URL": sys.argv[1], "ELASTICSEARCH_IN_FLIGHT": in_flight,
               "ELASTICSEARCH_MAX_BATCH_POINTS": "1", "ELASTICSEARCH_TIMEOUT": "60"}
running = runtime.start(environment=environment, interval=3600)
counter = metrics.get_meter("app").create_counter("orders")
for shop in range(3):
    counter.add(1, {"shop": shop})
flush = threading.Thread(target=running.provider.force_flush, args=(60_000,))
flush.start()
assert sending.wait(100)
child = os.fork()
if not child:
    counter.add(1, {"shop": 99})
    running.shutdown(60)
    ledger = running.ledgers()["elasticsearch"]
    os._exit(0 if (ledger.sent, ledger.delivered) == (4, 4) else 1)
_, status = os.waitpid(child, 0)
flush.join(60)
running.shutdown(60)
ledger = running.ledgers()["elasticsearch"]
print(json.dumps([os.waitstatus_to_exitcode(status), ledger.sent, ledger.delivered]))
"""


@pytest.mark.parametrize("in_flight", ["1", "3"])
def test_a_fork_in_the_middle_of_the_first_export_leaves_a_child_and_a_parent_that_work(in_flight: str) -> None:
    slow = Faults([Fault("slow", int(in_flight), seconds=1.5)])
    with Server(ElasticsearchEmulator(), faults=slow).start() as server:
        status, sent, delivered = json.loads(ran(FORK, server.origin, in_flight))
    assert status == 0, "the child hangs or has lost points"
    assert (sent, delivered) == (6, 6), "the parent's three series, twice"


class Recording(HttpTransport):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.given: list[float] = []

    def send(self, request: Request, timeout: float) -> Reply:
        if request.method == "POST":
            self.given.append(timeout)
        self.clock.pass_time(0.1)
        return Reply(503, {}, b"", 0.1)


def test_only_waiting_for_the_backend_counts_against_an_attempt() -> None:
    clock = FakeClock()
    transport = Recording(clock)
    settings = ElasticsearchExporter.Settings(url=["http://127.0.0.1:1"], retry_budget=3.0)
    exporter = ElasticsearchExporter(settings, transport=transport, clock=clock)
    compress = exporter.compress

    def slowly(body: bytes) -> tuple[bytes, object]:
        clock.pass_time(20.0)
        return compress(body)

    exporter.compress = slowly  # type: ignore[method-assign, assignment]
    exporter.export(collection(range(3)))
    assert transport.given[0] >= 2.5, "not what compression left of it"
    assert not exporter._pipeline.timed_out, "it answered in 0.1 s"
    exporter.shutdown(0)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def test_the_tls_context_is_made_with_the_exporter(authority: trustme.CA, tmp_path: Path) -> None:
    certificate = authority.issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Server(ElasticsearchEmulator(), ssl_context=context).start() as server:
        settings = ElasticsearchExporter.Settings(
            url=[server.origin], ca_file=str(tmp_path / "ca.pem"), trust_env=False
        )
        exporter = ElasticsearchExporter(settings)
        assert isinstance(exporter.transport, HttpTransport)
        assert exporter.transport._context is not None
        assert len(exporter.transport._pools) == 1
        exporter.export(collection(range(3)))
        assert exporter.ledger.delivered == 3
        exporter.shutdown(0)


def test_a_file_of_tls_that_is_not_there_yet_stops_no_exporter_from_being_made() -> None:
    settings = ElasticsearchExporter.Settings(url=["https://127.0.0.1:1"], ca_file="/nowhere/ca.pem", retry_budget=0)
    exporter = ElasticsearchExporter(settings)
    exporter.export(collection(range(3)))
    assert [reason.code for reason in exporter.ledger.reasons] == ["config.tls.ca-file"]
    exporter.shutdown(0)


@pytest.fixture
def slow_once() -> Iterator[Server]:
    with Server(ElasticsearchEmulator(), faults=Faults([Fault("slow", 1, seconds=1.6)])).start() as server:
        yield server


def test_the_only_export_of_a_short_job_is_tried_once_more_by_shutdown_after_it_timed_out(slow_once: Server) -> None:
    settings = ElasticsearchExporter.Settings(url=[slow_once.origin], retry_budget=0, timeout=60.0, trust_env=False)
    exporter = ElasticsearchExporter(settings, clock=SystemClock())
    exporter.export(collection(range(3)))
    assert exporter.ledger.kept == 3
    exporter.shutdown(60_000)
    assert (exporter.ledger.delivered, exporter.ledger.dropped) == (3, 0)
