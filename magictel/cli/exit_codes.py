"""The exit codes, a contract with scripts, computed by a pure function."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import IntEnum

from magictel.model.events import CheckFinished, CheckOutcome, ReplayFinished, RunCleaned, SendFinished, SendOutcome
from magictel.model.finding import Status


class Exit(IntEnum):
    """The meaning of each exit code."""

    OK = 0
    """Everything passed; includes *accepted* under `--no-verify` and, in `check`, warnings and skipped rungs."""
    FAILED = 1
    """A rung failed, or a point was rejected, lost, altered, duplicated, dropped or undelivered; or `--wait` ran out."""
    USAGE = 2
    """Usage error: nothing was done."""
    DOUBTFUL = 3
    """Nothing failed, but a target's outcome is *unverified*, or there are warnings under `--strict`."""
    UNUSABLE = 78
    """A target's settings are unusable, or nothing is enabled or named; other targets ran and are reported."""
    INTERRUPTED = 130
    """SIGINT; the run ended cleanly and reported its results so far."""
    TERMINATED = 143
    """SIGTERM; like SIGINT."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The facts that decide the exit code. `signal` is the number of the signal that ended the run, or None."""

    signal: int | None = None
    usage: bool = False
    unusable: bool = False
    failed: bool = False
    doubtful: bool = False


def exit_code(ending: Ending) -> Exit:
    """Return the first exit code that applies."""
    if ending.signal is not None:
        return Exit.TERMINATED if ending.signal == signal.SIGTERM else Exit.INTERRUPTED
    if ending.usage:
        return Exit.USAGE
    if ending.unusable:
        return Exit.UNUSABLE
    if ending.failed:
        return Exit.FAILED
    return Exit.DOUBTFUL if ending.doubtful else Exit.OK


def after_check(finished: CheckFinished, *, strict: bool, signal: int | None = None) -> Exit:
    """Return the exit code of a `check`."""
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
    """Return the exit code of a `send-sample` and its clean-up."""
    outcomes = {result.outcome for result in finished.results}
    warned = any(finding.outcome is Status.WARN for result in finished.results for finding in result.findings)
    if isinstance(finished, ReplayFinished):
        warned = warned or finished.source.lost > 0 or bool(finished.source.warnings)
    fine = {SendOutcome.VERIFIED, SendOutcome.ACCEPTED, SendOutcome.UNVERIFIED}
    return exit_code(
        Ending(
            _signal(finished.interrupted, signal),
            unusable=any(result.unusable for result in finished.results)
            or any(cleanup.unusable for cleanup in cleaned),
            failed=bool(outcomes - fine) or not all(cleanup.complete for cleanup in cleaned),
            doubtful=SendOutcome.UNVERIFIED in outcomes or (strict and warned),
        )
    )


def after_clean(cleaned: tuple[RunCleaned, ...], *, signal: int | None = None) -> Exit:
    """Return the exit code of the clean-up of an earlier run."""
    return exit_code(
        Ending(
            signal,
            unusable=any(cleanup.unusable for cleanup in cleaned),
            failed=not all(cleanup.complete for cleanup in cleaned),
        )
    )


def _signal(interrupted: bool, number: int | None) -> int | None:
    return number if number is not None or not interrupted else signal.SIGINT
