"""What `GatewayMetrics` costs a request beyond the SDK's own calls: its recorders do nothing here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider

from magictel.gateway import GatewayMetrics, GatewayRequest
from magictel.sources.bytestream import shipped
from tests.benchmarks.measure import ROUNDS

_REQUESTS = 5_000


def request() -> GatewayRequest:
    """A request with seven measurements."""
    return GatewayRequest(
        provider="openai",
        model="gpt-4o",
        method="POST",
        path="/v1/chat/completions",
        status_code=200,
        duration=1.25,
        provider_duration=1.0,
        request_size=193,
        response_size=52_280,
        input_tokens=48,
        output_tokens=865,
        cost=0.04,
    )


def overheads() -> list[tuple[str, float]]:
    """CPU microseconds of a request."""
    records = [json.loads(line) for line in shipped("@gateway").read_text().splitlines()]
    gateway_metrics = GatewayMetrics(MeterProvider())
    for record in [request(), *records]:
        gateway_metrics.record(record)
    gateway_metrics._recorders = [_nothing] * len(gateway_metrics.mapping.instruments)
    return [
        ("magictel, GatewayRequest", _micros(lambda number: gateway_metrics.record(request()))),
        (
            "magictel, the record of a request log",
            _micros(lambda number: gateway_metrics.record(records[number % len(records)])),
        ),
    ]


def _nothing(value: float, attributes: dict[str, Any]) -> None:
    """Stand for the SDK's call."""


def _micros(work: Callable[[int], None]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for number in range(_REQUESTS):
            work(number)
        rounds.append(time.process_time() - before)
    return min(rounds) / _REQUESTS * 1e6
