"""A recording of numbers and histograms, replayed with a read-back to Datadog's and New Relic's emulators."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magictel.clock import Clock, SystemClock
from magictel.model.events import ReplayFinished, SendResult
from magictel.operations.replay import replay
from magictel.operations.replay_reading import ReplayOptions
from magictel.operations.target_run import Job
from magictel.plugin.exporter import Exporter
from magictel.sources.recording import Recordings

SECOND = 10**9
EVERY = 15
"""Seconds between two points of a series."""


def recording(folder: Path, moments: int = 3, zones: Sequence[str] = ("EU", "us")) -> str:
    """Write a gauge, a count and a histogram of each zone, at so many moments that end now."""
    end = time.time_ns() // SECOND * SECOND + 123_456_789
    lines = []
    for moment in range(moments):
        at = end - (moments - 1 - moment) * EVERY * SECOND
        numbers: list[Any] = []
        counts: list[Any] = []
        histograms: list[Any] = []
        for place, zone in enumerate(zones):
            point = {
                "attributes": [{"key": "zone", "value": {"stringValue": zone}}],
                "startTimeUnixNano": str(at - EVERY * SECOND),
                "timeUnixNano": str(at),
            }
            numbers.append({**point, "asDouble": moment + place / 4})
            counts.append({**point, "asInt": str(moment * 10 + place)})
            shape = {
                "count": "3",
                "sum": 4.5,
                "min": 0.5,
                "max": 2.5,
                "explicitBounds": [1],
                "bucketCounts": ["1", "2"],
            }
            histograms.append({**point, **shape})
        metrics = [
            {"name": "temperature", "gauge": {"dataPoints": numbers}},
            {"name": "orders", "sum": {"dataPoints": counts, "aggregationTemporality": 1, "isMonotonic": True}},
            {"name": "latency", "histogram": {"dataPoints": histograms, "aggregationTemporality": 1}},
        ]
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "gateway"}}]}
        lines.append(json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}))
    path = folder / "recorded.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def replayed(exporter: Exporter[Any], path: str, clock: Clock | None = None, **options: Any) -> SendResult:
    """Replay it with a read-back."""
    job = Job("t", exporter.name, lambda: exporter)
    given = ReplayOptions(verify=True, **{"deadline": 100.0, "timeout": 100.0, "within": 0.5, **options})
    with Recordings([path], False, 0, True) as opened:
        last = list(replay([job], opened, given, clock or SystemClock()))[-1]
    assert isinstance(last, ReplayFinished)
    return last.results[0]
