"""A gateway under gunicorn whose backend is away, and whose worker and master are killed: every request is counted at each backend."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from magictel.delivery.spool_contents import contents
from magictel.sandbox.datadog import DatadogEmulator
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.runtime.test_servers import asked, ended, free_ports, orders_on, running

GATEWAY = """
import contextlib
import os
from magictel import runtime
from opentelemetry import metrics

telemetry = runtime.start(interval=3600)
counter = metrics.get_meter("app").create_counter("orders")

def app(environ, start_response):
    counter.add(1)
    telemetry.force_flush(20)  # what is measured after an export is lost by a kill
    with open("served", "a") as file:
        print(os.getpid(), file=file)
    start_response("200 OK", [])
    return [b"ok"]
"""


def test_no_request_is_lost_by_an_outage_and_kills(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(GATEWAY)
    *pages, datadog_port = free_ports(4)
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", "unix:socket", "application:app"]
    variables = {
        "ENABLED_EXPORTERS": "prometheus,elasticsearch,datadog",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(pages[0]),
        "OTEL_EXPORTER_PROMETHEUS_PORTS": str(len(pages)),
        "ELASTICSEARCH_SPOOL": "spool",
        "DD_DD_URL": f"http://127.0.0.1:{datadog_port}",
        "DD_API_KEY": "0123456789abcdef0123456789abcdef",
        "DATADOG_SPOOL": "spool",
        "DATADOG_RETRY_BUDGET": "0",
    }

    def ask(process: subprocess.Popen[str], count: int) -> list[int]:
        for _ in range(count):
            asked(tmp_path / "socket", process)
        return [int(line) for line in (tmp_path / "served").read_text().split()]

    with Server(ElasticsearchEmulator()).start() as elasticsearch:
        with running(tmp_path, elasticsearch.origin, *command, **variables) as process:
            served = ask(process, 4)
            assert sum(filter(None, map(orders_on, pages))) == 4
            os.kill(served[-1], signal.SIGKILL)
            served = ask(process, 3)
            process.send_signal(signal.SIGKILL)
            process.wait()
            for worker in {*served}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
        (tmp_path / "socket").unlink()
        assert len(contents(tmp_path / "spool" / "datadog.spool", "").rows) >= 7
        with Server(DatadogEmulator(), port=datadog_port).start() as datadog:
            with running(tmp_path, elasticsearch.origin, *command, **variables) as process:
                served = ask(process, 3)
                assert ended(process, signal.SIGTERM) == 0
            assert len(served) == 10
            assert isinstance(datadog.emulator, DatadogEmulator)
            assert sum(point.numbers["value"] for point in datadog.emulator.points if point.metric == "orders") == 10
        assert isinstance(elasticsearch.emulator, ElasticsearchEmulator)
        totals: dict[str, int] = {}
        for document in elasticsearch.emulator.documents():
            instance = document["resource"]["attributes"]["service.instance.id"]
            totals[instance] = max(totals.get(instance, 0), document["value_long"])
        assert sum(totals.values()) == 10
    for name in ("elasticsearch", "datadog"):
        stored = contents(tmp_path / "spool" / f"{name}.spool", "")
        assert (stored.rows, stored.counts["sent"]) == ((), stored.counts["delivered"])
