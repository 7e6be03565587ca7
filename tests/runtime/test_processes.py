"""Several processes: each sends its own last collection, over its own connections, as its own `service.instance.id`."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen

import pytest

from magictel.http.wire import Request
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.documents import blocks
from tests.runtime.test_no_code import INSTRUMENT
from tests.runtime.test_servers import START, ended, free_ports, running

WSGI = """
import os
def app(environ, start_response):
    counter.add(1)
    start_response("200 OK", [])
    return [b"process=%d." % os.getpid()]
"""
_INSTANCE = re.compile(rb'"service\.instance\.id":"([^"]+)"')
_VARIABLES = {"ELASTICSEARCH_COMPRESSION": "none"}


class Backend:
    """A backend that remembers which instances sent over each connection."""

    def __init__(self) -> None:
        self.emulator = ElasticsearchEmulator()
        self.senders: defaultdict[threading.Thread, set[bytes]] = defaultdict(set)
        self.server = Server(self.emulator, seen=self._seen)

    def _seen(self, request: Request, _status: int | None) -> None:
        self.senders[threading.current_thread()] |= set(_INSTANCE.findall(request.body or b""))

    def orders(self) -> dict[str, float]:
        """The last value of the counter, by instance. No connection has two senders."""
        assert [instances for instances in self.senders.values() if len(instances) > 1] == []
        latest: dict[str, tuple[str, float]] = {}
        for document in self.emulator.documents():
            if document.get("name") == "orders":
                instance = document["resource"]["attributes"]["service.instance.id"]
                known = latest.get(instance, ("", 0))
                latest[instance] = max(known, (document["@timestamp"], document["value_long"]))
        return {instance: value for instance, (_, value) in latest.items()}


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    with backend.server.start():
        yield backend


def recipe(server: str) -> str:
    """The lines of the guide for a server."""
    return next(block for block in blocks("application", "python") if f"from {server}" in block)


def answered(path: Path, process: Popen[str]) -> int:
    """One request over the server's Unix socket, as soon as it listens: the number of the process that answers."""
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.settimeout(60)
            client.sendall(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
            if number := re.search(rb"process=(\d+)\.", answer):
                return int(number[1])
        time.sleep(0.05)
    raise AssertionError(process.communicate()[0])


def answered_by_two(path: Path, process: Popen[str]) -> int:
    """Requests, some at a time, until two processes have answered: how many requests that were."""
    requests, processes = 0, set[int]()
    with ThreadPoolExecutor(8) as pool:
        while len(processes) < 2:
            processes |= set(pool.map(lambda _: answered(path, process), range(8)))
            requests += 8
    return requests


def served(backend: Backend, folder: Path, *command: str, **more: str) -> int:
    """Run a server with several workers until two have answered, end it, and return the number of requests."""
    with running(folder, backend.server.origin, *command, **_VARIABLES, **more) as process:
        requests = answered_by_two(folder / "socket", process)
        ended(process, signal.SIGTERM)
    return requests


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_gunicorn_with_workers(preload: tuple[str, ...], backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(START.format(start="runtime.start()") + WSGI)
    options = ("--workers", "3", "--bind", "unix:socket", *preload)
    requests = served(backend, tmp_path, sys.executable, "-m", "gunicorn", *options, "application:app")
    orders = backend.orders()
    assert len(orders) >= 2
    assert sum(orders.values()) == requests


@pytest.mark.skipif(not INSTRUMENT.exists(), reason="opentelemetry-distro is not installed")
@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_gunicorn_without_code(preload: tuple[str, ...], backend: Backend, tmp_path: Path) -> None:
    program = 'from opentelemetry import metrics\ncounter = metrics.get_meter("app").create_counter("orders")\n'
    (tmp_path / "application.py").write_text(program + WSGI)
    options = ("--workers", "3", "--bind", "unix:socket", *preload)
    no_code = {"OTEL_METRICS_EXPORTER": "magictel_elasticsearch"}
    no_code |= {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    requests = served(backend, tmp_path, str(INSTRUMENT), gunicorn, *options, "application:app", **no_code)
    orders = backend.orders()
    assert len(orders) >= 2
    assert sum(orders.values()) == requests


FASTAPI = """
import os
from opentelemetry import metrics
counter = metrics.get_meter("app").create_counter("orders")

@app.get("/")
async def root():
    counter.add(1)
    return f"process={os.getpid()}."
"""


def test_fastapi_in_workers_of_uvicorn(backend: Backend, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    (tmp_path / "application.py").write_text(recipe("fastapi") + FASTAPI)
    command = (sys.executable, "-m", "uvicorn", "application:app", "--uds", "socket", "--workers", "2")
    requests = served(backend, tmp_path, *command)
    orders = backend.orders()
    assert len(orders) == 2
    assert sum(orders.values()) == requests


@pytest.mark.parametrize("worker", ["asgi", "uvicorn.workers.UvicornWorker"])
def test_fastapi_in_workers_of_gunicorn(worker: str, backend: Backend, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    (tmp_path / "application.py").write_text(recipe("fastapi") + FASTAPI)
    options = ("--workers", "3", "--worker-class", worker, "--bind", "unix:socket")
    requests = served(backend, tmp_path, sys.executable, "-m", "gunicorn", *options, "application:app")
    orders = backend.orders()
    assert len(orders) >= 2
    assert sum(orders.values()) == requests


FORK = """
import os, sys
counter.add(1)
telemetry.force_flush()  # the parent has a connection that a child must not use
children = []
for number in (2, 3):
    child = os.fork()
    if child == 0:
        counter.add(number)
        sys.exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""
MULTIPROCESSING = """
import multiprocessing
counter.add(1)
telemetry.force_flush()
context = multiprocessing.get_context("fork")
children = [context.Process(target=counter.add, args=(number,)) for number in (2, 3)]
for child in children:
    child.start()
for child in children:
    child.join()
"""


@pytest.mark.parametrize("program", [FORK, MULTIPROCESSING], ids=["os.fork", "multiprocessing"])
def test_children_send_what_they_measured(program: str, backend: Backend, tmp_path: Path) -> None:
    source = START.format(start="telemetry = runtime.start()") + program
    with running(tmp_path, backend.server.origin, sys.executable, "-c", source, **_VARIABLES) as process:
        output, _ = process.communicate(timeout=300)
    assert (process.returncode, "Traceback" in output) == (0, False), output
    orders = backend.orders()
    assert len(orders) == 3
    assert sorted(orders.values())[-2:] == [3, 4]  # a child has what its parent counted before the fork
    assert sum(orders.values()) == 8


HEALTH = """
import json, os, time, urllib.request
def process_of(port):
    return json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz"))["pid"]
parents = telemetry.health_page.port
child = os.fork()
if child == 0:
    while telemetry.health_page.port is None:
        time.sleep(0.01)
    assert (process_of(parents), process_of(telemetry.health_page.port)) == (os.getppid(), os.getpid())
    os._exit(0)
status = os.waitpid(child, 0)[1]
assert process_of(parents) == os.getpid()
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


def test_a_child_serves_its_own_health(backend: Backend, tmp_path: Path) -> None:
    source = START.format(start="telemetry = runtime.start()") + HEALTH
    first, *_, last = free_ports(2)
    health = {"MAGICTEL_HEALTH_PORT": f"{first}-{last}"}
    with running(tmp_path, backend.server.origin, sys.executable, "-c", source, **_VARIABLES, **health) as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


THREADS = """
import threading
def work():
    for _ in range(1000):
        counter.add(1)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
"""


def test_what_threads_measure_until_the_end_arrives(backend: Backend, tmp_path: Path) -> None:
    source = START.format(start="telemetry = runtime.start()") + THREADS
    with running(tmp_path, backend.server.origin, sys.executable, "-c", source, **_VARIABLES) as process:
        process.communicate(timeout=300)
    assert list(backend.orders().values()) == [8000]


CELERY = """
from celery import Celery
app = Celery("tasks", broker="filesystem://", broker_transport_options={{"data_folder_in": "{folder}", "data_folder_out": "{folder}"}})
app.conf.task_ignore_result = True
counter = metrics.get_meter("app").create_counter("orders")

@app.task
def order():
    counter.add(1)
    open("{folder}/done-" + order.request.id, "w").close()
    import time
    time.sleep(0.2)
"""


def test_celery(backend: Backend, tmp_path: Path) -> None:
    pytest.importorskip("celery")
    queue = tmp_path / "queue"
    queue.mkdir()
    source = "from opentelemetry import metrics\n" + recipe("celery") + CELERY.format(folder=queue)
    (tmp_path / "tasks.py").write_text(source)
    send = "import tasks\nfor _ in range(8): tasks.order.delay()\nprint('sent', flush=True)"
    nothing = {"OTEL_SDK_DISABLED": "true"}
    with running(tmp_path, backend.server.origin, sys.executable, "-c", send, **nothing) as sender:
        assert "sent" in sender.communicate(timeout=300)[0]
    command = (sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency", "2", "--loglevel", "WARNING")
    with running(tmp_path, backend.server.origin, *command, **_VARIABLES) as process:
        while process.poll() is None and len(list(queue.glob("done-*"))) < 8:
            time.sleep(0.05)
        ended(process, signal.SIGTERM)
    orders = backend.orders()
    assert sum(orders.values()) == 8
    assert len(orders) == 2
