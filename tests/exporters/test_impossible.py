"""Histograms that cannot be are rejected by name by every exporter; the others of their metric are delivered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.export import Buckets as Side
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model.metrics import groups
from magictel.registry import entry_points

NOW = 1_700_000_000_000_000_000
BOUNDS = (1.0, 5.0)
GOOD = HistogramDataPoint({"a": "b"}, 0, NOW, 7, 9.5, [1, 2, 4], BOUNDS, 0.5, 9.0)
EXPONENTIAL = ExponentialHistogramDataPoint({"a": "b"}, 0, NOW, 4, 9.5, 0, 1, Side(0, [1, 2]), Side(0, []), 0, 0.5, 2.0)
BAD: dict[str, Any] = {
    "unsorted bounds": (
        replace(GOOD, explicit_bounds=[5.0, 1.0]),
        "explicitBounds[1] is 1 after 5: bounds must increase",
    ),
    "bounds that come twice": (replace(GOOD, explicit_bounds=[5.0, 5.0]), "explicitBounds[1] is 5 after 5"),
    "negative counts": (replace(GOOD, bucket_counts=[-1, 4, 4]), "bucketCounts[0] is -1"),
    "fractional counts": (replace(GOOD, bucket_counts=[0.5, 2.5, 4]), "bucketCounts[0] is 0.5: a count is whole"),
    "a count beside its buckets": (replace(GOOD, count=8), "count is 8, but the buckets add up to 7"),
    "a count above 64 bits": (
        replace(GOOD, count=2**64, bucket_counts=[0, 0, 2**64]),
        "count is 18446744073709551616, expected a count from 0 to 2^64-1",
    ),
    "as many counts as bounds": (replace(GOOD, bucket_counts=[3, 4]), "bucketCounts has 2 counts for 2 bounds"),
    "min above max": (replace(GOOD, min=10.0), "min is 10, more than max, 9"),
    "an exponential scale": (replace(EXPONENTIAL, scale=99), "scale is 99"),
    "an exponential count": (replace(EXPONENTIAL, count=3), "count is 3, but the buckets add up to 4"),
}


def collection(*points: Any) -> MetricsData:
    """One metric with these points."""
    cumulative = AggregationTemporality.CUMULATIVE
    kind: Any = Histogram if isinstance(points[0], HistogramDataPoint) else ExponentialHistogram
    metric = Metric("latency", "", "s", kind(list(points), cumulative))
    scope = ScopeMetrics(InstrumentationScope("x"), [metric], "")
    return MetricsData([ResourceMetrics(Resource({"service.name": "s"}), [scope], "")])


@pytest.mark.parametrize("name", ["elasticsearch", "opensearch", "prometheus-remote-write", "file", "console"])
@pytest.mark.parametrize("case", BAD)
def test_every_exporter_rejects_it_by_name(name: str, case: str) -> None:
    bad, why = BAD[case]
    good = GOOD if isinstance(bad, HistogramDataPoint) else EXPONENTIAL
    kind = entry_points.load(name)
    exporter = kind(
        kind.Settings(url="http://127.0.0.1:1") if "url" in kind.Settings.__struct_fields__ else kind.Settings()
    )
    prepared = exporter.prepare(collection(good, bad, good))
    exporter.shutdown(0)
    assert len(list(prepared.points())) == 2
    reasons = [left_out.reason for left_out in prepared.withheld if left_out.code == "delivery.impossible-point"]
    assert [(reason.fate.value, reason.count, reason.example) for reason in reasons] == [
        ("rejected", 1, "latency{a=b}")
    ]
    assert why in reasons[0].message


def test_the_ledger_counts_it_as_rejected(tmp_path: Path) -> None:
    kind: Any = entry_points.load("file")
    exporter = kind(kind.Settings(path=str(tmp_path / "o")))
    bad, _ = BAD["unsorted bounds"]
    receipt = exporter.deliver(collection(GOOD, bad))
    exporter.shutdown(0)
    assert (receipt.sent, receipt.delivered, receipt.rejected) == (2, 1, 1)
    assert "5.0,1.0" not in (tmp_path / "o").read_text()


def test_a_collection_that_can_be_passes_as_it_is() -> None:
    from magictel.encoding.impossible import possible

    given = list(groups(collection(GOOD, replace(GOOD, attributes={"a": "c"}))))
    assert list(possible(given)) == given
    assert all(point is other for point, other in zip(possible(given), given, strict=True))
