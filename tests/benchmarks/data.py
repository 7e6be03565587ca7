"""The benchmark's data: 10 metrics, 5 attributes a point, a resource of 4; the SDK's own objects, attributes kept from export to export."""

from __future__ import annotations

import random
import time
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

METRICS = 10
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
START = (int(time.time()) - 600) * 1_000_000_000
"""Recent: some vendors take nothing older than an hour."""


class Data:
    """`points` series over ten metrics; `collect(n)` is the n-th collection: same series, new values and time.

    `temporality`: of histograms.
    """

    def __init__(
        self,
        points: int,
        kind: str = "gauge",
        temporality: AggregationTemporality = AggregationTemporality.CUMULATIVE,
    ) -> None:
        self.points = points
        self.kind = kind
        self.temporality = temporality
        self.resource = Resource(
            {
                "service.name": "gateway",
                "service.version": "1.4.2",
                "host.name": "gw-7",
                "deployment.environment.name": "prod",
            }
        )
        self.scope = InstrumentationScope("bench", "1.0")
        self.attributes = [self._attributes(number) for number in range(points)]

    def fresh(self) -> None:
        """Forget the attribute objects: the next collection looks like another process's."""
        self.attributes = [self._attributes(number) for number in range(self.points)]

    @staticmethod
    def _attributes(number: int) -> dict[str, Any]:
        return {
            "http.route": f"/v1/chat/{number % 50}",
            "http.request.method": "POST",
            "gen_ai.request.model": f"model-{number % 7}",
            "http.response.status_code": 200 + number % 5,
            "shard": f"shard-{number}",
        }

    def collect(self, number: int) -> MetricsData:
        """The n-th collection."""
        time = START + number * 1_000_000_000
        each = self.points // METRICS
        metrics = []
        for metric in range(METRICS):
            attributes = self.attributes[metric * each : (metric + 1) * each]
            if self.kind == "gauge":
                points: list[Any] = [
                    NumberDataPoint(attrs, START, time, (i * 37 + number) / 7) for i, attrs in enumerate(attributes)
                ]
                data: Any = Gauge(points)
            else:
                randoms = random.Random(number)
                data = Histogram(
                    [self._histogram(attrs, time, randoms) for attrs in attributes],
                    self.temporality,
                )
            metrics.append(Metric(f"bench.metric_{metric}", "A metric.", "s", data))
        return MetricsData([ResourceMetrics(self.resource, [ScopeMetrics(self.scope, metrics, "")], "")])

    @staticmethod
    def _histogram(attrs: dict[str, Any], time: int, randoms: random.Random) -> HistogramDataPoint:
        """Random numbers, as measurements are: regular ones compress to a third, in a fifteenth of the time."""
        counts = randoms.choices(range(17), k=len(BOUNDS) + 1)
        edges = 0.005 * randoms.random(), 5 + 5 * randoms.random()
        return HistogramDataPoint(attrs, START, time, sum(counts), 100 * randoms.random(), counts, BOUNDS, *edges)
