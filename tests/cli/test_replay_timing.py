"""`replay --timing`: against servers whose script decides what dominates, which the report must name, with what to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from magictel import sandbox
from tests.cli.running import magictel
from tests.cli.test_replay import request

RW = "prometheus-remote-write"
ES = "elasticsearch"
STEPS = ("encode", "compress", "queue", "connect", "first_byte", "visible")


def timed(folder: Path, *arguments: str, fault: str, points: int = 35, to: str = RW) -> dict[str, Any]:
    """The `timing` of one target, with a server that keeps to its script."""
    recording = folder / "traffic.jsonl"
    lines = [request(*map(float, range(points)))]
    if points > 4000:  # a line a point, so that there are several slices
        lines = [request(float(number), at=1_700_000_000_000_000_000 + number * 10**9) for number in range(points)]
    recording.write_text("\n".join(lines) + "\n")
    with sandbox.start([to], faults=[f"{to}: {fault}"] if fault else []) as room:
        ran = magictel(
            *("replay", str(recording), "--to", to, "--timing", "--format", "json", *arguments),
            folder=folder,
            environment=room.environment(),
        )
    assert ran.code == 0, ran
    (target,) = ran.document["targets"]
    assert target["receipt"]["delivered"] == points
    timing: dict[str, Any] = target["timing"]
    assert timing.keys() == {*STEPS, "requests", "connections", "advice"}
    assert all(timing[step] >= 0 for step in STEPS if timing[step] is not None)
    return timing


@pytest.mark.parametrize(
    ("fault", "arguments", "most", "requests", "message"),
    [
        ("slow 0.6", (), "first_byte", 1, "one round trip and the backend's own work; the batch size does not matter"),
        (
            "slow 0.1 forever",
            ("--set", "max_batch_points=5"),
            "first_byte",
            7,
            "--set max_batch_points=35 sends 1 request instead of 7",
        ),
        (
            "",
            ("--set", "max_batch_points=5", "--set", "rate_limit=3"),
            "queue",
            7,
            "rate_limit = 3 made 7 requests wait",
        ),
        ("429 x1 retry-after=1", (), "queue", 2, "the requested pauses took"),
    ],
    ids=["a slow server", "tiny batches", "a rate limit", "a server that wants time"],
)
def test_what_dominates_is_named_with_what_to_change(
    fault: str, arguments: tuple[str, ...], most: str, requests: int, message: str, tmp_path: Path
) -> None:
    timing = timed(tmp_path, *arguments, fault=fault)
    assert max(STEPS, key=lambda step: timing[step] or 0.0) == most
    assert timing["advice"].startswith(f"{most.replace('_', ' ')} is ")
    assert message in timing["advice"]
    assert (timing["requests"], timing["connections"], timing["visible"]) == (requests, 1, None)


def test_a_backend_that_shows_points_late_is_told_apart_from_the_delivery(tmp_path: Path) -> None:
    timing = timed(tmp_path, "--verify", fault="", to=ES)
    assert max(STEPS, key=lambda step: timing[step]) == "visible"
    assert "a refresh interval" in timing["advice"]
    assert "Sending took " in timing["advice"]


def test_slices_of_one_recording_add_up(tmp_path: Path) -> None:
    timing = timed(tmp_path, fault="", points=9000)
    assert timing["requests"] >= 3  # slices of 4000 points
    assert timing["connections"] == 1
    assert timing["encode"] > 0


def test_it_stands_on_the_page_and_in_every_report_and_nothing_is_measured_without_it(tmp_path: Path) -> None:
    reports = ["--report=github=s.md", "--report=html=p.html"]
    ran = magictel("replay", "@node", "--sandbox", "--to", RW, "--timing", *reports, folder=tmp_path)
    assert ran.code == 0, ran
    at = ran.out.splitlines().index("  · timing")
    rows = ran.out.splitlines()[at + 1 :]
    names = [row.split("  ")[3] for row in rows[:5]]
    assert names == ["encode", "compress", "queue", "connect", "first byte"]
    assert len({len(row) for row in rows[:5]}) == 1  # figures line up
    assert " % of " in rows[5]
    assert "Timing: encode " in (tmp_path / "s.md").read_text()
    assert "<h3>Timing</h3>" in (tmp_path / "p.html").read_text()
    plain = magictel("replay", "@node", "--sandbox", "--to", RW, "--format", "json", folder=tmp_path)
    assert "timing" not in plain.document["targets"][0]
