"""An exporter that takes only deltas, and a backend that adds up: no interval is doubled, and none is lost that was not rejected or
perhaps stored, whatever fails on the way.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.metrics import Counter as SdkCounter
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

from magictel.conformance.case import LeapingClock
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.errors import WireError
from magictel.http.wire import Reply, Request
from magictel.model.metrics import Kind, Point, Series
from magictel.model.outcome import Fate
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.interface import Encoder
from magictel.settings.model import HttpSettings
from tests.encoding.cumulative import COARSEST, KINDS, Source, counted

SERIES = 6
STEPS = 7
SECOND = 10**9


class AdderSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    env_prefix = "ADDER_"


class AdderEncoder(Encoder["Adder"]):
    """A line for each point: what it counted, in cells. `owed`: those that are not given back, by series and time."""

    def __init__(self, exporter: Adder) -> None:
        super().__init__(exporter)
        self.owed: dict[tuple[int, int], Counter[str]] = {}

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        cells = sorted((str(key), count) for key, count in counted([point]).items())
        self.owed[series.attributes["n"], point.time_unix_nano] = Counter(dict(cells))
        return json.dumps([series.attributes["n"], point.time_unix_nano, cells]).encode() + b"\n"


class Adder(HttpExporter[AdderSettings]):
    interface = 2
    name = "adder"
    summary = "a backend that adds up"
    Settings = AdderSettings
    Encoder = AdderEncoder
    temporalities = ("delta",)

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint("http", "localhost", 1),)

    def route(self) -> Route:
        return Route("/", self.settings.max_batch_points, self.settings.max_batch_bytes)

    def _given_up(self, payload: Payload) -> None:
        super()._given_up(payload)
        for line in () if payload.attempted else payload.body.splitlines():
            number, time, _ = json.loads(line)
            del self.encoder.owed[number, time]  # type: ignore[attr-defined]


class Keeping(Adder):
    """What is given up stays given up."""

    def _given_up(self, payload: Payload) -> None:
        pass


class Sums:
    """Adds up, tells a repeat by series and time, and fails as the dice say."""

    def __init__(self, dice: random.Random) -> None:
        self.stored: dict[tuple[int, int], Counter[str]] = {}
        self.well = False
        self._dice = dice
        self._away = 0

    def send(self, request: Request, timeout: float) -> Reply:
        faults = ["ok"] * 10 + ["503", "reset", "reset-after", "429", "413", "away"] * 2 + ["400"]
        kind = "ok" if self.well else self._dice.choice(faults)
        if kind == "away":
            self._away = self._dice.randint(1, 12)
        if self._away > 0 and not self.well:
            self._away -= 1
            kind = "503"
        if kind in ("ok", "reset-after"):
            for line in request.body.splitlines():
                number, time, cells = json.loads(line)
                self.stored[number, time] = Counter(dict(cells))
        if kind.startswith("reset"):
            after = kind == "reset-after"
            raise WireError("net.http.reset", "reset", phase="read" if after else "write", maybe_delivered=after)
        return Reply(204 if kind == "ok" else int(kind) if kind.isdigit() else 503)

    def close(self) -> None: ...


def collected(sources: Sequence[Source], time: int) -> MetricsData:
    """Return a collection whose resource, scope and metrics are new objects, as some sources hand them over."""
    points = {kind: [source.point(time) for source in sources if source.kind is kind] for kind in KINDS}
    cumulative = AggregationTemporality.CUMULATIVE
    metrics = [
        Metric("sum", "", "1", Sum(points[Kind.SUM], cumulative, True)),
        Metric("histogram", "", "1", Histogram(points[Kind.HISTOGRAM], cumulative)),
        Metric("exponential", "", "1", ExponentialHistogram(points[Kind.EXPONENTIAL_HISTOGRAM], cumulative)),
    ]
    scope = InstrumentationScope("adder")
    return MetricsData([ResourceMetrics(Resource({"service.name": "shop"}), [ScopeMetrics(scope, metrics, "")], "")])


def totals(events: Sequence[tuple[Kind, list[int]]]) -> Counter[str]:
    cells: Counter[str] = Counter()
    for kind, counted_events in events:
        for key, count in counted([Source({}, kind, 1, counted_events).point(2)]).items():
            cells[str(key)] += count
    return cells


def run(kind: type[Adder], seed: int) -> tuple[Counter[str], dict[tuple[int, int], Counter[str]], int]:
    """Return what is missing at the backend, the points that were neither stored nor given back, and the number of those that count as
    rejected or perhaps stored.
    """
    dice, clock = random.Random(seed), LeapingClock()
    backend = Sums(dice)
    settings = AdderSettings(
        outbox_points=10, retry_budget=0.2, backoff_initial=0.05, backoff_max=0.1, max_batch_points=4, breaker_failures=3,
        breaker_cooldown=2.0, timeout=1.0, compression="none", in_flight=1 if seed % 8 else 3,
    )  # fmt: skip
    exporter = kind(settings, transport=backend, clock=clock)
    time = start = int(clock.now() * SECOND) + SECOND
    sources = [Source({"n": number}, KINDS[number % 3], start) for number in range(SERIES)]
    events: list[tuple[Kind, list[int]]] = []
    present = sources
    for step in range(STEPS):
        time += 10 * SECOND
        for source in present:  # what it counts between its last collection and its end is lost with it
            if dice.random() < 0.05:
                source.restart(time - SECOND)
        for source in sources:
            if dice.random() < 0.05:
                source.scale = max(COARSEST, source.scale - 1)
            more = [dice.randint(1, 31) for _ in range(dice.randint(0, 2))]
            source.events += more
            events.append((source.kind, more))
        present = [source for source in sources if dice.random() < 0.95] or sources
        data = collected(present, time)
        if step % 4 == 3:  # a look at what would be sent changes nothing
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
    exporter.export(collected(sources, time + 10 * SECOND))  # carries what is owed
    exporter.shutdown(3000)
    ledger = exporter.ledger
    assert ledger.balanced
    unsure = sum(reason.count for reason in ledger.reasons if reason.maybe_stored or reason.fate is Fate.REJECTED)
    missing = totals(events)
    for cells in backend.stored.values():
        missing.subtract(cells)
    owed = exporter.encoder.owed  # type: ignore[attr-defined]
    return missing, {key: cells for key, cells in owed.items() if key not in backend.stored}, unsure


@pytest.mark.parametrize("first", range(0, 1000, 50))
def test_nothing_is_counted_twice_and_nothing_is_lost_that_was_not_rejected_or_perhaps_stored(first: int) -> None:
    for seed in range(first, first + 50):
        missing, lost, unsure = run(Adder, seed)
        assert min(missing.values()) >= 0, f"counted twice: seed {seed}"
        assert len(lost) <= unsure, f"lost without a word in the ledger: seed {seed}"
        explained = sum(lost.values(), Counter())
        assert +missing == explained, f"missing is not what was rejected or perhaps stored: seed {seed}"


def test_without_giving_back_what_is_dropped_is_gone() -> None:
    missing, given_back = (sum(run(kind, seed)[0]["value"] for seed in range(10)) for kind in (Keeping, Adder))
    assert missing > 30
    assert given_back < 0.1 * missing


def test_the_sdk_is_asked_for_deltas() -> None:
    assert Adder(AdderSettings())._preferred_temporality[SdkCounter] is AggregationTemporality.DELTA
