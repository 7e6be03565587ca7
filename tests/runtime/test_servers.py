"""The last collection arrives, however the process is ended: real uvicorn and gunicorn, a plain program, handlers of its own."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.faults import parse_faults
from magictel.sandbox.server import Server
from tests.clean_environment import clean_environment
from tests.cli.running import refused

START = """
from magictel import runtime
from opentelemetry import metrics
{start}
counter = metrics.get_meter("app").create_counter("orders")
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        async with {lifespan}:
            await send({{"type": "lifespan.startup.complete"}})
            await receive()
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    counter.add(1)
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"ok"}})
"""
WSGI = """
def app(environ, start_response):
    counter.add(1)
    start_response("200 OK", [])
    return [b"ok"]
"""
LOOP = """
import signal, sys, time
counter.add(1)
{before}
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator()).start() as server:
        yield server


def orders(server: Server) -> int:
    """Collections of the counter that arrived with something in it."""
    assert isinstance(server.emulator, ElasticsearchEmulator)
    return sum("orders" in str(document) for document in server.emulator.documents())


@contextlib.contextmanager
def running(folder: Path, url: str, *command: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    ours = {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_URL": url, "PYTHONPATH": str(folder), **more}
    environment = {**clean_environment(), **ours}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def asked(path: Path, process: subprocess.Popen[str]) -> None:
    """One request over the server's Unix socket, as soon as it listens."""
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.settimeout(60)
            client.sendall(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
            if b" 200 " in client.recv(65536):
                return
        time.sleep(0.05)
    raise AssertionError(process.communicate()[0])


def ended(process: subprocess.Popen[str], number: int) -> int:
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    assert "Traceback" not in output, output
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_uvicorn_with_the_lifespan(number: int, backend: Server, tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(START.format(start="") + ASGI.format(lifespan="runtime.lifespan(app)"))
    command = [sys.executable, "-m", "uvicorn", "application:app", "--uds", "socket"]
    with running(tmp_path, backend.origin, *command) as process:
        asked(tmp_path / "socket", process)
        ended(process, number)
    assert orders(backend) == 1


def test_uvicorn_run_by_a_program_that_has_started_before(backend: Server, tmp_path: Path) -> None:
    serve = 'import contextlib, uvicorn\nuvicorn.run(app, uds="socket")\n'
    program = START.format(start="runtime.start()") + ASGI.format(lifespan="contextlib.nullcontext()") + serve
    (tmp_path / "program.py").write_text(program)
    with running(tmp_path, backend.origin, sys.executable, "program.py") as process:
        asked(tmp_path / "socket", process)
        assert ended(process, signal.SIGTERM) == -signal.SIGTERM, "it ends as it would have"
    assert orders(backend) == 1


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_gunicorn(preload: tuple[str, ...], backend: Server, tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(START.format(start="runtime.start()") + WSGI)
    command = [sys.executable, "-m", "gunicorn", "--bind", "unix:socket", *preload, "application:app"]
    with running(tmp_path, backend.origin, *command) as process:
        asked(tmp_path / "socket", process)
        assert ended(process, signal.SIGTERM) == 0
    assert orders(backend) == 1


def free_ports(count: int) -> range:
    """Neighbouring ports that are free now."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, OverflowError):
            first = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            for port in range(first + 1, first + count):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return range(first, first + count)


def orders_on(port: int) -> float | None:
    """The counter on the page of a process, None where no process has the port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as reply:
            lines = reply.read().decode().splitlines()
    except OSError:
        return None
    return sum(float(line.split()[-1]) for line in lines if line.startswith("orders_total"))


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_gunicorn_has_a_page_for_each_process_and_loses_no_count(preload: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(START.format(start="runtime.start()") + WSGI)
    ports = free_ports(4)
    command = [sys.executable, "-m", "gunicorn", "--workers", "3", "--bind", "unix:socket", *preload, "application:app"]
    page = {
        "ENABLED_EXPORTERS": "prometheus",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(ports[0]),
        "OTEL_EXPORTER_PROMETHEUS_PORTS": str(len(ports)),
    }
    with running(tmp_path, "", *command, **page) as process:
        for _ in range(12):
            asked(tmp_path / "socket", process)
        processes = 3 + len(preload)  # the master that has loaded the application measures as well
        pages: list[float | None] = []
        while process.poll() is None and len(pages) < processes:  # each worker starts at its own pace
            pages = [value for port in ports if (value := orders_on(port)) is not None]
        assert ended(process, signal.SIGTERM) == 0
    assert len(pages) == processes
    assert sum(filter(None, pages)) == 12


OWN = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"
CHAINED = """
before = signal.getsignal(signal.SIGTERM)
def handler(number, frame):
    print("own", flush=True)
    signal.signal(number, before)
    signal.raise_signal(number)
signal.signal(signal.SIGTERM, handler)
"""


@pytest.mark.parametrize(
    ("earlier", "before", "code"),
    [("", "", -15), (f"import signal, sys\n{OWN}", "", 7), ("", OWN, 7), ("", CHAINED, -15)],
    ids=["no handler", "a handler of its own", "one that it installs later", "one that hands on"],
)
def test_a_plain_program(earlier: str, before: str, code: int, backend: Server, tmp_path: Path) -> None:
    program = START.format(start=f"{earlier}\nruntime.start()") + LOOP.format(before=before)
    with running(tmp_path, backend.origin, sys.executable, "-c", program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert ended(process, signal.SIGTERM) == code
    assert orders(backend) == 1


@pytest.mark.parametrize(("option", "collections"), [("", 1), ("sigterm=False", 0)])
def test_a_signal_in_the_middle_of_a_measurement_does_not_hang(option: str, collections: int, tmp_path: Path) -> None:
    """The main thread never leaves the SDK's locks: whoever waited for one in the handler would wait for ever."""
    busy = "print('ready', flush=True)\nwhile True:\n    counter.add(1)\n"
    with Server(ElasticsearchEmulator()).start() as server:
        program = START.format(start=f"runtime.start({option})") + busy
        with running(tmp_path, server.origin, sys.executable, "-c", program) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert ended(process, signal.SIGTERM) == -signal.SIGTERM
        assert orders(server) == collections


def test_a_backend_that_is_away_holds_nothing_up_for_long(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{refused()}"
    with running(
        tmp_path, url, sys.executable, "-c", START.format(start="runtime.start()") + LOOP.format(before="")
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert ended(process, signal.SIGTERM) == -signal.SIGTERM


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with Server(ElasticsearchEmulator(), faults=parse_faults("hang forever")).start() as server:
        program = START.format(start="runtime.start()") + LOOP.format(before="")
        with running(tmp_path, server.origin, sys.executable, "-c", program) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            while not server.faults.fired and process.poll() is None:
                time.sleep(0.01)
            assert ended(process, signal.SIGTERM) == -signal.SIGTERM


def test_a_start_in_another_thread_listens_to_nothing(backend: Server, tmp_path: Path) -> None:
    start = "import threading\nthread = threading.Thread(target=runtime.start)\nthread.start()\nthread.join()\n"
    with running(
        tmp_path, backend.origin, sys.executable, "-c", START.format(start=start) + LOOP.format(before="")
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert ended(process, signal.SIGTERM) == -signal.SIGTERM
    assert orders(backend) == 0
