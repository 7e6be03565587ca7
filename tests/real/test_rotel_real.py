"""OTLP through rotel, a Collector in Rust, to a Prometheus of the sandbox: what passed is verified there, and what did not is lost.

Run: `pip install rotel` (Linux, Python 3.10 to 3.13), then `python -m pytest -m real tests/real/test_rotel_real.py`
"""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel.http.wire import Reply, Request
from magictel.sandbox.otlp import OtlpEmulator
from magictel.sandbox.prometheus_remote_write import Parameters
from magictel.sandbox.server import Server
from tests.cli.running import magictel

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


class Behind(OtlpEmulator):
    """A Prometheus that rotel's OTLP exporter can reach: it appends /v1/metrics. It may lose what it accepts."""

    def __init__(self) -> None:
        super().__init__()
        self.stores = True
        self.routes.on("POST", "/v1/metrics")(self.forwarded)

    def forwarded(self, request: Request, parameters: Parameters) -> Reply:
        return self.export(request, parameters) if self.stores else Reply(200)


@pytest.fixture(scope="module")
def program() -> Path:
    package = importlib.util.find_spec("rotel")
    if package is None or package.origin is None:
        pytest.skip("rotel is not installed; pip install rotel")
    program = Path(package.origin).with_name("rotel-agent")
    program.chmod(0o755)
    return program


@pytest.fixture(scope="module")
def rotel(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Behind, str, str]]:
    """Yield the backend behind rotel, its address and the address of rotel."""
    behind = Behind()
    ports = []
    with contextlib.ExitStack() as sockets:
        for _ in range(2):
            free = sockets.enter_context(socket.socket())
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    with Server(behind) as server, (tmp_path_factory.mktemp("rotel") / "log").open("wb") as log:
        options = ["--otlp-http-endpoint", f"127.0.0.1:{ports[0]}", "--otlp-grpc-endpoint", f"127.0.0.1:{ports[1]}"]
        options += ["--exporter", "otlp", "--otlp-exporter-endpoint", server.origin, "--otlp-exporter-protocol", "http"]
        with subprocess.Popen([program, "start", *options], stdout=log, stderr=log) as process:
            try:
                _wait(ports[0])
                yield behind, server.origin, f"http://127.0.0.1:{ports[0]}/v1/metrics"
            finally:
                process.terminate()


def _wait(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail("rotel does not listen after 30 s")


def sent(folder: Path, url: str, origin: str, *options: str) -> Any:
    (folder / "magictel.toml").write_text(
        f'[targets.rotel]\nexporter = "otlp"\nurl = "{url}"\ncompression = "gzip"\n'
        f'[targets.prom]\nexporter = "otlp"\nurl = "{origin}/api/v1/otlp/v1/metrics"\n'
    )
    ran = magictel("send-sample", "rotel", *options, "--format", "json", folder=folder)
    return ran.code, ran.document["targets"][0]


def test_what_rotel_passes_on_is_verified_behind_it(rotel: tuple[Behind, str, str], tmp_path: Path) -> None:
    _, origin, url = rotel
    code, target = sent(tmp_path, url, origin, "--verify-with", "prom", "--within", "20s")
    assert (code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12), target


def test_what_is_lost_behind_rotel_is_no_success(rotel: tuple[Behind, str, str], tmp_path: Path) -> None:
    behind, origin, url = rotel
    behind.stores = False
    try:
        code, target = sent(tmp_path, url, origin, "--verify-with", "prom", "--within", "2s")
    finally:
        behind.stores = True
    assert (code, target["outcome"], target["receipt"]["delivered"]) == (1, "lost", 12), target


def test_alone_rotel_leaves_a_delivery_unverified(rotel: tuple[Behind, str, str], tmp_path: Path) -> None:
    _, origin, url = rotel
    code, target = sent(tmp_path, url, origin)
    assert (code, target["outcome"]) == (3, "unverified"), target
    assert target["remedy"] == "if prom stores what rotel forwards: magictel send-sample rotel --verify-with prom"
