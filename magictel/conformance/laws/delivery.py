"""Laws on limits: deadline, breaker, bounded memory, batches."""

from __future__ import annotations

import gc
import weakref

from opentelemetry.sdk.resources import Resource

from magictel.conformance.case import Case
from magictel.conformance.law import LawRegistry, Need, points, require
from magictel.conformance.points import payloads_of
from magictel.delivery.attempt import Attempted
from magictel.encoding.layouts import Layouts
from magictel.encoding.payload import Payload

LAWS = LawRegistry()
_BUSY = 20.0
"""Tolerance in seconds, for busy machines. The clock leaps over waits, so an exporter that ignores the deadline exceeds it."""


@LAWS.law("bounds.deadline", Need.PUSH, Need.AWAY)
def deadline(case: Case) -> None:
    """A delivery ends by its deadline, and reports what it dropped."""
    for fault in case.stage.faults["refuses"][: 2 if case.stage.replies else 1]:  # a reply may name a long wait
        case.script(fault)
        exporter = case.exporter(backoff_max=2.0)
        started = case.clock.monotonic()
        receipt = exporter.deliver(case.collection(3), seconds=3.0)
        took = case.clock.monotonic() - started
        require(took < 3.0 + _BUSY, f"deliver was given 3 s and took {took:.1f} s ({fault})")
        require(receipt.dropped == 3, f"{receipt.dropped} of 3 points count as dropped at the deadline")
        require(receipt.reasons and receipt.reasons[0].code, "points were dropped without a reason")


@LAWS.law("bounds.breaker", Need.PUSH, Need.AWAY)
def breaker(case: Case) -> None:
    """After repeated failures, requests to the backend pause for a while."""
    case.away()
    exporter = case.exporter(breaker_failures=3, breaker_cooldown=3600.0, retry_budget=0.0)
    attempt, tries = exporter.attempt, list[Payload]()

    def counted(payload: Payload, timeout: float) -> Attempted:
        tries.append(payload)
        return attempt(payload, timeout)

    exporter.attempt = counted  # type: ignore[method-assign]
    for turn in range(20):
        exporter.export(case.collection(2, first=2 * turn))
    asked = max(len(case.writes()), len(tries))
    require(asked <= 5, f"a backend that failed three times got {asked} requests in 20 exports")


@LAWS.law("bounds.outbox", Need.PUSH, Need.AWAY)
def outbox(case: Case) -> None:
    """The queue for an unavailable backend is bounded; dropped points are counted."""
    case.away()
    exporter = case.exporter(outbox_points=50, retry_budget=0.0)
    for turn in range(8):
        exporter.export(case.collection(10, first=10 * turn))
    ledger = exporter.ledger
    require(ledger.kept <= 50, f"{points(ledger.kept, 'is', 'are')} queued, but the limit is 50")
    require(
        ledger.kept + ledger.dropped == 80,
        f"80 points were not delivered, {ledger.kept} kept and {ledger.dropped} dropped are counted",
    )


@LAWS.law("bounds.batches", Need.PUSH)
def batches(case: Case) -> None:
    """No payload has more points or bytes than the settings allow."""
    data = case.collection(60)
    counts = [payload.points for payload in payloads_of(case.exporter(max_batch_points=7), data)]
    by_size = payloads_of(case.exporter(max_batch_bytes=4096), data)
    largest = max((len(payload.body) for payload in by_size if payload.points > 1), default=0)
    most = max(counts, default=0)
    require(most <= 7, f"a payload of {most} points, but 7 are allowed")
    require(sum(counts) == 60, f"60 points became payloads with {sum(counts)} points")
    require(largest <= 4096, f"a payload of {largest} bytes, but 4096 are allowed")


@LAWS.law("bounds.templates", Need.PUSH)
def templates(case: Case) -> None:
    """Caches are bounded: series that do not come back are forgotten."""
    exporter = case.exporter()
    exporter._layouts = Layouts(60)  # noqa: SLF001 # the bound itself, 200 000 series, would take minutes
    gone: list[weakref.ref[Resource]] = []
    for turn in range(30):
        resource = Resource({"service.name": "conformance", "service.instance.id": str(turn)})
        gone.append(weakref.ref(resource))
        data = case.collection(20, resource=resource)
        for _ in exporter.payloads(data):
            pass
        del data, resource
        case.clock.wait(10)  # what an exporter remembers of the latest seconds is not a cache
    gc.collect()
    alive = sum(reference() is not None for reference in gone)
    require(alive <= 10, f"{alive} of 30 collections are still in memory, but the cache has space for the series of 3")
