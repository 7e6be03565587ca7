"""The exit codes, a contract: one pure function from what happened to the number a script sees."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import IntEnum

from magictel.model.events import CheckFinished, CheckOutcome, ReplayFinished, RunCleaned, SendFinished, SendOutcome
from magictel.model.finding import Status


class Exit(IntEnum):
    """What each number means."""

    HELD = 0
    """All held; *accepted* under `--no-verify` too; in `check`, warned and skipped rungs."""
    FAILED = 1
    """A rung failed, or a point was rejected, lost, altered, duplicated, dropped or undelivered; or `--wait` ran out."""
    USAGE = 2
    """Wrong usage: nothing was done."""
    DOUBTFUL = 3
    """Nothing failed, but a target's outcome is *unverified*, or there are warnings under `--strict`."""
    UNUSABLE = 78
    """Some chosen target's settings are unusable, or nothing is enabled or named; the other targets ran and are reported."""
    INTERRUPTED = 130
    """SIGINT, after a clean end with the report so far."""
    TERMINATED = 143
    """SIGTERM, likewise."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What happened, as far as the exit code is concerned. `signal` is the number of the one that ended the run, or None."""

    signal: int | None = None
    usage: bool = False
    unusable: bool = False
    failed: bool = False
    doubtful: bool = False


def exit_code(ending: Ending) -> Exit:
    """The first that applies."""
    if ending.signal is not None:
        return Exit.TERMINATED if ending.signal == signal.SIGTERM else Exit.INTERRUPTED
    if ending.usage:
        return Exit.USAGE
    if ending.unusable:
        return Exit.UNUSABLE
    if ending.failed:
        return Exit.FAILED
    return Exit.DOUBTFUL if ending.doubtful else Exit.HELD


def after_check(finished: CheckFinished, *, strict: bool, signal: int | None = None) -> Exit:
    """The code of a `check`."""
    return exit_code(
        Ending(
            _signal(finished.interrupted, signal),
            unusable=any(result.unusable for result in finished.results),
            failed=finished.outcome is CheckOutcome.FAIL,
            doubtful=finished.outcome is CheckOutcome.UNVERIFIED or (strict and finished.outcome is CheckOutcome.WARN),
        )
    )


def after_send(
    finished: SendFinished, cleaned: tuple[RunCleaned, ...] = (), *, strict: bool, signal: int | None = None
) -> Exit:
    """The code of a `send-sample`, with the clean-up that followed it."""
    outcomes = {result.outcome for result in finished.results}
    warned = any(finding.outcome is Status.WARN for result in finished.results for finding in result.findings)
    if isinstance(finished, ReplayFinished):
        warned = warned or finished.source.lost > 0 or bool(finished.source.warnings)
    fine = {SendOutcome.VERIFIED, SendOutcome.ACCEPTED, SendOutcome.UNVERIFIED}
    return exit_code(
        Ending(
            _signal(finished.interrupted, signal),
            unusable=any(result.unusable for result in finished.results) or any(one.unusable for one in cleaned),
            failed=bool(outcomes - fine) or not all(one.held for one in cleaned),
            doubtful=SendOutcome.UNVERIFIED in outcomes or (strict and warned),
        )
    )


def after_clean(cleaned: tuple[RunCleaned, ...], *, signal: int | None = None) -> Exit:
    """The code of a clean-up of an earlier run."""
    return exit_code(
        Ending(
            signal,
            unusable=any(one.unusable for one in cleaned),
            failed=not all(one.held for one in cleaned),
        )
    )


def _signal(interrupted: bool, number: int | None) -> int | None:
    return number if number is not None or not interrupted else signal.SIGINT
