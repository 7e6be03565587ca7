"""Deltas and totals against the Collector's processors cumulativetodelta and deltatocumulative: the same points, where these lose none.

Run: `bash ../shared/real/start_collector.sh -- python -m pytest -m real tests/real/test_temporality_real.py`
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    Histogram,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.encoding.payload import Payload
from magictel.exporters.file import FileExporter, FileSettings
from magictel.model.metrics import Kind
from tests.encoding.cumulative import KINDS, point

HOW = "bash ../shared/real/start_collector.sh -- python -m pytest -m real tests/real/test_temporality_real.py"
SECOND = 10**9
SERIES, STEPS = 6, 8
pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


class DeltaFile(FileExporter):
    temporalities = ("delta",)


class CumulativeFile(FileExporter):
    temporalities = ("cumulative",)


def collections(temporality: AggregationTemporality, seed: int) -> Iterator[MetricsData]:
    """Yield collections of growing series that began just now, each with some of its series absent."""
    dice, start = random.Random(seed), time.time_ns()
    events: dict[int, list[int]] = {number: [] for number in range(SERIES)}
    since = dict.fromkeys(range(SERIES), start)
    for step in range(1, STEPS + 1):
        now = start + step * SECOND
        points: dict[Kind, list[Any]] = {kind: [] for kind in KINDS}
        for number in range(SERIES):
            if step > 1 and dice.random() < 0.2:
                continue
            events[number] += [dice.randint(1, 31) for _ in range(dice.randint(1, 4))]
            kind = KINDS[number % 3]
            points[kind].append(point(kind, {"n": str(number)}, since[number], now, events[number], 4))
            if temporality is AggregationTemporality.DELTA:
                events[number], since[number] = [], now
        metrics = [
            Metric(f"t.{seed}.sum", "", "1", Sum(points[Kind.SUM], temporality, True)),
            Metric(f"t.{seed}.histogram", "", "1", Histogram(points[Kind.HISTOGRAM], temporality)),
            Metric(f"t.{seed}.exponential", "", "1", ExponentialHistogram(points[Kind.EXPONENTIAL_HISTOGRAM], temporality)),
        ]  # fmt: skip
        scope = ScopeMetrics(InstrumentationScope("t"), [metric for metric in metrics if metric.data.data_points], "")
        yield MetricsData([ResourceMetrics(Resource({"service.name": "t"}), [scope], "")])


def counts(path: Path, prefix: str) -> dict[tuple[Any, ...], Any]:
    """Return what each point of a file counts, by metric, temporality, series and time; zero buckets at the ends do not matter."""
    points: dict[tuple[Any, ...], Any] = {}
    lines = path.read_text().splitlines() if path.exists() else []
    for document in map(json.loads, lines):
        for metric in document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]:
            if not metric["name"].startswith(prefix):
                continue
            data = next(metric[kind] for kind in ("sum", "histogram", "exponentialHistogram") if kind in metric)
            for given in data["dataPoints"]:
                series = given["attributes"][0]["value"]["stringValue"]
                key = metric["name"], data["aggregationTemporality"], series, int(given["timeUnixNano"])
                points[key] = counted(given)
    return points


def counted(given: dict[str, Any]) -> Any:
    if "scale" in given:
        side = given.get("positive", {})
        indexed = enumerate(map(int, side.get("bucketCounts", ())), int(side.get("offset", 0)))
        return int(given["count"]), given["scale"], {index: count for index, count in indexed if count}
    if "bucketCounts" in given:
        return int(given["count"]), [int(count) for count in given["bucketCounts"]], given["sum"]
    return float(given["asInt"] if "asInt" in given else given["asDouble"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("door", "temporality", "converting"),
    [
        ("TODELTA", AggregationTemporality.CUMULATIVE, DeltaFile),
        ("TOCUMULATIVE", AggregationTemporality.DELTA, CumulativeFile),
    ],
)
def test_the_collector_makes_the_same_points(
    door: str, temporality: AggregationTemporality, converting: type[FileExporter], seed: int, tmp_path: Path
) -> None:
    url, theirs = os.environ.get(f"MT_OTELCOL_{door}_URL"), os.environ.get(f"MT_OTELCOL_{door}_FILE")
    if not url or not theirs:
        pytest.skip(f"MT_OTELCOL_{door}_URL is not set; this runs it: {HOW}")
    ours = tmp_path / "ours.jsonl"
    plain = FileExporter(FileSettings(path=str(tmp_path / "plain.jsonl")))
    exporter = converting(FileSettings(path=str(ours)))
    for data in collections(temporality, seed):
        receipt = exporter.deliver(data)
        assert receipt.delivered == receipt.sent
        for payload in plain.payloads(data):
            assert isinstance(payload, Payload)
            body = plain.encoder.frame(payload)
            assert httpx.post(url, content=body, headers={"Content-Type": "application/json"}).status_code == 200
    converted = counts(ours, f"t.{seed}.")
    assert len(converted) > SERIES * STEPS / 2
    until = time.monotonic() + 30
    while len(counts(Path(theirs), f"t.{seed}.")) < len(converted) and time.monotonic() < until:
        time.sleep(0.2)
    assert counts(Path(theirs), f"t.{seed}.") == converted
