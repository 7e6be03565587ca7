"""Laws on the life of an exporter: from the first export to shutdown, and unusual calls."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExportResult

from magictel.clock import SystemClock
from magictel.conformance.case import Case
from magictel.conformance.law import Broken, LawRegistry, Need, points, require
from magictel.conformance.points import EMPTY, collection

LAWS = LawRegistry(Need.PUSH)
_GIVEN = 120.0
"""Timeout in milliseconds of a call to a blocking backend."""
_SLACK = 5.0
"""Tolerance in seconds, for busy machines."""
_STALLED = 40.0
"""Timeout in seconds of an attempt, far above that of the call: a call that waits for the attempt exceeds the tolerance."""


@LAWS.law("life.export", Need.BACKEND)
def export(case: Case) -> None:
    """Export returns SUCCESS when everything is delivered, and returns at once for an empty collection."""
    exporter = case.exporter()
    result = exporter.export(case.collection(6))
    nothing = exporter.export(EMPTY)
    require(result is MetricExportResult.SUCCESS, f"export returned {result} with a healthy backend")
    require(nothing is MetricExportResult.SUCCESS, f"export returned {nothing} for an empty collection")


@LAWS.law("life.odd-calls", Need.BACKEND)
def odd_calls(case: Case) -> None:
    """Negative and infinite timeouts, unknown keywords and empty collections raise nothing."""
    exporter = case.exporter()
    data = case.collection(2)
    for call in (
        lambda: exporter.export(data, timeout_millis=-5),
        lambda: exporter.export(data, timeout_millis=1e12),
        lambda: exporter.export(EMPTY, timeout_millis=0, maybe_stored=1),
        lambda: exporter.force_flush(-1),
        lambda: exporter.force_flush(timeout_millis=10, maybe_stored=1),
        lambda: exporter.shutdown(timeout=-1000.0),
    ):
        try:
            call()
        except Exception as failure:
            raise Broken(f"an unusual call raised {type(failure).__name__}") from None


@LAWS.law("life.failure-is-told", Need.AWAY)
def failure_is_told(case: Case) -> None:
    """Export returns FAILURE when points were not delivered, and raises nothing."""
    case.away()
    result = case.exporter(retry_budget=0.05).export(case.collection(3))
    require(result is MetricExportResult.FAILURE, f"export returned {result} for points that were not delivered")


@LAWS.law("life.export-after-shutdown")
def export_after_shutdown(case: Case) -> None:
    """An export after shutdown sends nothing, fails, and its points count as dropped."""
    exporter = case.exporter()
    exporter.shutdown()
    before = len(case.writes())
    result = exporter.export(case.collection(4))
    dropped = exporter.ledger.dropped
    require(result is MetricExportResult.FAILURE, f"export after shutdown returned {result}")
    require(dropped == 4, f"of 4 points after shutdown, {dropped} count as dropped")
    require(len(case.writes()) == before, "something was sent after shutdown")


@LAWS.law("life.shutdown-twice", Need.BACKEND)
def shutdown_twice(case: Case) -> None:
    """Shutdown may be called twice, and by several threads at once."""
    exporter = case.exporter()
    exporter.export(case.collection(2))
    raised: list[str] = []

    def end() -> None:
        try:
            exporter.shutdown(1000)
        except Exception as failure:
            raised.append(type(failure).__name__)

    require(_together(end, 4), "concurrent shutdowns did not end")
    end()
    require(not raised, f"a second shutdown raised {', '.join(raised)}")


@LAWS.law("life.shutdown-sends", Need.AWAY)
def shutdown_sends(case: Case) -> None:
    """Shutdown tries once more to send queued points."""
    exporter = _waiting(case)
    exporter.shutdown(5000)
    ledger = exporter.ledger
    accepted = case.accepted(ledger)
    require(
        (accepted, ledger.kept) == (3, 0),
        f"of 3 queued points, shutdown delivered {accepted}, dropped {ledger.dropped} and kept {ledger.kept}",
    )


@LAWS.law("life.shutdown-in-time", Need.STALL)
def shutdown_in_time(case: Case) -> None:
    """Shutdown ends within its timeout, whatever the backend does."""
    exporter = _waiting(case, timeout=_STALLED)
    case.stall()
    _in_time(case, "shutdown", lambda: exporter.shutdown(_GIVEN))


@LAWS.law("life.shutdown-counts", Need.AWAY)
def shutdown_counts(case: Case) -> None:
    """Points that shutdown gives up count as dropped and are logged."""
    exporter = _waiting(case)
    case.away()
    case.warnings.clear()
    exporter.shutdown(200)
    dropped, kept = exporter.ledger.dropped, exporter.ledger.kept
    require((dropped, kept) == (3, 0), f"after shutdown, {dropped} of 3 points are dropped and {kept} kept")
    require(case.warnings, "shutdown dropped points without logging it")


@LAWS.law("life.never-shut-down", Need.AWAY)
def never_shut_down(case: Case) -> None:
    """An exporter that is garbage-collected logs the points that it drops."""
    case.away()
    exporter: Any = case.unkept(retry_budget=0.05)
    exporter.export(case.collection(3))
    case.warnings.clear()
    del exporter
    gc.collect()
    require(case.warnings, "a garbage-collected exporter dropped points without logging it")


@LAWS.law("life.flush", Need.AWAY)
def flush(case: Case) -> None:
    """force_flush sends queued points, and returns True only if none is left."""
    exporter = _waiting(case)
    case.away()
    early = exporter.force_flush(100)
    waited = exporter.ledger.kept
    case.back()
    late = exporter.force_flush(5000)
    kept, accepted = exporter.ledger.kept, case.accepted(exporter.ledger)
    queued = points(waited, "was", "were")
    require(not early and waited == 3, f"force_flush returned {early} while {queued} queued")
    require(late and kept == 0, f"force_flush returned {late} with {points(kept)} still queued")
    require(accepted == 3, f"force_flush delivered {accepted} of 3 points")


@LAWS.law("life.flush-in-time", Need.STALL)
def flush_in_time(case: Case) -> None:
    """force_flush ends within its timeout."""
    exporter = _waiting(case, timeout=_STALLED)
    case.stall()
    _in_time(case, "force_flush", lambda: exporter.force_flush(_GIVEN))


@LAWS.law("life.export-in-time", Need.STALL)
def export_in_time(case: Case) -> None:
    """An export ends within its timeout."""
    case.stall()
    exporter = case.exporter(timeout=_STALLED)
    data = case.collection(3)
    _in_time(case, "export", lambda: exporter.export(data, timeout_millis=_GIVEN))


@LAWS.law("life.threads", Need.BACKEND)
def threads(case: Case) -> None:
    """Parallel exports from several threads are all counted and delivered."""
    if case.stage.replies:
        case.script("slow 0.02 forever")
    exporter = case.exporter(in_flight=4, max_batch_points=5)
    now = case.clock.now()
    expected = case.expected(exporter, case.preferred(collection(case.run_id, 80, now)))
    numbers = iter(range(4))

    def work() -> None:
        n = next(numbers)
        exporter.export(case.preferred(collection(case.run_id, 20, now, first=20 * n)), timeout_millis=20_000)

    require(_together(work, 4), "exports of several threads did not end")
    ledger = exporter.ledger
    accepted = case.accepted(ledger)
    case.script("ok")
    require(ledger.balanced, "the ledger does not add up after concurrent exports")
    require(ledger.sent == 80, f"80 points were exported, but {ledger.sent} are counted")
    require(accepted == 80, f"concurrent exports delivered {accepted} of 80 points")
    stored = case.stored(exporter, expected)
    require(stored in (None, 80), f"80 points count as delivered, but the backend shows {stored}")


@LAWS.law("life.fork", Need.FORK, Need.BACKEND)
def fork(case: Case) -> None:
    """After a fork the child starts empty with its own connections; the parent continues."""
    exporter = case.exporter(retry_budget=0.05)
    fails = not case.lacking([Need.AWAY])
    if fails:
        case.away()
    exporter.export(case.collection(3))
    if fails:
        case.back()
    child = exit_code_of_child(lambda: _as_child(exporter, case))
    result = exporter.export(case.collection(3, first=6))
    require(child != 2, "the child inherited the parent's ledger or queued points")
    require(child == 0, "the child could not export")
    require(result is MetricExportResult.SUCCESS, "the parent could not export after the fork")


def _as_child(exporter: Any, case: Case) -> int:
    if exporter.ledger.sent or exporter.ledger.kept:
        return 2
    result = exporter.export(case.collection(3, first=3), timeout_millis=5000)
    return 0 if result is MetricExportResult.SUCCESS else 3


def exit_code_of_child(work: Callable[[], int]) -> int:
    """Return the exit code of a child that runs this; 9 if it did not end in ten seconds."""
    import signal
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python 3.12 warns of a fork with threads, which is tested here
        pid = os.fork()
    if pid == 0:
        code = 4
        try:
            code = work()
        finally:
            os._exit(code)
    clock = SystemClock()
    end = clock.monotonic() + 10.0
    while clock.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        clock.wait(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return 9


def _waiting(case: Case, **settings: Any) -> Any:
    """Return an exporter with three queued points: the backend was unavailable for a moment."""
    case.away()
    exporter = case.exporter(retry_budget=0.0, **settings)
    exporter.export(case.collection(3))
    case.back()
    return exporter


def _in_time(case: Case, name: str, call: Callable[[], object]) -> None:
    """Measure a call in a separate thread, because it may never end."""
    raised: list[Exception] = []

    def called() -> None:
        try:
            call()
        except Exception as failure:
            raised.append(failure)

    given = _GIVEN / 1000
    thread = threading.Thread(target=called, daemon=True)
    thread.start()
    thread.join(given + _SLACK)
    late = thread.is_alive()
    case.back()
    thread.join(10.0)
    if raised:
        raise raised[0]
    require(not late, f"{name} had a timeout of {given:g} s, but had not ended {_SLACK:g} s later")


def _together(work: Callable[[], None], count: int) -> bool:
    """Run it in several threads; return False if one does not end."""
    started = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(20.0)
    return not any(thread.is_alive() for thread in started)
