"""`replay`: send recordings through the exporters, decoded once for all targets, with a ledger for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty

from magictel.clock import Clock, SystemClock
from magictel.errors import MagictelError, SettingsError
from magictel.model.events import (
    Event,
    ReplayFinished,
    ReplayMoved,
    ReplayStarted,
    SourceReport,
    TargetSent,
)
from magictel.operations.replay_reading import Reading, ReplayOptions
from magictel.operations.replay_worker import TICK, Lane
from magictel.operations.target_run import Job, leaving
from magictel.sources.errors import SourceError
from magictel.sources.recording import Recordings
from magictel.verify.replay import prove

_PATIENCE = 3.0
"""Seconds that an interrupt waits for running requests."""


@leaving
def replay(
    jobs: Sequence[Job], recordings: Recordings, options: ReplayOptions, clock: Clock | None = None
) -> Iterator[Event]:
    """Yield events; the last is `ReplayFinished`. Raise `SourceError` or `UsageError` only if nothing was sent."""
    clock = clock or SystemClock()
    now = clock.monotonic
    started = now()
    reading = Reading(recordings, options, clock)
    slices = reading.slices()  # report an unreadable recording before any backend is checked
    yield ReplayStarted(tuple(recordings.names), tuple(job.target for job in jobs), reading.shift / 1000)
    lanes = [Lane(job, options, clock) for job in jobs]

    def progress() -> Iterator[Event]:
        seconds = max(0.001, now() - started)
        fraction = recordings.fraction if options.loop == 1 else None
        left = seconds / fraction - seconds if fraction else None
        for lane in lanes:
            sent, rejected = lane.receipt.sent, lane.receipt.rejected
            yield ReplayMoved(lane.job.target, sent, rejected, sent / seconds, fraction, left)

    broken: MagictelError | None = None
    interrupted = sent = False
    source: SourceReport | None = None
    try:
        for lane in lanes:
            lane.thread.start()
        try:
            for piece in reading.paced(slices):
                for lane in lanes:
                    while not lane.put(piece):
                        yield from progress()
                yield from progress()
                if all(lane.ended.is_set() for lane in lanes) and any(lane.broke_off for lane in lanes):
                    break
        except (SourceError, SettingsError) as failure:
            broken = failure
        for lane in lanes:
            while not lane.put(None):
                yield from progress()
        while not all(lane.ended.wait(TICK) for lane in lanes):
            yield from progress()
        source = reading.report()
        sent = True
        if options.verify and not any(lane.failure for lane in lanes):
            yield from _proved(lanes, reading)
    except KeyboardInterrupt:
        interrupted = True
        for lane in lanes:
            lane.halt(_PATIENCE)
            _drained(lane)
        until = clock.monotonic() + _PATIENCE
        for lane in lanes:
            lane.ended.wait(max(0.0, until - clock.monotonic()))
    finally:
        for lane in lanes:
            lane.stop()
            _drained(lane)
    for lane in lanes:
        if lane.failure is not None:
            raise lane.failure
    to_send = max(0, reading.gathering.points - options.from_point)
    results = tuple(lane.result(to_send) for lane in lanes)
    for result in results:
        yield TargetSent(result)
    source = source or reading.report()
    open_end = (interrupted and not sent) or broken is not None or any(lane.broke_off or lane.stopped for lane in lanes)
    settled = min((lane.settled for lane in lanes), default=0)
    yield ReplayFinished(
        "",
        results,
        clock.monotonic() - started,
        interrupted,
        source,
        broken,
        settled if open_end else None,
    )


def _proved(lanes: list[Lane], reading: Reading) -> Iterator[Event]:
    """Read everything again, for the targets that accepted points."""
    pairs = [(lane, lane.proof()) for lane in lanes]
    proofs = [proof for _, proof in pairs if proof is not None]
    if not proofs:
        return
    whole = False
    try:
        with suppress(SourceError, SettingsError):  # the first pass ended there too: nothing after it was sent
            yield from prove(proofs, reading.again())
        whole = True
    finally:
        for lane, proof in pairs:
            if proof is not None:
                if not whole:
                    proof.broken_off()
                lane.verification = proof.verification()


def _drained(lane: Lane) -> None:
    """End a thread that waits for slices."""
    while not lane.ended.is_set():
        try:
            lane.queue.get_nowait()
        except Empty:
            break
    if not lane.ended.is_set():
        lane.queue.put(None)
