"""The emulator against real engines: equal verdicts, equal search results, field by field. The engine is always right."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator

import httpx
import pytest

from magictel.sandbox.server import Server
from tests.emulators.elasticsearch import SearchEmulator
from tests.sandbox.replay import ENGINES, clean, clock_text, play
from tests.sandbox.scenarios import SCENARIOS, Scenario

HOW = "start_search.sh --with es7,es8,es9,os2,os3 -- python -m pytest -m real tests/sandbox/test_differential.py"


def engine_url(engine: str) -> str | None:
    """Where a real engine is, by MT_ES8_URL and so on; MT_ES_URL and MT_OS_URL stand for es8 and os2."""
    named = os.environ.get(f"MT_{engine.upper()}_URL")
    return named or os.environ.get({"es8": "MT_ES_URL", "os2": "MT_OS_URL"}.get(engine, ""))


@pytest.fixture(scope="module", params=ENGINES)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[str, httpx.Client, httpx.Client]]:
    """A real engine and an emulator of the same product and version."""
    engine = request.param
    url = engine_url(engine)
    if url is None:
        pytest.skip(f"no {engine} here (MT_{engine.upper()}_URL is not set); this runs it: {HOW}")
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as real:
        version = real.get("/").json()["version"]
        emulator = SearchEmulator(version.get("distribution", "elasticsearch"), version["number"])
        with Server(emulator) as server, httpx.Client(base_url=server.origin, timeout=60, trust_env=False) as emulated:
            yield engine, real, emulated


@pytest.mark.real
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_emulator_answers_as_the_engine_does(
    pair: tuple[str, httpx.Client, httpx.Client], scenario: Scenario
) -> None:
    engine, real, emulated = pair
    if engine not in scenario.engines:
        pytest.skip(f"{engine} has no such thing")
    name, now = f"mtx{uuid.uuid4().hex[:10]}", clock_text()
    try:
        for number, step in enumerate(scenario.steps):
            wanted, seen = (play(client, step, name, now) for client in (real, emulated))
            assert seen == wanted, (
                f"step {number}: {step.method} {step.path} {json.dumps(step.body, default=str)[:300]}"
            )
    finally:
        clean(real, name)
        clean(emulated, name)
