"""Laws on limits: deadline, breaker, bounded memory, batches."""

from __future__ import annotations

import gc
import weakref

from opentelemetry.sdk.resources import Resource

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Need, points, require
from magictel.conformance.points import collection, payloads_of
from magictel.delivery.attempt import Attempted
from magictel.encoding.layouts import Layouts
from magictel.encoding.payload import Payload

LAWS = LawRegistry()
_BUSY = 20.0
"""Tolerance in seconds, for busy machines. The clock leaps over waits, so an exporter that ignores the deadline exceeds it."""


@LAWS.law("bounds.deadline", "deliver ends by its deadline, and reports what it dropped.", Need.PUSH, Need.AWAY)
def deadline(case: Case) -> None:
    """Deliver to a backend that stays unavailable, once with its own Retry-After."""
    for fault in case.stage.faults["refuses"][:2]:
        case.script(fault)
        exporter = case.exporter(backoff_max=2.0)
        started = case.clock.monotonic()
        receipt = exporter.deliver(collection(case.run_id, 3, case.clock.now()), seconds=3.0)
        took = case.clock.monotonic() - started
        require(took < 3.0 + _BUSY, f"deliver was given 3 s and took {took:.1f} s ({fault})")
        require(receipt.dropped == 3, f"{receipt.dropped} of 3 points count as dropped at the deadline")
        require(receipt.reasons and receipt.reasons[0].code, "points were dropped without a reason")


@LAWS.law("bounds.breaker", "After repeated failures, requests to the backend pause for a while.", Need.PUSH, Need.AWAY)
def breaker(case: Case) -> None:
    """Export twenty times; three failures are enough."""
    case.away()
    exporter = case.exporter(breaker_failures=3, breaker_cooldown=3600.0, retry_budget=0.0)
    attempt, tries = exporter.attempt, list[Payload]()

    def counted(payload: Payload, timeout: float) -> Attempted:
        tries.append(payload)
        return attempt(payload, timeout)

    exporter.attempt = counted  # type: ignore[method-assign]
    for turn in range(20):
        exporter.export(collection(case.run_id, 2, case.clock.now(), first=2 * turn))
    asked = max(len(case.writes()), len(tries))
    require(asked <= 5, f"a backend that failed three times got {asked} requests in 20 exports")


@LAWS.law(
    "bounds.outbox",
    "The queue for an unavailable backend is bounded; dropped points are counted.",
    Need.PUSH,
    Need.AWAY,
)
def outbox(case: Case) -> None:
    """Export twenty collections of ten points, with a limit of fifty points."""
    case.away()
    exporter = case.exporter(outbox_points=50, retry_budget=0.0)
    for turn in range(20):
        exporter.export(collection(case.run_id, 10, case.clock.now(), first=10 * turn))
    ledger = exporter.ledger
    require(ledger.kept <= 50, f"{points(ledger.kept, 'is', 'are')} queued, but the limit is 50")
    require(
        ledger.kept + ledger.dropped == 200,
        f"200 points were not delivered, {ledger.kept} kept and {ledger.dropped} dropped are counted",
    )


@LAWS.law("bounds.batches", "No payload has more points or bytes than the settings allow.")
def batches(case: Case) -> None:
    """Export many points in small batches."""
    data = collection(case.run_id, 60, case.clock.now())
    counts = [payload.points for payload in payloads_of(case.exporter(max_batch_points=7), data)]
    by_size = payloads_of(case.exporter(max_batch_bytes=4096), data)
    largest = max((len(payload.body) for payload in by_size if payload.points > 1), default=0)
    most = max(counts, default=0)
    require(most <= 7, f"a payload of {most} points, but 7 are allowed")
    require(sum(counts) == 60, f"60 points became payloads with {sum(counts)} points")
    require(largest <= 4096, f"a payload of {largest} bytes, but 4096 are allowed")


@LAWS.law("bounds.templates", "Caches are bounded: series that do not come back are forgotten.")
def templates(case: Case) -> None:
    """Use thirty resources in turn, with a cache for 60 series: three collections of twenty."""
    exporter = case.exporter()
    exporter._layouts = Layouts(60)  # noqa: SLF001 # the bound itself, 200 000 series, would take minutes
    gone: list[weakref.ref[Resource]] = []
    for turn in range(30):
        resource = Resource({"service.name": "conformance", "service.instance.id": str(turn)})
        gone.append(weakref.ref(resource))
        data = collection(case.run_id, 20, case.clock.now(), resource=resource)
        for _ in exporter.payloads(data):
            pass
        del data, resource
    gc.collect()
    alive = sum(reference() is not None for reference in gone)
    require(alive <= 10, f"{alive} of 30 collections are still in memory, but the cache has space for the series of 3")
