"""`attempts`: the attempts of a delivery by how they ended, in JSON and as one line."""

from __future__ import annotations

import pytest

from magictel.model.outcome import FailedAttempts, Receipt, Throttled, Unavailable, merge_failed
from magictel.reporters.evidence import attempts
from magictel.reporters.json import receipt_document
from tests.delivery.rig import Rig, payload

THROTTLED = FailedAttempts("http.throttled", 429, 3)
RESET = FailedAttempts("net.http.reset", None, 1)


@pytest.mark.parametrize(
    ("receipt", "line"),
    [
        (Receipt(attempts=5, failed=(THROTTLED, RESET), waited=13.2), "5, 4 failed (3× 429, 1 reset); waited 13 s"),
        (Receipt(attempts=1, failed=(RESET,)), "1, 1 failed (1 reset)"),
        (
            Receipt(attempts=2, failed=(FailedAttempts("net.http.read-timeout"),), waited=0.4),
            "2, 1 failed (1 read timeout); waited 0.4 s",
        ),
        (Receipt(attempts=7), None),
    ],
)
def test_the_line(receipt: Receipt, line: str | None) -> None:
    assert attempts(receipt) == line


def test_attempts_are_added_up_by_how_they_ended() -> None:
    first, second = Receipt(failed=(THROTTLED, RESET), waited=1.0), Receipt(failed=(RESET, THROTTLED), waited=2.0)
    both = first + second
    assert both.failed == (FailedAttempts("http.throttled", 429, 6), FailedAttempts("net.http.reset", None, 2))
    assert both.waited == 3.0
    assert merge_failed([]) == ()
    document = receipt_document(both)
    assert document["failed_attempts"][0] == {"status": 429, "code": "http.throttled", "count": 6}
    assert document["waited_seconds"] == 3.0


def test_a_delivery_says_how_its_attempts_failed_and_what_it_waited() -> None:
    reset = Unavailable("net.http.reset", "reset", maybe_stored=True)
    rig = Rig([Throttled("http.throttled", "429", retry_after=2.0), Throttled("http.throttled", "429"), reset])
    receipt = rig.deliver(payload(3))
    assert receipt.delivered == 3
    assert [(reason.code, reason.count) for reason in receipt.failed] == [("http.throttled", 2), ("net.http.reset", 1)]
    assert receipt.waited == pytest.approx(sum(rig.clock.waits)) == rig.clock.monotonic()
    assert receipt.attempts == 4
