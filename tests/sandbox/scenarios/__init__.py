"""Named scenarios for the differential test, by what they are about."""

from __future__ import annotations

from tests.sandbox.scenarios import administration, bulk, reading, shapes, streams, types
from tests.sandbox.scenarios.step import Scenario, Step

__all__ = ["SCENARIOS", "Scenario", "Step"]

SCENARIOS: tuple[Scenario, ...] = (
    *types.SCENARIOS,
    *shapes.SCENARIOS,
    *bulk.SCENARIOS,
    *reading.SCENARIOS,
    *administration.SCENARIOS,
    *streams.SCENARIOS,
)
