"""The emulator against what real engines answered when they were recorded (`record.py`): digests, so a failure names the step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sandbox.replay import ENGINES, digests, emulated
from tests.sandbox.scenarios import SCENARIOS, Scenario

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_emulator_answers_as_the_engine_did(engine: str, scenario: Scenario) -> None:
    if engine not in scenario.engines:
        assert scenario.name not in RECORDED[engine]["answers"]
        return
    with emulated(engine, RECORDED[engine]["version"]) as client:
        seen = digests(client, scenario, "mtxrecorded")
    wanted = RECORDED[engine]["answers"][scenario.name]
    differing = [
        f"step {number}: {step.method} {step.path}"
        for number, (step, reply, other) in enumerate(zip(scenario.steps, seen, wanted, strict=True))
        if reply != other
    ]
    assert not differing, f"{engine} answered otherwise; run test_differential.py against it to see how"


def test_there_are_enough_scenarios_and_each_has_its_own_name() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 30
