"""The exit codes are a contract: the first that applies."""

from __future__ import annotations

import signal
from itertools import product

import pytest
from msgspec.structs import replace

from magictel.cli.exit_codes import Ending, Exit, after_check, after_clean, after_send, exit_code
from magictel.model.events import CheckFinished, CheckResult, RunCleaned, SendFinished, SendResult
from tests.reporters.cases import (
    ACCEPTED,
    CLEANED,
    EXPIRED,
    GOOD,
    LOST,
    MIXED,
    STOPPED,
    UNCLEAN,
    UNREADABLE,
    UNUSABLE,
    VERIFIED,
    checked,
)

SPOTLESS = checked("spotless", "elasticsearch", "", GOOD.rungs[0])
UNUSABLE_SEND = replace(STOPPED, unusable=True)
PARTIAL = RunCleaned("elasticsearch", "elasticsearch", "3f9c21aa07be", 12, 11, "verify.clean-partial", "less")


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (Ending(), 0),
        (Ending(doubtful=True), 3),
        (Ending(doubtful=True, failed=True), 1),
        (Ending(doubtful=True, failed=True, unusable=True), 78),
        (Ending(doubtful=True, failed=True, unusable=True, usage=True), 2),
        (Ending(signal.SIGTERM, doubtful=True, failed=True, unusable=True, usage=True), 143),
        (Ending(signal.SIGINT, doubtful=True, failed=True, unusable=True, usage=True), 130),
    ],
)
def test_the_first_that_applies(ending: Ending, code: int) -> None:
    assert exit_code(ending) == code


def test_every_combination_has_the_worst_of_its_parts() -> None:
    order = [130, 143, 2, 78, 1, 3, 0]
    for number, *flags in product((None, signal.SIGINT, signal.SIGTERM), *[(False, True)] * 4):
        parts = [Ending(number)]
        for name, flag in zip(("usage", "unusable", "failed", "doubtful"), flags, strict=True):
            parts.append(Ending(**{name: flag}))  # type: ignore[arg-type]
        worst = min((exit_code(part) for part in parts), key=order.index)
        assert exit_code(Ending(number, *flags)) == worst


@pytest.mark.parametrize(
    ("results", "strict", "code"),
    [
        ((SPOTLESS,), False, 0),
        ((SPOTLESS,), True, 0),
        ((GOOD,), False, 0),
        ((GOOD,), True, 3),
        ((GOOD, EXPIRED), True, 1),
        ((SPOTLESS, EXPIRED, UNUSABLE), False, 78),
    ],
)
def test_check(results: tuple[CheckResult, ...], strict: bool, code: int) -> None:
    assert after_check(CheckFinished(results, 0.1), strict=strict) == code


@pytest.mark.parametrize(
    ("results", "cleaned", "strict", "code"),
    [
        ((VERIFIED,), (), True, 0),
        ((ACCEPTED,), (), True, 0),
        ((UNREADABLE,), (), False, 3),
        ((MIXED,), (), False, 1),
        ((LOST, UNREADABLE), (), False, 1),
        ((STOPPED, VERIFIED), (), False, 1),
        ((UNUSABLE_SEND, MIXED), (), False, 78),
        ((VERIFIED,), (CLEANED,), False, 0),
        ((VERIFIED,), (UNCLEAN,), False, 1),
        ((VERIFIED,), (PARTIAL,), False, 1),
        ((replace(VERIFIED, findings=UNREADABLE.findings),), (), False, 0),
        ((replace(VERIFIED, findings=UNREADABLE.findings),), (), True, 3),
    ],
)
def test_send(results: tuple[SendResult, ...], cleaned: tuple[RunCleaned, ...], strict: bool, code: int) -> None:
    assert after_send(SendFinished("3f9c21aa07be", results, 0.1), cleaned, strict=strict) == code


@pytest.mark.parametrize(
    ("cleaned", "code"), [((CLEANED,), 0), ((CLEANED, UNCLEAN), 1), ((replace(UNCLEAN, unusable=True),), 78)]
)
def test_clean(cleaned: tuple[RunCleaned, ...], code: int) -> None:
    assert after_clean(cleaned) == code


def test_an_interrupt_comes_first_and_without_its_number_it_is_sigint() -> None:
    finished = CheckFinished((UNUSABLE,), 0.1, interrupted=True)
    assert after_check(finished, strict=False, signal=signal.SIGTERM) == Exit.TERMINATED
    assert after_check(finished, strict=False, signal=signal.SIGINT) == Exit.INTERRUPTED
    assert after_check(finished, strict=False) == Exit.INTERRUPTED
