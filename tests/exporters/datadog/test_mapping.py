"""Series and sketches equal those of Datadog's own translator for the same input (`shared/data/datadog-mapping`, where it is present)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magictel.exporters.datadog.encoding import DatadogEncoder
from magictel.exporters.datadog.exporter import DatadogExporter
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.model.metrics import Point, Series, Stream
from magictel.sandbox.datadog_protobuf import MetricPayload, SketchPayload
from magictel.secrets.secret import Secret
from magictel.sources.batching import Head
from magictel.sources.otlp_json import OtlpJsonReader

DATA = Path(__file__).parents[4] / "shared/data/datadog-mapping"
CASES = json.loads((DATA / "cases.json").read_text()) if DATA.is_dir() else []
MODES = {
    "WithHistogramMode(HistogramModeDistributions)": "distributions",
    "WithHistogramMode(HistogramModeCounters)": "counters",
    "WithHistogramMode(HistogramModeNoBuckets)": "aggregates",
}
THEIR_BUGS = ("single-bucket-delta-with-min-max", "single-point-exponential-no-min-max")
"""Datadog's translator takes the infinite bounds of a single bucket for the value (key -1), and a bucket's middle for the only value of a
histogram, whose sum it knows. Ours are where the values are.
"""


def encoder(**options: Any) -> DatadogEncoder:
    settings = DatadogSettings(api_key=Secret("0" * 32), **options)
    return DatadogEncoder(DatadogExporter(settings, prepare=False))


def points(file: str) -> list[tuple[Series, Point]]:
    reader = OtlpJsonReader(file)
    line = json.dumps(json.loads((DATA / file).read_text())).encode()
    return [
        (Series(_stream(part.head), point.attributes or {}), point)
        for part in reader.line(line, 1)
        for point in part.points
    ]


def _stream(head: Head) -> Stream:
    about = (head.name, head.unit, head.description, head.kind, head.temporality, head.monotonic)
    return Stream(*about, head.resource.attributes, "", "", "", {}, "")


def wanted(file: str, kind: str) -> list[dict[str, Any]]:
    return json.loads((DATA / file).read_text())["Metrics"][kind] or []


def cases(*modes: str) -> list[Any]:
    return [
        pytest.param(case["otlp"], case["datadog"], mode, id=f"{case['name']} {case['datadog']}")
        for case in CASES
        for mode in [next((MODES[option] for option in case["options"] if option in MODES), "distributions")]
        if mode in modes and "/histogram" in case["otlp"] and "cumulative" not in case["otlp"]
    ]


@pytest.mark.skipif(not CASES, reason="shared/data is not present")
@pytest.mark.parametrize(("otlp", "datadog", "mode"), cases("distributions"))
def test_sketches_equal_those_of_datadogs_translator(otlp: str, datadog: str, mode: str) -> None:
    encoded = encoder(histograms=mode)
    sketches = []
    for series, point in points(otlp):
        item = encoded.encode(series, point)
        if isinstance(item, bytes):
            sketches += SketchPayload.FromString(item).sketches
    expected = wanted(datadog, "Sketches")
    assert [sketch.metric for sketch in sketches] == [sketch["Name"] for sketch in expected]
    for sketch, want in zip(sketches, expected, strict=True):
        (dogsketch,) = sketch.dogsketches
        summary = want["Summary"]
        assert sketch.host == want["Host"]
        assert dogsketch.ts == want["Timestamp"] // 10**9
        assert (dogsketch.cnt, dogsketch.sum) == (summary["Cnt"], summary["Sum"])
        assert (dogsketch.avg, dogsketch.min, dogsketch.max) == pytest.approx(
            (summary["Avg"], summary["Min"], summary["Max"]), rel=1e-12
        )
        if not any(bug in otlp for bug in THEIR_BUGS):
            assert (list(dogsketch.k), list(dogsketch.n)) == (want["Keys"], want["Counts"])


@pytest.mark.skipif(not CASES, reason="shared/data is not present")
@pytest.mark.parametrize(("otlp", "datadog", "mode"), cases("counters", "aggregates"))
def test_series_equal_those_of_datadogs_translator(otlp: str, datadog: str, mode: str) -> None:
    series_of = [
        series
        for series, point in points(otlp)
        if isinstance(item := encoder(histograms=mode).encode(series, point), bytes)
        for series in MetricPayload.FromString(item).series
    ]
    given = {
        (series.metric, tuple(series.tags), "count" if series.type == 1 else "gauge", series.points[0].value)
        for series in series_of
    }
    expected = {
        (series["Name"], tuple(series["Tags"]), series["Type"], float(series["Value"]))
        for series in wanted(datadog, "TimeSeries")
        if mode == "counters" or not series["Name"].endswith(".bucket")
    }
    if datadog.endswith("counters-nocs.json"):  # ours always come with count, sum, min and max
        assert expected <= given
    else:
        assert given == expected
