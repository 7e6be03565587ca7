"""`replay`: recordings through the exporters, decoded once for all targets, with a ledger for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Any

from magictel.clock import Clock, SystemClock
from magictel.errors import MagictelError, UsageError
from magictel.events import (
    Event,
    ReplayFinished,
    ReplayMoved,
    ReplayStarted,
    SendOutcome,
    SendResult,
    SourceReport,
    TargetSent,
)
from magictel.exporter import Exporter
from magictel.finding import Finding, Held, Rung
from magictel.ladder.climb import climb
from magictel.operations.job import Job
from magictel.operations.replay_proof import Gone, Proof, prove
from magictel.operations.send import SendOptions, judged
from magictel.outcome import Fate, Reason, Receipt
from magictel.sources.filtering import Filter
from magictel.sources.parts import SLICE, Gathering, Slice
from magictel.sources.recording import Batch, Recordings, Span
from magictel.sources.trouble import SourceError
from magictel.stopwatch import Stopwatch, Timing
from magictel.verification import Verification

_AHEAD = 2
"""Slices that are decoded before a target has sent what it has."""
_PATIENCE = 3.0
"""Seconds that an interrupt waits for what is on the wire."""
_TICK = 0.2
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """`shift`: seconds, `keep` or `now`; `speed`: times the recorded pace, None as fast as it goes; `deadline`: seconds for a payload.

    `within`: seconds that points may take to show (None: at least three times the backend's own delay).
    """

    shift: float | str = "now"
    speed: float | None = None
    loop: int = 1
    from_point: int = 0
    filter: Filter = field(default_factory=lambda: Filter(()))
    deadline: float = 30.0
    timeout: float = 10.0
    force: bool = False
    verify: bool = False
    within: float | None = None
    timing: bool = False


class _Lane:
    """One target: its thread, its queue of slices, its ledger."""

    def __init__(self, job: Job, options: ReplayOptions, clock: Clock) -> None:
        self.job = job
        self.queue: Queue[Slice | None] = Queue(_AHEAD)
        self.ended = threading.Event()
        self.receipt = Receipt()
        self.settled = options.from_point
        """Points of the recordings that need not be sent again."""
        self.open: Slice | None = None
        self.gone = Gone()
        self.reached = 0
        """Points of the recordings that were settled, whatever became of them."""
        self.verification: Verification | None = None
        self.watch = Stopwatch(clock.monotonic) if options.timing else None
        self.stopped: Finding | None = None
        """What kept the target from being sent to at all."""
        self.broke_off = False
        self.failure: BaseException | None = None
        self.exporter: Exporter[Any] | None = None
        self._unusable = False
        self._findings: tuple[Finding, ...] = ()
        self._options, self._clock = options, clock
        self._began = clock.monotonic()
        self._seconds = 0.0
        self.thread = threading.Thread(target=self._work, name=f"magictel-replay-{job.target}", daemon=True)

    def _work(self) -> None:
        try:
            if self._ready():
                self._send()
        except BaseException as failure:  # handed to the caller's thread, which raises it
            self.failure = failure
        finally:
            self._seconds = self._clock.monotonic() - self._began
            self.ended.set()

    def _ready(self) -> bool:
        exporter, config = self.job.config()
        self.exporter = exporter
        if exporter is None:
            self._unusable, self.stopped, self._findings = True, config, (config,)
            return False
        steps: dict[Rung, Callable[[], Finding]] = {
            Rung.CONFIG: lambda: config,
            **exporter.steps(self._options.timeout),
        }
        noted = tuple(
            finding
            for finding in climb(steps, until=Rung.CLOCK, clock=self._clock)
            if finding.outcome in (Held.WARN, Held.FAIL)
        )
        self._findings = noted
        stop = next((finding for finding in noted if finding.outcome is Held.FAIL), None)
        if stop is not None and not (stop.rung is Rung.CLOCK and self._options.force):
            self.stopped = stop
        return self.stopped is None

    def _send(self) -> None:
        assert self.exporter is not None
        if self.watch is not None:
            self.exporter.close()  # the checks left connections open: a delivery that is timed makes its own
            self.exporter.time_with(self.watch)
        while (piece := self.queue.get()) is not None:
            self.open = piece
            receipt = self._delivered(piece)
            self.receipt = self.receipt + receipt
            self.open = None
            self.reached = piece.until
            if any(one.fate is Fate.DROPPED and not one.code.startswith("internal.") for one in receipt.reasons):
                # What is in the recording is not lost: better to stop here than to give up slice after slice.
                self.broke_off = True
                return
            self.settled = piece.until

    def _delivered(self, piece: Slice) -> Receipt:
        assert self.exporter is not None
        if not self._options.verify:
            return self.exporter.deliver(piece.data, seconds=self._options.deadline)
        gone = self.gone.add
        return self.exporter.deliver(
            piece.data, seconds=self._options.deadline, on_refused=lambda item, _: gone(item), on_dropped=gone
        )

    def _timing(self) -> Timing | None:
        seen = self.verification
        visible = seen.time_to_visible if seen is not None else None
        return self.watch.timing(self.receipt.seconds, visible) if self.watch is not None else None

    def proof(self) -> Proof | None:
        """What there is to verify, once all is sent; None: nothing was delivered."""
        if self.exporter is None or self.stopped is not None or not self.receipt.delivered:
            return None
        noted = sum(one.count for one in self.receipt.reasons if one.fate is Fate.DELIVERED)
        return Proof(self.job.target, self.exporter, self.gone, self.reached, self._options.within, self._clock, noted)

    def put(self, piece: Slice | None) -> bool:
        """Hand over a slice, waiting for room a moment; False: not yet. A target that has ended takes everything."""
        if self.ended.is_set():
            return True
        try:
            self.queue.put(piece, timeout=_TICK)
        except Full:
            return False
        return True

    def stop(self) -> None:
        """Let what is on the wire end, and nothing new begin."""
        if self.exporter is not None:
            self.exporter.shutdown(0)

    def result(self, points: int) -> SendResult:
        """What became of this target; `points` were to be sent to it."""
        endpoint = self.exporter.endpoint() if self.exporter is not None else ""
        receipt = self.receipt
        seconds = self._seconds or self._clock.monotonic() - self._began
        if self.stopped is not None:
            stop = self.stopped
            why = Reason(stop.code or "internal.probe", stop.message, points, Fate.DROPPED)
            return SendResult(
                self.job.target,
                self.job.exporter,
                SendOutcome.UNDELIVERED,
                Receipt(sent=points, dropped=points, reasons=(why,) if points else ()),
                None,
                stop.code,
                stop.message,
                stop.remedy,
                endpoint,
                self._unusable,
                seconds,
                self._findings,
            )
        if self.open is not None and not self.ended.is_set():
            count = self.open.points
            why = Reason("delivery.shutdown", "interrupted while it was sent", count, Fate.DROPPED, unknown=True)
            receipt = receipt + Receipt(sent=count, dropped=count, reasons=(why,))
        result = SendResult(
            self.job.target,
            self.job.exporter,
            SendOutcome.VERIFIED,
            receipt,
            self.verification,
            endpoint=endpoint,
            seconds=seconds,
            findings=self._findings,
            timing=self._timing(),
        )
        asked = self.verification is not None or not receipt.delivered
        return judged(result, SendOptions(verify=self._options.verify and asked))


def replay(
    jobs: Sequence[Job], recordings: Recordings, options: ReplayOptions, clock: Clock | None = None
) -> Iterator[Event]:
    """Yield events; the last is `ReplayFinished`. Raises `SourceError` or `UsageError` only where nothing was sent at all."""
    clock = clock or SystemClock()
    started = clock.monotonic()
    reading = opened(recordings, options, clock)
    gathering = reading.gathering
    first = next(reading.slices, None)  # a recording that cannot be read at all is said before anybody is asked
    if first is None and not gathering.points:
        raise SourceError("source.empty", _nothing(recordings, options), None, whole=True)
    if options.from_point > gathering.points and first is None:
        raise UsageError(
            "usage.run",
            f"--from-point {options.from_point}: there are {gathering.points} points"
            + (" that pass the filter" if options.filter else ""),
            f"--from-point {gathering.points} is the end; leave it out to send all",
        )
    yield ReplayStarted(tuple(recordings.names), tuple(job.target for job in jobs), reading.shift / 1000)
    lanes = [_Lane(job, options, clock) for job in jobs]
    broken: MagictelError | None = None
    interrupted = sent = False
    source: SourceReport | None = None
    try:
        for lane in lanes:
            lane.thread.start()
        try:
            for piece in _paced(first, reading, options, clock):
                yield from _handed(lanes, piece, recordings, options, clock, started)
                if all(lane.ended.is_set() for lane in lanes) and any(lane.broke_off for lane in lanes):
                    break
        except SourceError as failure:
            broken = failure
        for lane in lanes:
            while not lane.put(None):
                yield from _moved(lanes, recordings, options, clock, started)
        while not all(lane.ended.wait(_TICK) for lane in lanes):
            yield from _moved(lanes, recordings, options, clock, started)
        source = reading.report(recordings)
        sent = True
        if options.verify and not any(lane.failure for lane in lanes):
            yield from _proved(lanes, reading, recordings, options)
    except KeyboardInterrupt:
        interrupted = True
        for lane in lanes:
            lane.stop()
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
    to_send = max(0, gathering.points - options.from_point)
    results = tuple(lane.result(to_send) for lane in lanes)
    for result in results:
        yield TargetSent(result)
    source = source or reading.report(recordings)
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


def _proved(lanes: list[_Lane], reading: Reading, recordings: Recordings, options: ReplayOptions) -> Iterator[Event]:
    """Read everything once more, for the targets that took something."""
    found = [(lane, lane.proof()) for lane in lanes]
    proofs = [proof for _, proof in found if proof is not None]
    if not proofs:
        return
    size = SLICE if options.speed is None else 1
    again = Gathering(options.from_point).slices(_rounds(recordings, options, reading.span, reading.shift), size)
    whole = False
    try:
        with suppress(SourceError):  # where the first pass broke off too: nothing behind it was sent
            yield from prove(proofs, again)
        whole = True
    finally:
        for lane, proof in found:
            if proof is not None:
                if not whole:
                    proof.broken_off(lane.receipt.delivered)
                lane.verification = proof.verification()


@dataclass(slots=True)
class Reading:
    """Recordings about to be read: their slices, and the shift (milliseconds) that these have."""

    span: Span
    shift: int
    gathering: Gathering
    slices: Iterator[Slice]

    def report(self, recordings: Recordings) -> SourceReport:
        """What was read so far."""
        return SourceReport(
            tuple(recordings.names),
            self.gathering.points,
            self.gathering.series.value,
            recordings.skipped,
            self.shift / 1000,
            recordings.ended,
            tuple(recordings.examples),
        )


def opened(recordings: Recordings, options: ReplayOptions, clock: Clock) -> Reading:
    """Find out the times, as far as they matter, and begin to read. Raises `SourceError` and `UsageError`."""
    span = _span(recordings, options)
    shift = _shift(span, options, clock)
    gathering = Gathering(options.from_point)
    size = SLICE if options.speed is None else 1
    return Reading(span, shift, gathering, gathering.slices(_rounds(recordings, options, span, shift), size))


def _span(recordings: Recordings, options: ReplayOptions) -> Span:
    if options.shift != "now" and options.speed is None and options.loop == 1:
        return Span()
    return recordings.span(options.filter if options.filter else None)


def _shift(span: Span, options: ReplayOptions, clock: Clock) -> int:
    """Milliseconds. `now`: the last round's newest point lands at the moment of its sending, and none ever later than it is sent."""
    match options.shift:
        case "keep":
            return 0
        case "now":
            if not span.newest:
                return 0
            takes = 0.0 if options.speed is None else _whole(span, options) / _SECOND / options.speed
            return int((clock.now() + takes) * 1000) - -(-span.newest // 1_000_000)
        case float() | int():
            return round(options.shift * 1000)
    raise UsageError("usage.shift", f"--shift {options.shift}: write now, keep or a duration", "--shift now")


def _period(span: Span) -> int:
    """Nanoseconds from one round to the next."""
    return span.newest - span.oldest + _SECOND


def _whole(span: Span, options: ReplayOptions) -> int:
    return span.newest - span.oldest + (options.loop - 1) * _period(span)


def _rounds(recordings: Recordings, options: ReplayOptions, span: Span, shift: int) -> Iterator[Batch]:
    """Round after round; the last one has the shift asked for, those before it lie before it."""
    for number in range(options.loop):
        back = (options.loop - 1 - number) * _period(span)
        batches: Iterator[Batch] = recordings.batches(shift * 1_000_000 - back)
        yield from options.filter(batches) if options.filter else batches


def _paced(first: Slice | None, reading: Reading, options: ReplayOptions, clock: Clock) -> Iterator[Slice]:
    span, shift = reading.span, reading.shift
    if first is None:
        return
    begin: float | None = None
    oldest = span.oldest + shift * 1_000_000 - (options.loop - 1) * _period(span)
    for piece in _chain(first, reading.slices):
        if options.speed is not None:
            due = (piece.newest - oldest) / _SECOND / options.speed
            if begin is None:
                begin = clock.monotonic() - (due if options.from_point else 0.0)
            wait = begin + due - clock.monotonic()
            while wait > 0:
                clock.wait(min(wait, _TICK))
                wait = begin + due - clock.monotonic()
        yield piece


def _chain(first: Slice, rest: Iterator[Slice]) -> Iterator[Slice]:
    yield first
    yield from rest


def _handed(
    lanes: list[_Lane],
    piece: Slice,
    recordings: Recordings,
    options: ReplayOptions,
    clock: Clock,
    started: float,
) -> Iterator[Event]:
    for lane in lanes:
        while not lane.put(piece):
            yield from _moved(lanes, recordings, options, clock, started)
    yield from _moved(lanes, recordings, options, clock, started)


def _moved(
    lanes: list[_Lane], recordings: Recordings, options: ReplayOptions, clock: Clock, started: float
) -> Iterator[Event]:
    """How far each is, for people."""
    seconds = max(0.001, clock.monotonic() - started)
    fraction = recordings.fraction if options.loop == 1 else None
    for lane in lanes:
        receipt = lane.receipt
        left = seconds / fraction - seconds if fraction else None
        yield ReplayMoved(lane.job.target, receipt.sent, receipt.rejected, receipt.sent / seconds, fraction, left)


def _drained(lane: _Lane) -> None:
    """Let a thread that waits for slices end."""
    while not lane.ended.is_set():
        try:
            lane.queue.get_nowait()
        except Empty:
            break
    if not lane.ended.is_set():
        lane.queue.put(None)


def _nothing(recordings: Recordings, options: ReplayOptions) -> str:
    names = ", ".join(recordings.names)
    if recordings.skipped:
        return f"{names}: none of {recordings.skipped} lines can be read: {recordings.examples[0]}"
    return f"{names} holds no point" + (" that passes the filter" if options.filter else "")
