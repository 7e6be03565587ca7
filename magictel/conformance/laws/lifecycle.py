"""Laws on the life of an exporter: from the first export to shutdown, and what happens beside that plan."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExportResult

from magictel.clock import SystemClock
from magictel.conformance.case import Case, reads_back
from magictel.conformance.law import LawRegistry, Violation, broken_unless, first, points
from magictel.conformance.points import EMPTY, accepted, collection
from magictel.conformance.requirements import Need
from magictel.model.verification import Expected

LAWS = LawRegistry()
_GIVEN = 120.0
"""Milliseconds that a call is given where the backend lets it wait."""
_SLACK = 1.5
"""Seconds by which it may be late: a machine may be busy."""


@LAWS.law(
    "life.export",
    "export says SUCCESS when all has arrived, and returns at once for an empty collection.",
    Need.BACKEND,
)
def export(case: Case) -> Violation | None:
    """A healthy backend."""
    exporter = case.exporter()
    told = exporter.export(collection(case.run_id, 6, case.clock.now()))
    nothing = exporter.export(EMPTY)
    return first(
        broken_unless(told is MetricExportResult.SUCCESS, f"export said {told} with a healthy backend"),
        broken_unless(nothing is MetricExportResult.SUCCESS, f"export said {nothing} of an empty collection"),
    )


@LAWS.law(
    "life.odd-calls",
    "Negative and endless time-outs, unknown keywords and empty collections raise nothing.",
    Need.BACKEND,
)
def odd_calls(case: Case) -> Violation | None:
    """What SDKs of all versions do."""
    exporter = case.exporter()
    data = collection(case.run_id, 2, case.clock.now())
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
            return Violation(f"{type(failure).__name__} was raised by an odd call")
    return None


@LAWS.law("life.failure-is-told", "export says FAILURE when points were not delivered, and raises nothing.", Need.AWAY)
def failure_is_told(case: Case) -> Violation | None:
    """Nobody takes anything."""
    case.away()
    told = case.exporter(retry_budget=0.05).export(collection(case.run_id, 3, case.clock.now()))
    return broken_unless(told is MetricExportResult.FAILURE, f"export said {told} of points that were not delivered")


@LAWS.law("life.export-after-shutdown", "An export after shutdown sends nothing, fails, and is counted as dropped.")
def export_after_shutdown(case: Case) -> Violation | None:
    """A reader that comes late."""
    exporter = case.exporter()
    exporter.shutdown()
    before = len(case.writes()) if case.served else 0
    told = exporter.export(collection(case.run_id, 4, case.clock.now()))
    ledger = exporter.ledger
    return first(
        broken_unless(told is MetricExportResult.FAILURE, f"export after shutdown said {told}"),
        broken_unless(ledger.dropped == 4, f"of 4 points after shutdown {ledger.dropped} are counted as dropped"),
        broken_unless(not case.served or len(case.writes()) == before, "something was sent after shutdown"),
    )


@LAWS.law("life.shutdown-twice", "shutdown may be called twice, and by several threads at once.", Need.BACKEND)
def shutdown_twice(case: Case) -> Violation | None:
    """One after the other and side by side."""
    exporter = case.exporter()
    exporter.export(collection(case.run_id, 2, case.clock.now()))
    raised: list[str] = []

    def end() -> None:
        try:
            exporter.shutdown(1000)
        except Exception as failure:
            raised.append(type(failure).__name__)

    if not _together(end, 4):
        return Violation("concurrent shutdowns did not end")
    end()
    return broken_unless(not raised, f"{', '.join(raised)} was raised by a second shutdown")


@LAWS.law("life.shutdown-sends", "shutdown tries once more what waits.", Need.AWAY)
def shutdown_sends(case: Case) -> Violation | None:
    """The backend was away, and is back in the end."""
    exporter = _waiting(case)
    exporter.shutdown(5000)
    ledger = exporter.ledger
    return broken_unless(
        (ledger.delivered, ledger.kept) == (3, 0),
        f"of 3 points that waited {ledger.delivered} were delivered by shutdown, {ledger.dropped} dropped, {ledger.kept} kept",
    )


@LAWS.law("life.shutdown-in-time", "shutdown ends within the time it is given, whatever the backend does.", Need.STALL)
def shutdown_in_time(case: Case) -> Violation | None:
    """The backend takes the request and says nothing."""
    exporter = _waiting(case, timeout=4.0)
    case.stall()
    return _in_time(case, "shutdown", lambda: exporter.shutdown(_GIVEN))


@LAWS.law("life.shutdown-counts", "What shutdown gives up is counted as dropped and said in the log.", Need.AWAY)
def shutdown_counts(case: Case) -> Violation | None:
    """The backend stays away."""
    exporter = _waiting(case)
    case.away()
    case.warnings.clear()
    exporter.shutdown(200)
    ledger = exporter.ledger
    return first(
        broken_unless(
            (ledger.dropped, ledger.kept) == (3, 0),
            f"after shutdown {ledger.dropped} of 3 points are dropped, {ledger.kept} kept",
        ),
        broken_unless(case.warnings, "shutdown dropped points and logged nothing"),
    )


@LAWS.law("life.never-shut-down", "An exporter that is forgotten says what it gives up with it.", Need.AWAY)
def never_shut_down(case: Case) -> Violation | None:
    """The last reference goes away."""
    case.away()
    exporter: Any = case.unkept(retry_budget=0.05)
    exporter.export(collection(case.run_id, 3, case.clock.now()))
    case.warnings.clear()
    del exporter
    gc.collect()
    return broken_unless(case.warnings, "points went away with a forgotten exporter, and nothing was logged")


@LAWS.law("life.flush", "force_flush sends what waits, and is True only when nothing waits any longer.", Need.AWAY)
def flush(case: Case) -> Violation | None:
    """Away, still away, back."""
    exporter = _waiting(case)
    case.away()
    early = exporter.force_flush(100)
    waited = exporter.ledger.kept
    case.back()
    late = exporter.force_flush(5000)
    ledger = exporter.ledger
    return first(
        broken_unless(not early and waited == 3, f"force_flush said {early} while {points(waited, 'waits', 'wait')}"),
        broken_unless(
            late and ledger.kept == 0, f"force_flush said {late} with {points(ledger.kept)} waiting at the end"
        ),
        broken_unless(ledger.delivered == 3, f"force_flush delivered {ledger.delivered} of 3 points"),
    )


@LAWS.law("life.flush-in-time", "force_flush ends within the time it is given.", Need.STALL)
def flush_in_time(case: Case) -> Violation | None:
    """The backend takes the request and says nothing."""
    exporter = _waiting(case, timeout=4.0)
    case.stall()
    return _in_time(case, "force_flush", lambda: exporter.force_flush(_GIVEN))


@LAWS.law("life.export-in-time", "export ends within the time it is given.", Need.STALL)
def export_in_time(case: Case) -> Violation | None:
    """The backend takes the request and says nothing."""
    case.stall()
    exporter = case.exporter(timeout=4.0)
    data = collection(case.run_id, 3, case.clock.now())
    return _in_time(case, "export", lambda: exporter.export(data, timeout_millis=_GIVEN))


@LAWS.law("life.threads", "Exports from several threads at once are all counted, and all arrive.", Need.BACKEND)
def threads(case: Case) -> Violation | None:
    """Four threads, four payloads in flight, a backend that takes its time; it is asked for them where it can be."""
    if case.served:
        case.script("slow 0.02 forever")
    exporter = case.exporter(in_flight=4, max_batch_points=5)
    now = case.clock.now()
    expected = case.expected(exporter, collection(case.run_id, 80, now))
    numbers = iter(range(4))

    def work() -> None:
        n = next(numbers)
        exporter.export(collection(case.run_id, 20, now, first=20 * n), timeout_millis=20_000)

    if not _together(work, 4):
        return Violation("exports of several threads did not end")
    ledger = exporter.ledger
    if case.served:
        case.script("ok")
    lost = _not_shown(case, exporter, expected) if reads_back(exporter) else 0
    arrived = accepted(exporter, ledger)
    return first(
        broken_unless(ledger.balanced, "the ledger does not add up after concurrent exports"),
        broken_unless(ledger.sent == 80, f"80 points were exported, {ledger.sent} counted"),
        broken_unless(arrived == 80, f"of 80 points {arrived} were delivered by concurrent exports"),
        broken_unless(not lost, f"80 points were told delivered, the backend does not show {lost} of them"),
    )


@LAWS.law(
    "life.fork",
    "After a fork the child starts empty, with connections of its own; the parent goes on.",
    Need.FORK,
    Need.BACKEND,
)
def fork(case: Case) -> Violation | None:
    """A worker of a pre-forking server."""
    exporter = case.exporter(retry_budget=0.05)
    fails = not case.lacking([Need.AWAY])
    if fails:
        case.away()
    exporter.export(collection(case.run_id, 3, case.clock.now()))
    if fails:
        case.back()
    child = _fork(lambda: _as_child(exporter, case))
    told = exporter.export(collection(case.run_id, 3, case.clock.now(), first=6))
    return first(
        broken_unless(child != 2, "the child inherited the parent's ledger or waiting points"),
        broken_unless(child == 0, "the child could not export"),
        broken_unless(told is MetricExportResult.SUCCESS, "the parent could not export after the fork"),
    )


def _as_child(exporter: Any, case: Case) -> int:
    if exporter.ledger.sent or exporter.ledger.kept:
        return 2
    told = exporter.export(collection(case.run_id, 3, case.clock.now(), first=3), timeout_millis=5000)
    return 0 if told is MetricExportResult.SUCCESS else 3


def _fork(work: Callable[[], int]) -> int:
    """The exit code of a child that does this; 9 where it did not end in ten seconds."""
    import signal
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of a fork beside threads: that is the point
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
    """An exporter with three points that wait: the backend was away for a moment."""
    case.away()
    exporter = case.exporter(retry_budget=0.0, **settings)
    exporter.export(collection(case.run_id, 3, case.clock.now()))
    case.back()
    return exporter


def _in_time(case: Case, name: str, call: Callable[[], object]) -> Violation | None:
    """In a thread of its own: a call that never ends must be told as well."""
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
    return broken_unless(not late, f"{name} was given {given:g} s, and {_SLACK:g} s later it had not ended")


def _not_shown(case: Case, exporter: Any, expected: Sequence[Expected]) -> int:
    shown = {one.key for one in case.look(exporter, expected)}
    return sum(one.key not in shown for one in expected)


def _together(work: Callable[[], None], count: int) -> bool:
    """Run it in so many threads; False where one does not end."""
    started = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for one in started:
        one.start()
    for one in started:
        one.join(20.0)
    return not any(one.is_alive() for one in started)
