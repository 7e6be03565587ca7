"""What Datadog and New Relic drop behind a 202 is never counted as delivered: points too old or too alike, and too many attributes."""

from __future__ import annotations

import time
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.resources import Resource

from magictel.clock import SystemClock
from magictel.conformance.points import wrapped
from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.newrelic.settings import NewRelicSettings
from magictel.http.wire import Reply
from magictel.sandbox.datadog import API_KEY, APP_KEY, DatadogEmulator
from magictel.sandbox.newrelic import LICENSE_KEY, NewRelicEmulator
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret

SECOND = 10**9
NOW = time.time_ns() // SECOND * SECOND
DELTA = AggregationTemporality.DELTA


class Later(SystemClock):
    """The machine's clock, moved ahead."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


def data(points: list[Any], resource: dict[str, Any] | None = None, inner: Any = None) -> MetricsData:
    return wrapped([Metric("orders", "", "", inner or Sum(points, DELTA, True))], Resource(resource or {}))


def number(value: float, at: int = NOW, attributes: dict[str, Any] | None = None) -> NumberDataPoint:
    return NumberDataPoint(attributes or {}, at - 10 * SECOND, at, value)


def datadog(server: Any, **options: Any) -> DatadogExporter:
    keys = {"api_key": Secret(API_KEY), "app_key": Secret(APP_KEY)}
    clock = options.pop("clock", None)
    return DatadogExporter(DatadogSettings(**{"url": server.origin, **keys, **options}), clock=clock)


def newrelic(server: Any, **options: Any) -> NewRelicExporter:
    clock = options.pop("clock", None)
    given = {"url": server.origin, "license_key": Secret(LICENSE_KEY), **options}
    return NewRelicExporter(NewRelicSettings(**given), clock=clock)


def test_two_counts_of_a_second_are_both_stored() -> None:
    with Server(DatadogEmulator()) as server:
        exporter = datadog(server)
        for value, at in ((5, NOW + SECOND // 10), (7, NOW + SECOND * 9 // 10)):
            assert exporter.deliver(data([number(value, at)])).delivered == 1
        exporter.shutdown(0)
        assert sorted(point.numbers["value"] for point in server.emulator.points) == [5, 7]


def test_gauges_of_a_second_and_series_that_become_one_are_counted() -> None:
    with Server(DatadogEmulator()) as server:
        exporter = datadog(server)
        twice = exporter.deliver(data([], inner=Gauge([number(1, NOW - 9 * SECOND), number(2, NOW - 9 * SECOND)])))
        assert (twice.delivered, twice.withheld) == (1, 1)
        same = exporter.deliver(data([], inner=Gauge([number(1), number(2, NOW + 1000)])))
        assert (same.delivered, same.withheld) == (1, 1)
        alike = [number(1, NOW + 5 * SECOND, {"Zone": "EU"}), number(2, NOW + 5 * SECOND, {"zone": "eu"})]
        receipt = exporter.deliver(data([], inner=Gauge(alike)))
        assert (receipt.delivered, receipt.rejected) == (1, 1)
        assert [reason.code for reason in receipt.reasons] == ["dd.collision"]
        exporter.shutdown(0)
        assert server.emulator.stored == exporter.ledger.delivered


@pytest.mark.parametrize(
    ("make", "emulator", "hours"), [(datadog, DatadogEmulator, 1.2), (newrelic, NewRelicEmulator, 49)]
)
def test_points_that_become_too_old_in_the_outbox_are_rejected(make: Any, emulator: Any, hours: float) -> None:
    clock = Later()
    with Server(emulator(clock=clock)) as server:
        exporter = make(server, clock=clock, retry_budget=0.1, breaker_failures=100)
        answer = server.emulator.handle
        server.emulator.handle = lambda request: Reply(503)
        exporter.export(data([number(5)]), 1000)
        assert exporter.ledger.kept == 1
        server.emulator.handle = answer
        clock.ahead = hours * 3600
        exporter.force_flush(5000)
        exporter.shutdown(0)
        ledger = exporter.ledger
        assert (ledger.delivered, ledger.rejected, server.emulator.stored) == (0, 1, 0)


def test_new_relic_gets_no_more_attributes_than_it_stores_and_no_integer_that_costs_the_request() -> None:
    with Server(NewRelicEmulator()) as server:
        exporter = newrelic(server)
        many = exporter.deliver(data([number(1, NOW, {f"k{at}": at for at in range(200)})]))
        assert (many.rejected, [reason.code for reason in many.reasons]) == (1, ["nr.attributes"])
        large = exporter.deliver(data([number(1, NOW, {"n": 2**64})], {"m": 2**63}))
        histogram = HistogramDataPoint({}, NOW - 10 * SECOND, NOW, 1, 2**64, [1], [], 2**64, 2**64)
        sums = exporter.deliver(data([], inner=Histogram([histogram], DELTA)))
        exporter.shutdown(0)
        assert (large.delivered, sums.delivered) == (1, 1)
        assert [metric.attributes.get("n") for metric in server.emulator.metrics] == [str(2**64), None]


def test_a_tag_without_a_value_alters_nothing() -> None:
    with Server(DatadogEmulator()) as server:
        exporter = datadog(server, tags=["production"])
        assert exporter.deliver(data([number(1)])).delivered == 1
        exporter.shutdown(0)
        assert "production" in server.emulator.points[0].tags


PROTOCOLS = pytest.mark.parametrize("protocol", ["metric-api", "otlp"])


@PROTOCOLS
def test_new_relic_gets_no_negative_count(protocol: Any) -> None:
    with Server(NewRelicEmulator()) as server:
        exporter = newrelic(server, protocol=protocol)
        receipt = exporter.deliver(data([], inner=Sum([number(-1), number(2, NOW, {"a": 1})], DELTA, False)))
        exporter.shutdown(0)
        assert (receipt.delivered, receipt.rejected) == (1, 1)
        assert [reason.code for reason in receipt.reasons] == ["nr.negative"]
        assert server.emulator.stored == 1


@PROTOCOLS
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"timestamp": 1}, {"timestamp": 2}),
        ({"k" * 256: 1}, {}),
        ({"note": "x" * 4096 + "a"}, {"note": "x" * 4096 + "b"}),
    ],
)
def test_series_that_new_relic_would_merge_are_rejected_by_name(protocol: str, first: Any, second: Any) -> None:
    with Server(NewRelicEmulator()) as server:
        exporter = newrelic(server, protocol=protocol)
        receipt = exporter.deliver(
            data([number(1, NOW, {"zone": "eu", **first}), number(2, NOW, {"zone": "eu", **second})])
        )
        assert (receipt.delivered, receipt.rejected) == (1, 1)
        (reason,) = receipt.reasons
        assert (reason.code, "orders{zone=eu" in (reason.example or "") + reason.message) == ("nr.collision", True)
        again = exporter.deliver(
            data([number(1, NOW, {"zone": "eu", **first}), number(2, NOW + SECOND, {"zone": "eu", **first})])
        )
        assert (again.delivered, again.rejected) == (2, 0)
        exporter.shutdown(0)


def test_resources_that_new_relic_would_merge_are_rejected_by_name() -> None:
    with Server(NewRelicEmulator()) as server:
        exporter = newrelic(server)
        two = [data([number(1)], {"service.name": "a", "appId": at}).resource_metrics[0] for at in (1, 2)]
        receipt = exporter.deliver(MetricsData(two))
        exporter.shutdown(0)
        assert (receipt.delivered, [reason.code for reason in receipt.reasons]) == (1, ["nr.collision"])
