"""Random faults, a real socket: the ledger says what the backend holds.

Each seed scripts faults, drives collections through the Elasticsearch exporter as production does (its pipeline, its HTTP
transport), waits until every late write has landed, and compares the ledger with the emulator's store.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from magictel.clock import SystemClock
from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.model.outcome import Fate, Receipt
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.faults import Fault, Faults
from magictel.sandbox.server import Server
from tests.delivery.points import collection

SEEDS = range(240)
_TIMEOUT = 0.12
_MOST_COLLECTIONS = 24
KINDS = (
    "status", "status", "reset", "reset-after", "close", "truncated", "slow", "late", "hang", "partial", "partial",
    "too-large", "wrong-json", "ok",
)  # fmt: skip


class Hurrying(SystemClock):
    """The machine's clock, on which a minute between two exports passes at once."""

    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def now(self) -> float:
        return super().now() + self.ahead


def script(dice: random.Random) -> Faults:
    return Faults([_step(dice, dice.choice(KINDS)) for _ in range(dice.randint(1, 4))])


def _step(dice: random.Random, kind: str) -> Fault:
    times = dice.randint(1, 2)
    match kind:
        case "status":
            status = dice.choice((400, 401, 403, 404, 408, 429, 429, 500, 502, 503, 504))
            return Fault("status", times, status=status, retry_after=dice.choice((None, "0", "0.01", "date:0", "9")))
        case "slow":
            return Fault("slow", times, seconds=0.01)
        case "late":
            return Fault("slow", times, seconds=3 * _TIMEOUT)
        case "partial":
            return Fault("partial", times, share=dice.choice((0.1, 0.5, 1.0)), item_error="mixed")
    return Fault(kind, times)  # type: ignore[arg-type] # the other kinds take no more


@dataclass
class Run:
    """What one seed did: the exporter's ledger, the numbers of all points sent and of those named as refused."""

    ledger: Receipt
    sent: set[int]
    refused: set[int]
    stored: Counter[int]
    fired: Counter[str]
    exhausted: bool


def run(seed: int) -> Run:
    dice = random.Random(seed)
    clock = Hurrying()
    emulator = ElasticsearchEmulator(clock=clock)
    with Server(emulator, faults=script(dice)).start() as server:
        exporter = ElasticsearchExporter(_settings(dice, emulator.environment(server.origin)), clock=clock)
        runtime = dice.random() < 0.5
        sent, refused, receipts = 0, set(), Receipt()
        for number in range(_MOST_COLLECTIONS):
            size = dice.randint(1, 22)
            data = collection(range(sent, sent + size), 1_800_000_000_000_000_000 + number * 60_000_000_000)
            sent += size
            if runtime:
                exporter.export(data, timeout_millis=400)
            else:
                prepared = exporter.prepare(data)
                points: list[int] = []
                receipt = exporter.deliver(prepared, seconds=0.3, on_refused=lambda at, _, to=points: to.extend(at))
                refused.update(series.attributes["n"] for series, _ in prepared.at(points))
                assert receipt.balanced
                receipts += receipt
            assert exporter.ledger.balanced
            clock.ahead += 61.0
            if server.faults.exhausted and number:
                break
        exporter.shutdown(400)
        assert server.settle(100)
        if not runtime:
            assert exporter.ledger == receipts
        stored = Counter(document["attributes"]["n"] for document in emulator.documents())
        return Run(exporter.ledger, set(range(sent)), refused, stored, server.faults.fired, server.faults.exhausted)


def _settings(dice: random.Random, environment: dict[str, str]) -> Any:
    (url,) = environment.values()
    return ElasticsearchExporter.Settings(
        url=[url],
        timeout=_TIMEOUT,
        connect_timeout=1.0,
        retry_budget=0.15,
        backoff_initial=0.004,
        backoff_max=0.03,
        breaker_failures=dice.choice((2, 5, 50)),
        breaker_cooldown=0.02,
        in_flight=dice.choice((1, 1, 3)),
        max_batch_points=dice.choice((4, 9, 1000)),
        outbox_points=dice.choice((10, 1000)),
        compression=dice.choice(("none", "gzip")),
    )


def _number(item: bytes) -> int:
    import json

    return int(json.loads(item.split(b"\n")[1])["attributes"]["n"])


def _certain(ledger: Receipt, *fates: Fate) -> int:
    return sum(reason.count for reason in ledger.reasons if reason.fate in fates and not reason.maybe_stored)


def _uncertain(ledger: Receipt) -> int:
    return sum(reason.count for reason in ledger.reasons if reason.maybe_stored and reason.fate is not Fate.DELIVERED)


def compare(seen: Run) -> None:
    """Raises `AssertionError` where ledger and store do not agree."""
    ledger, stored = seen.ledger, seen.stored
    assert seen.exhausted, "a fault of this seed never fired"
    assert ledger.balanced
    assert (ledger.sent, ledger.kept) == (len(seen.sent), 0)
    assert max(stored.values(), default=0) <= 1, "a point is stored twice"
    assert stored.keys() <= seen.sent
    assert ledger.delivered <= len(stored) <= ledger.delivered + _uncertain(ledger)
    not_delivered = ledger.rejected + ledger.dropped + ledger.unconfirmed
    assert _certain(ledger, Fate.REJECTED, Fate.DROPPED) + _uncertain(ledger) == not_delivered
    if not any(reason.maybe_stored for reason in ledger.reasons if reason.fate is Fate.REJECTED):
        assert not stored.keys() & seen.refused, "a point named as refused is stored"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ledger_says_what_the_backend_holds(seed: int) -> None:
    compare(run(seed))


def _fates() -> Iterator[str]:
    yield from ("408", "429", "500", "503", "reset", "reset-after", "close", "truncated", "slow", "hang", "partial")
    yield from ("too-large", "wrong-json")


def test_every_kind_of_fault_is_among_the_seeds() -> None:
    planned: Counter[str] = Counter()
    for seed in SEEDS:
        for step in script(random.Random(seed)).steps:
            planned[str(step.status) if step.kind == "status" else step.kind] += 1
    assert all(planned[kind] >= 5 for kind in _fates()), planned


@pytest.mark.parametrize("lie", ["delivered", "dropped", "twice", "never fired"])
def test_the_comparison_notices(lie: str) -> None:
    from msgspec.structs import replace

    seen = run(0)
    compare(seen)
    match lie:
        case "delivered":
            seen.stored.pop(next(iter(seen.stored)))
            seen.ledger = replace(
                seen.ledger, reasons=tuple(replace(reason, maybe_stored=False) for reason in seen.ledger.reasons)
            )
            seen.stored = Counter(list(seen.stored)[: max(0, seen.ledger.delivered - 1)])
        case "dropped":
            seen.ledger = replace(seen.ledger, dropped=seen.ledger.dropped + 1)
        case "twice":
            seen.stored[next(iter(seen.stored))] += 1
        case "never fired":
            seen.exhausted = False
    with pytest.raises(AssertionError):
        compare(seen)
