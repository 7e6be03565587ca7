"""Points that a backend counts as refused and does not name: rejected, never lost, never sent again, nobody blamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from magictel.encoding.payload import Payload
from magictel.model.events import SendOutcome
from magictel.model.outcome import Delivered, Fate, ItemVerdict, Partial, Unconfirmed
from tests.delivery.rig import Rig, lot, payload
from tests.operations.memory import Backend
from tests.operations.test_send_sample import run

WHY = ItemVerdict("mem.rejected", "the name is too long")


def shows_all_but(lost: int) -> Any:
    return lambda stored: stored[lost:]


def refusing(count: int) -> Any:
    """Of the first payload so many; all others are taken."""
    first: list[Payload] = []

    def judge(payload: Payload) -> Any:
        first.append(payload)
        return Partial(unnamed=count, why=WHY) if len(first) == 1 else Delivered()

    return judge


def test_a_sample_of_which_three_points_are_refused_unnamed_is_rejected_and_nothing_is_lost() -> None:
    result, _ = run(Backend(judge=refusing(3), shows=shows_all_but(3)))
    assert (result.receipt.rejected, result.receipt.delivered, result.receipt.unnamed) == (3, 9, 3)
    assert result.outcome is SendOutcome.REJECTED
    assert result.code == "mem.rejected"
    assert "does not say which" in (result.message or "")
    seen = result.verification
    assert seen is not None
    assert (seen.expected, seen.found, seen.missing, seen.unnamed, seen.missing_points) == (9, 9, 0, 3, ())


def test_more_missing_than_were_refused_is_lost_by_the_difference() -> None:
    result, _ = run(Backend(judge=refusing(2), shows=shows_all_but(5)))
    seen = result.verification
    assert seen is not None
    assert (seen.expected, seen.found, seen.missing) == (10, 7, 3)
    assert len(seen.missing_points) == 5  # which of these were refused nobody knows


def test_a_backend_that_shows_what_it_counts_as_refused_is_not_wrong_about_the_others() -> None:
    result, _ = run(Backend(judge=refusing(3)))
    seen = result.verification
    assert seen is not None
    assert (seen.found, seen.missing, seen.altered) == (12, 0, 0)


@pytest.mark.parametrize(("count", "rejected"), [(3, 3), (99, 8), (-1, 0), (0, 0)])
def test_they_count_as_rejected_are_sent_once_and_blame_nobody(count: int, rejected: int) -> None:
    rig = Rig([Partial(unnamed=count, why=WHY)])
    blamed: list[bytes] = []
    receipt = rig.pipeline.deliver(lot(payload(8)), rig.clock.monotonic() + 30, lambda item, _: blamed.append(item))
    assert (receipt.rejected, receipt.delivered, receipt.attempts) == (rejected, 8 - rejected, 1)
    assert receipt.balanced
    assert blamed == []
    assert [reason.unnamed for reason in receipt.reasons] == [True] * bool(rejected)


def test_with_a_retry_beside_them_only_that_is_sent_again() -> None:
    busy = ItemVerdict("mem.busy", "later")
    rig = Rig([Partial({0: WHY}, {1: busy}, unnamed=2, why=WHY)])
    receipt = rig.deliver(payload(8))
    assert (receipt.rejected, receipt.delivered, receipt.unnamed) == (3, 5, 2)
    assert [len(body) for body in rig.bodies] == [64, 8]


def test_without_a_reason_of_the_backends_there_is_one_of_ours() -> None:
    receipt = Rig([Partial(unnamed=1)]).deliver(payload(2))
    assert [reason.code for reason in receipt.reasons] == ["delivery.refused"]


def test_a_warning_is_shown_and_costs_nothing() -> None:
    warning = ItemVerdict("mem.slow", "send less often")
    receipt = Rig([Delivered(warning=warning)]).deliver(payload(2))
    assert receipt.delivered == 2
    assert [(reason.code, reason.fate, reason.count) for reason in receipt.reasons] == [("mem.slow", Fate.DELIVERED, 2)]


def test_what_nobody_confirms_is_unverified_without_a_read_back_and_found_with_one() -> None:
    def judge(payload: Payload) -> Any:
        for item in payload.items():
            backend.stored.append(json.loads(item))
        return Unconfirmed("mem.silent", "nothing says whether it arrived")

    backend = Backend(judge=judge)
    result, _ = run(backend)
    assert (result.receipt.unconfirmed, result.verification and result.verification.found) == (12, 12)
    unasked, _ = run(Backend(judge=judge), verify=False)
    assert (unasked.outcome, unasked.code) == (SendOutcome.UNVERIFIED, "mem.silent")
