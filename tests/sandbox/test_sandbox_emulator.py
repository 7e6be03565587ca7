"""The sandbox's Elasticsearch and OpenSearch: as the recorded engines, and as the fuller emulator in all that a command asks."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from magictel.clock import SystemClock
from magictel.conformance.laws import LAWS
from magictel.conformance.runner import run
from magictel.conformance.under_test import registered
from magictel.http.wire import Reply, Request
from magictel.sandbox.elasticsearch import SearchEmulator
from magictel.sandbox.server import Server
from tests.cli.running import magictel
from tests.emulators import elasticsearch as fuller
from tests.sandbox.replay import Direct, comparable, digests
from tests.sandbox.scenarios import SCENARIOS, Scenario
from tests.sandbox.test_recorded import RECORDED

PRODUCTS = {"es8": "elasticsearch", "os2": "opensearch"}
HELD = Path(__file__).with_name("sandbox_scenarios.json")
"""By engine, the scenarios in which the sandbox answers every step as the engine did; the fuller emulator does in all of them."""
SCENARIO = {scenario.name: scenario for scenario in SCENARIOS}
CASES = [(engine, SCENARIO[name]) for engine, names in json.loads(HELD.read_text()).items() for name in names]


@pytest.mark.parametrize(("engine", "scenario"), CASES, ids=str)
def test_the_sandbox_answers_as_the_engine_did(engine: str, scenario: Scenario) -> None:
    emulator: Any = SearchEmulator(PRODUCTS[engine])  # type: ignore[arg-type]
    with httpx.Client(base_url="http://emulator", transport=Direct(emulator)) as client:
        assert digests(client, scenario, "mtxrecorded") == RECORDED[engine]["answers"][scenario.name]


def test_the_sandbox_is_held_to_enough() -> None:
    assert len(CASES) >= 60


class StillWithinARequest(SystemClock):
    """The time at which the latest request came: two emulators that answer it one after the other agree on what is visible."""

    def __init__(self) -> None:
        self.at = (time.time(), time.monotonic())

    def now(self) -> float:
        return self.at[0]

    def monotonic(self) -> float:
        return self.at[1]


class Shadowed(SearchEmulator):
    """The sandbox's emulator, each of whose answers must be the fuller one's."""

    def __init__(self, product: Any = "elasticsearch", **_: Any) -> None:
        self._still = StillWithinARequest()
        super().__init__(product, clock=self._still)
        self.fuller = fuller.SearchEmulator(product, clock=self._still)
        self.different: list[str] = []
        self.answered: set[str] = set()
        self._one_at_a_time = threading.RLock()

    def handle(self, request: Request) -> Reply:
        with self._one_at_a_time:
            self._still.at = (time.time(), time.monotonic())
            return self._compared(request, super().handle(request), self.fuller.handle(request))

    def handle_partially(self, request: Request, share: float, item_error: str) -> Reply:
        with self._one_at_a_time:
            self._still.at = (time.time(), time.monotonic())
            wanted = self.fuller.handle_partially(request, share, item_error)
            return self._compared(request, super().handle_partially(request, share, item_error), wanted)

    def _compared(self, request: Request, seen: Reply, wanted: Reply) -> Reply:
        self.answered.add(f"{request.method} {request.path}")
        if _plain(seen) != _plain(wanted):
            self.different.append(
                f"{request.method} {request.url} {request.body[:300]!r}\n{_plain(seen)}\n{_plain(wanted)}"
            )
        return seen


def _plain(reply: Reply) -> Any:
    value = reply.json() if reply.content_type == "application/json" else reply.text
    if isinstance(value, dict):
        value.pop("cluster_uuid", None)
    headers = {name.lower(): value for name, value in reply.headers.items()}
    text = json.dumps(comparable(value, "no-name"), sort_keys=True)
    return reply.status, headers, re.sub(r"(?<![\w-])[\w-]{22}(?=[\"\]])", "uuid", text)


COMMANDS = [
    ("send-sample", "--thorough", "--force", "--timing", "--clean"),
    ("prepare", "--apply"),
    ("check", "--round-trip", "--allow", "empty-write", "--force"),
    ("send-sample", "--thorough", "--clean"),
    ("send-sample", "--set", "index=metrics-app-default", "--clean", "--force"),
    ("send-sample", "--set", "routing=r1", "--clean"),
    ("send-sample", "--set", "pipeline=none-such"),
]


@pytest.mark.parametrize("product", PRODUCTS.values())
def test_every_answer_to_a_command_is_the_fuller_emulator_s(product: str, tmp_path: Path) -> None:
    emulator = Shadowed(product)
    with Server(emulator) as server:
        environment = {f"{product.upper()}_URL": server.origin}
        for command, *words in COMMANDS:
            magictel(command, product, *words, folder=tmp_path, environment=environment)
        for recording in ("@gateway", "@node"):
            words = ["replay", recording, "--to", product, "--verify"]
            magictel(*words, folder=tmp_path, environment=environment)
    assert not emulator.different, emulator.different[0]
    assert len(emulator.answered) >= 15, emulator.answered
    assert emulator.stored > 200


@pytest.mark.slow
@pytest.mark.parametrize("product", PRODUCTS.values())
def test_every_answer_to_the_laws_is_the_fuller_emulator_s(product: str) -> None:
    emulators: list[Shadowed] = []

    def shadowed(clock: Any) -> Shadowed:
        emulators.append(Shadowed(product))
        return emulators[-1]

    assert list(run(replace(registered(product), emulator=shadowed), LAWS))
    different = [difference for emulator in emulators for difference in emulator.different]
    assert not different, different[0]
    assert sum(len(emulator.answered) for emulator in emulators) > 50
