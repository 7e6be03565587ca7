"""Golden wire bytes: a bulk body and its request, byte for byte; a change here is a change of what users have stored.

Write them anew after a wanted change: `python -m tests.exporters.elasticsearch.test_golden`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from opentelemetry.sdk.metrics.export import (
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.exporters.elasticsearch import ElasticsearchExporter, ElasticsearchSettings
from tests.exporters.elasticsearch.collections_of_points import CUMULATIVE, TIME, collection, gauge, histogram

GOLDEN = Path(__file__).parents[2] / "golden" / "elasticsearch"


def everything() -> MetricsData:
    """One point of every kind, and every rule that turns a value into text."""
    counter = NumberDataPoint({"route": "/größe", "code": 200, "ok": True}, TIME - 10**9, TIME, 1027)
    sizes = ExponentialHistogramDataPoint(
        {"path": ("b", "a", "b")}, TIME - 10**9, TIME, 13, 96.5, 1, 2, Buckets(-1, [1, 0, 4, 2]), Buckets(0, [3, 1]), 0, -1.5, 16.25
    )  # fmt: skip
    odd: dict[str, Any] = {
        "long": "x" * 4097,
        "nan": math.nan,
        "huge": 2**64,
        "mixed": (1, 2.5),
        "bytes": b"ab",
        "": "e",
    }
    return collection(
        Metric("requests", "", "{request}", Sum([counter], CUMULATIVE, True)),
        gauge(5.0, -0.0, 0.1, 1e300, math.nan, -math.inf),
        gauge(-2, 2**63, name="connections"),
        gauge(1, attributes=odd, name="odd"),
        histogram([4, 5, 0, 3], [0.25, 1.0, 1e300], 18.75, 0.125, 6.5),
        histogram([0, 0], [1.0], 0.0, math.inf, -math.inf),
        Metric("size", "", "By", ExponentialHistogram([sizes], CUMULATIVE)),
        resource=Resource({"service.name": "shop", "shards": 3}),
        scope=InstrumentationScope("tests", "1.2", "https://schema.example/1", {"library": "x"}),
    )


def written() -> dict[str, bytes]:
    settings = ElasticsearchSettings(
        url=["http://es.example:9200/base"], index="metrics-app-default", pipeline="clean up", compression="none"
    )
    exporter = ElasticsearchExporter(settings)
    requests = list(exporter.requests(everything()))
    exporter.shutdown(0)
    head = "".join(f"{request.method} {request.url}\n" for request, _ in requests)
    return {"bulk.ndjson": b"".join(body for _, body in requests), "request.txt": head.encode()}


def test_the_bytes_on_the_wire_are_the_golden_ones() -> None:
    for name, content in written().items():
        assert content == (GOLDEN / name).read_bytes(), name


if __name__ == "__main__":
    for name, content in written().items():
        (GOLDEN / name).write_bytes(content)
