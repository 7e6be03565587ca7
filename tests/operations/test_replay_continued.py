"""A replay that continues: deltas and totals go on from the points that were sent before, so no interval of a series is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magictel import sandbox
from tests.cli.running import magictel

SERIES, TIMES = 3, 8
EACH = 5
"""Events of a series from one time to the next."""


def recording(temporality: int) -> str:
    """Lines of OTLP JSON, a collection each; every series counts `EACH` events in each interval."""
    lines = []
    for time in range(1, TIMES + 1):
        value = EACH * time if temporality == 2 else EACH
        points = [
            {
                "startTimeUnixNano": str((1_700_000_000 + (0 if temporality == 2 else time - 1)) * 10**9),
                "timeUnixNano": str((1_700_000_000 + time) * 10**9),
                "asDouble": value,
                "attributes": [{"key": "user", "value": {"stringValue": f"u{series}"}}],
            }
            for series in range(SERIES)
        ]
        metric = {
            "name": "orders",
            "sum": {"dataPoints": points, "aggregationTemporality": temporality, "isMonotonic": True},
        }
        lines.append(json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("point", [SERIES, SERIES * 4, SERIES * 4 + 1, SERIES * TIMES - 1])
def test_no_interval_of_a_series_is_lost_by_continuing(point: int, tmp_path: Path) -> None:
    (tmp_path / "r").write_text(recording(temporality=2))
    with sandbox.start(["datadog"]) as room:
        ran = magictel(
            *("replay", "r", "--to", "datadog", "--from-point", str(point), "--format", "json"),
            folder=tmp_path,
            environment=room.environment(),
        )
        stored = [stored.numbers["value"] for stored in room.emulators["datadog"].points]  # type: ignore[attr-defined]
    receipt = ran.document["targets"][0]["receipt"]
    sent = SERIES * TIMES - point
    assert (receipt["sent"], receipt["withheld"], len(stored)) == (sent, 0, sent)
    assert set(stored) == {float(EACH)}


def test_totals_go_on_from_the_deltas_that_were_sent_before(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(recording(temporality=1))
    with sandbox.start(["prometheus-remote-write"]) as room:
        ran = magictel(
            *("replay", "r", "--to", "prometheus-remote-write", "--from-point", str(SERIES * 4)),
            *("--verify", "--format", "json"),
            folder=tmp_path,
            environment=room.environment(),
        )
        samples = room.emulators["prometheus-remote-write"].samples()  # type: ignore[attr-defined]
    target = ran.document["targets"][0]
    assert (ran.code, target["outcome"]) == (0, "verified"), target
    orders = [value for labels, _, value in samples if labels["__name__"].startswith("orders")]
    assert sorted(set(orders)) == [float(EACH * time) for time in range(5, TIMES + 1)]


def test_a_start_behind_the_last_point_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(recording(temporality=2))
    with sandbox.start(["datadog"]) as room:
        ran = magictel(
            "replay", "r", "--to", "datadog", "--from-point", "99", folder=tmp_path, environment=room.environment()
        )
        assert room.emulators["datadog"].stored == 0
    assert ran.code == 2
    assert "there are 24 points" in ran.err
