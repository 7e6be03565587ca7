"""Cumulative points become deltas in `convert`, once per collection; an interval that is given up for certain is given back.

Held against a backend that adds up and knows repeats, under seeded faults: nothing is counted twice, and nothing is lost that was not
rejected or perhaps stored.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.conformance.case import LeapingClock
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.errors import WireError
from magictel.http.wire import Reply, Request
from magictel.model.metrics import Group, Point, Series
from magictel.model.outcome import Fate
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.interface import Encoder
from magictel.settings.model import HttpSettings

SERIES = 12
STEPS = 40


@dataclass
class Interval:
    """What a series' next delta begins with: its last value, and what is owed from intervals that were given up."""

    value: int
    since: int
    owed: int = 0


@dataclass
class Deltas:
    """The state of the stage, by what a series is and not by its objects."""

    series: dict[Any, Interval] = field(default_factory=dict)
    intervals: dict[int, list[tuple[Any, int, int]]] = field(default_factory=dict)
    """By batch: of each position its series, its delta, and where its interval began."""

    def take(self, groups: Iterable[Group], batch: int) -> Iterator[Group | Withheld]:
        intervals = self.intervals[batch] = []
        self.intervals.pop(batch - 50, None)  # what is so old is in no outbox any more
        for group in groups:
            points = [self._delta(group, point, intervals) for point in group.points]
            yield replace(group, stream=replace(group.stream, temporality="delta"), points=points, attributes=None)

    def give_back(self, batch: int, positions: Iterable[int]) -> None:
        for position in positions:
            key, delta, since = self.intervals[batch][position]
            interval = self.series[key]
            interval.owed += delta
            interval.since = min(interval.since, since)

    def _delta(self, group: Group, point: Any, intervals: list[tuple[Any, int, int]]) -> Any:
        key = group.stream.name, tuple(sorted(point.attributes.items()))
        known = self.series.setdefault(key, Interval(0, point.start_time_unix_nano))
        delta, since = point.value - known.value + known.owed, known.since
        self.series[key] = Interval(point.value, point.time_unix_nano)
        intervals.append((key, delta, since))
        return replace(point, start_time_unix_nano=since, value=delta)


class AdderSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    env_prefix = "ADDER_"


class AdderEncoder(Encoder["Adder"]):
    def __init__(self, exporter: Adder) -> None:
        super().__init__(exporter)
        self.deltas = Deltas()

    def convert(self, groups: Iterable[Group], batch: int) -> Iterator[Group | Withheld]:
        return self.deltas.take(groups, batch)

    def encode(self, series: Series, point: Point) -> bytes:
        assert isinstance(point, NumberDataPoint)
        return f"{series.attributes['n']}|{point.time_unix_nano}|{point.value}\n".encode()

    def given_up(self, payload: Payload) -> None:
        if not payload.attempted:
            self.deltas.give_back(payload.batch, payload.positions)


class Adder(HttpExporter[AdderSettings]):
    interface = 2
    name = "adder"
    summary = "a backend that adds up"
    Settings = AdderSettings
    Encoder = AdderEncoder

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint("http", "localhost", 1),)

    def route(self) -> Route:
        return Route("/", self.settings.max_batch_points, self.settings.max_batch_bytes)


class KeepingEncoder(AdderEncoder):
    """What is given up stays given up."""

    def given_up(self, payload: Payload) -> None:
        pass


class Keeping(Adder):
    Encoder = KeepingEncoder


class Sums:
    """Adds up, tells a repeat by series and time, and fails as the dice say."""

    def __init__(self, dice: random.Random) -> None:
        self.stored: dict[tuple[int, int], int] = {}
        self.well = False
        self._dice = dice
        self._away = 0

    def send(self, request: Request, timeout: float) -> Reply:
        kind = (
            "ok" if self.well else self._dice.choice(["ok"] * 5 + ["503", "reset", "reset-after", "429", "413", "away"])
        )
        if kind == "away":
            self._away = self._dice.randint(1, 12)
        if self._away > 0 and not self.well:
            self._away -= 1
            kind = "503"
        if kind in ("ok", "reset-after"):
            for line in request.body.decode().splitlines():
                number, time, value = map(int, line.split("|"))
                self.stored[number, time] = value
        if kind.startswith("reset"):
            after = kind == "reset-after"
            raise WireError("net.http.reset", "reset", phase="read" if after else "write", maybe_delivered=after)
        return Reply(204 if kind == "ok" else int(kind) if kind.isdigit() else 503)

    def close(self) -> None: ...


def collected(values: list[int], step: int) -> MetricsData:
    time = (step + 1) * 10**9
    points = [NumberDataPoint({"n": number}, 1, time, value) for number, value in enumerate(values)]
    metric = Metric("m", "", "1", Sum(points, AggregationTemporality.CUMULATIVE, True))
    return MetricsData([ResourceMetrics(Resource({}), [ScopeMetrics(InstrumentationScope("s"), [metric], "")], "")])


def run(kind: type[Adder], seed: int) -> tuple[int, int, int]:
    """Counts missing at the backend, points dropped, and points that are perhaps stored or were rejected."""
    dice, clock = random.Random(seed), LeapingClock()
    backend = Sums(dice)
    settings = AdderSettings(
        outbox_points=30, retry_budget=0.2, backoff_initial=0.05, backoff_max=0.1, max_batch_points=7, breaker_failures=3,
        breaker_cooldown=2.0, timeout=1.0, compression="none",
    )  # fmt: skip
    exporter = kind(settings, transport=backend, clock=clock)
    values = [0] * SERIES
    for step in range(STEPS):
        values = [value + dice.randint(0, 9) for value in values]
        data = collected(values, step)
        if step % 10 == 3:  # who looks at what would be sent changes nothing
            prepared = exporter.prepare(data)
            bodies = [
                [part.body for part in exporter.payloads(prepared) if isinstance(part, Payload)] for _ in range(2)
            ]
            assert bodies[0] == bodies[1], "encoding can be repeated"
            exporter.deliver(prepared, seconds=0.2)
        else:
            exporter.export(data)
        clock.wait(dice.choice([0.5, 3.0]))
    backend.well = True
    clock.wait(100)
    exporter.export(collected(values, STEPS))  # carries what is owed
    exporter.shutdown(3000)
    ledger = exporter.ledger
    assert ledger.balanced
    stored = sum(backend.stored.values())
    unsure = sum(reason.count for reason in ledger.reasons if reason.maybe_stored or reason.fate is Fate.REJECTED)
    return sum(values) - stored, ledger.dropped, unsure


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_counted_twice_and_nothing_is_lost_that_was_not_rejected_or_perhaps_stored(seed: int) -> None:
    missing, _, unsure = run(Adder, seed)
    assert missing >= 0, "counted twice"
    assert missing == 0 or unsure


def test_without_giving_back_what_is_dropped_is_gone() -> None:
    missing = sum(run(Keeping, seed)[0] for seed in range(10))
    given_back = sum(run(Adder, seed)[0] for seed in range(10))
    assert missing > 1_000
    assert given_back < 0.1 * missing
