"""The emulator of StatsD reads what Datadog's own client sends, by UDP and by a Unix socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from datadog.dogstatsd import DogStatsd

from magictel.clock import SystemClock
from magictel.sandbox.datagrams import DatagramServer
from magictel.sandbox.statsd import Line, StatsdEmulator
from tests.exporters.datadog.test_encoding import number, stream
from tests.exporters.statsd.test_statsd import lines

_TELEMETRY = "datadog.dogstatsd.client."
"""What the client reports of itself."""


@pytest.fixture(params=["udp", "unix"])
def receiver(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[dict[str, Any], Callable[[], StatsdEmulator]]]:
    """The client's options, and what returns the emulator once it has received everything that was sent."""
    emulator = StatsdEmulator(clock=SystemClock())
    if request.param == "udp":
        server = DatagramServer(emulator).start()

        def stored() -> StatsdEmulator:
            assert server.settle()
            return emulator

        yield {"host": "127.0.0.1", "port": server.port}, stored
        server.stop()
        return
    path = str(tmp_path / "dsd.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as agent:
        agent.bind(path)
        agent.settimeout(0.5)

        def received() -> StatsdEmulator:
            try:
                while True:
                    emulator.receive(agent.recv(65_535))
            except TimeoutError:
                return emulator

        yield {"socket_path": path}, received


@contextmanager
def client_of(**options: Any) -> Iterator[DogStatsd]:
    client = DogStatsd(**options)
    yield client
    client.flush()
    client.stop()
    client.close_socket()


@pytest.mark.parametrize("buffered", [True, False])
def test_every_kind_of_metric_is_parsed_as_it_was_given(receiver: Any, buffered: bool) -> None:
    options, received = receiver
    with client_of(**options, constant_tags=["env:test"], disable_buffering=not buffered) as client:
        client.gauge("queue", -2.5, tags=["zone:eu:1", "simple"])
        client.increment("requests", 3)
        client.decrement("requests", 1)
        client.histogram("size", 7)
        client.distribution("wait", 0.25, sample_rate=1)
        client.timing("took", 12)
        client.set("users", "user a")
        client.gauge_with_timestamp("old", 1, int(time.time()) - 60)
        client.count_with_timestamp("older", 4, int(time.time()) - 60)
        client.event("title", "text|with:marks", tags=["a:b"])
        client.service_check("up", 0)
    emulator = received()
    tags = ("env:test",)
    assert emulator.bad == []
    assert [line for line in emulator.lines if not line.name.startswith(_TELEMETRY)] == [
        Line("queue", -2.5, "g", 1, ("zone:eu:1", "simple", *tags)),
        Line("requests", 3, "c", 1, tags),
        Line("requests", -1, "c", 1, tags),
        Line("size", 7, "h", 1, tags),
        Line("wait", 0.25, "d", 1, tags),
        Line("took", 12, "ms", 1, tags),
        Line("users", "user a", "s", 1, tags),
        Line("old", 1, "g", 1, tags),
        Line("older", 4, "c", 1, tags),
    ]


def test_sampled_values_have_their_weight(receiver: Any) -> None:
    options, received = receiver
    with client_of(**options, disable_telemetry=True, disable_buffering=False) as client:
        for _ in range(400):
            client.distribution("wait", 1, sample_rate=0.5)
    shown = received().lines
    assert {line.weight for line in shown} == {2}
    assert 100 < len(shown) < 300


def test_the_exporter_writes_a_gauge_with_tags_as_the_client_does(receiver: Any) -> None:
    options, received = receiver
    with client_of(**options, disable_telemetry=True, origin_detection_enabled=False) as client:
        client.gauge("queue.size", 2.5, tags=["shard:3", "zone:eu"])
    assert received().lines == lines(stream(), number(2.5), {"zone": "eu", "shard": 3})
