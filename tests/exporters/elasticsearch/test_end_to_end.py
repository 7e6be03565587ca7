"""The exporter against the sandbox's emulators: the scenarios of the real engines, and what no engine here can be made to say."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from magictel.clock import SystemClock
from magictel.model.events import SendOutcome
from magictel.model.finding import Rung, Status
from tests.emulators.elasticsearch.emulator import SearchEmulator
from tests.exporters.elasticsearch.collections_of_points import collection, gauge
from tests.exporters.elasticsearch.engines import Emulated, checked, rungs, sent
from tests.exporters.elasticsearch.scenarios import *  # noqa: F403 # the tests that hold everywhere
from tests.fake_clock import FakeClock

ENGINES: dict[str, tuple[Any, str]] = {
    "es7": ("elasticsearch", "7.17.29"),
    "es8": ("elasticsearch", "8.19.0"),
    "os2": ("opensearch", "2.19.4"),
}


def emulated(name: str, **options: Any) -> Emulated:
    clock = FakeClock(SystemClock().now())
    product, version = ENGINES[name]
    return Emulated(name, SearchEmulator(product, version, clock=clock, **options), clock, "t-emulated")


@pytest.fixture(params=["es7", "es8", "os2"])
def engine(request: pytest.FixtureRequest) -> Iterator[Emulated]:
    backend = emulated(request.param)
    yield backend
    backend.close()


# ---- OpenSearch's security plugin, which no engine here has: the emulator stands in --------------------------------------

USERS = {
    "writer": {
        "secret": "writers-password",
        "cluster": ["monitor"],
        "index": {"t-*": ["write", "create_index", "read"]},
    },
    "stranger": {"secret": "strangers-password", "cluster": ["monitor"], "index": {"other": ["write"]}},
}


def secured_opensearch(version: str) -> Emulated:
    clock = FakeClock(SystemClock().now())
    emulator = SearchEmulator("opensearch", version, security={"users": USERS}, clock=clock)
    return Emulated("os", emulator, clock, "t-emulated")


@pytest.mark.parametrize(
    ("version", "user", "outcome", "code"),
    [
        ("3.3.0", "writer", Status.PASS, None),
        ("3.3.0", "stranger", Status.FAIL, "os.authz.denied"),
        ("2.19.4", "writer", Status.SKIPPED, "os.write.unprovable"),
        ("2.19.4", "stranger", Status.SKIPPED, "os.write.unprovable"),
    ],
)
def test_opensearch_proves_the_right_to_write_where_it_can(
    version: str, user: str, outcome: Status, code: str | None
) -> None:
    engine = secured_opensearch(version)
    write = rungs(checked(engine.job(username=user, password=f"{user}s-password")))[Rung.WRITE]
    stored = engine.emulator.documents(engine.index)
    engine.close()
    assert (write.outcome, write.code) == (outcome, code), write
    assert stored == []


def test_opensearch_refuses_a_wrong_password_and_a_missing_right() -> None:
    engine = secured_opensearch("3.3.0")
    wrong = rungs(checked(engine.job(username="writer", password="not-the-password")))[Rung.AUTH]
    denied = sent(engine.job(username="stranger", password="strangers-password"))
    right = sent(engine.job(username="writer", password="writers-password"))
    engine.close()
    assert (wrong.outcome, wrong.code) == (Status.FAIL, "os.auth.unauthorized")
    assert (denied.outcome, denied.code) == (SendOutcome.UNDELIVERED, "os.authz.denied")
    assert right.outcome is SendOutcome.VERIFIED


@pytest.mark.parametrize(
    ("state", "outcome", "code"),
    [
        ({"serverless": True}, Status.SKIPPED, "es.health.serverless"),
        ({"master": False}, Status.FAIL, "es.health.no-master"),
        ({"status": "red"}, Status.FAIL, "es.health.red"),
        ({"status": "yellow", "data_nodes": 3}, Status.WARN, "es.health.yellow"),
        ({"timed_out": True}, Status.FAIL, "es.health.timed-out"),
    ],
)
def test_a_cluster_that_is_not_well_says_so(state: dict[str, Any], outcome: Status, code: str) -> None:
    engine = emulated("es8")
    for name, value in state.items():
        setattr(engine.emulator.health, name, value)
    health = rungs(checked(engine.job()))[Rung.HEALTH]
    engine.close()
    assert (health.outcome, health.code) == (outcome, code)


def test_a_request_that_is_too_large_is_halved_until_it_fits() -> None:
    engine = emulated("es8", max_content_length=4_000)
    exporter = engine.exporter()
    receipt = exporter.deliver(collection(gauge(*map(float, range(50)))))
    exporter.shutdown(0)
    stored = engine.emulator.documents(engine.index)
    engine.close()
    assert (receipt.delivered, receipt.sent, len(stored)) == (50, 50, 50)
    assert receipt.attempts > 3


def test_a_single_point_that_is_too_large_is_rejected_alone() -> None:
    engine = emulated("es8", max_content_length=4_000)
    exporter = engine.exporter()
    large = gauge(1, attributes={f"k{number}": "x" * 1_000 for number in range(5)}, name="large")
    receipt = exporter.deliver(collection(gauge(1.0, 2.0), large))
    exporter.shutdown(0)
    engine.close()
    assert (receipt.delivered, receipt.rejected) == (2, 1)
    assert [(reason.code, reason.count) for reason in receipt.reasons] == [("es.write.too-large", 1)]


def test_delivery_goes_on_with_the_node_that_answers() -> None:
    engine = emulated("es8")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
        job = engine.job(url=f"{dead},{engine.url}")
        result = sent(job)
        tcp = rungs(checked(job))[Rung.TCP]
    engine.close()
    assert result.outcome is SendOutcome.VERIFIED, result
    assert (tcp.outcome, tcp.code) == (Status.WARN, "net.tcp.refused")


def test_a_dry_run_shows_the_bytes_that_would_travel() -> None:
    engine = emulated("es8")
    exporter = engine.exporter(api_key="id:secret-key")
    [(request, body)] = exporter.requests(collection(gauge(1)))
    exporter.shutdown(0)
    engine.close()
    assert gzip.decompress(request.body) == body
    assert engine.emulator.documents(engine.index) == []
    assert "secret-key" not in repr(request)
