"""A target of a replay: its thread, its queue of slices, its ledger, and why it received nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import Full, Queue
from typing import Any

from magictel.clock import Clock
from magictel.model.events import SendOutcome, SendResult
from magictel.model.finding import Finding
from magictel.model.outcome import Fate, ItemVerdict, Reason, Receipt
from magictel.model.timing import Stopwatch, Timing
from magictel.model.verification import Verification
from magictel.operations.preflight import readiness
from magictel.operations.replay_reading import ReplayOptions
from magictel.operations.send_result import judged, read_from, tuning, undelivered, verifiable, with_sent_credentials
from magictel.operations.target_run import Job, shut_down
from magictel.plugin.exporter import Exporter
from magictel.sources.batching import SLICE, Slice
from magictel.verify.replay import Gone, Proof

_AHEAD = 2
"""Maximum number of decoded slices in a target's queue."""
TICK = 0.2
"""Polling interval of waits in seconds."""


class Lane:
    """A target: its thread, its queue of slices, its ledger."""

    def __init__(self, job: Job, options: ReplayOptions, clock: Clock) -> None:
        self.job = job
        self.queue: Queue[Slice | None] = Queue(_AHEAD)
        self.ended = threading.Event()
        self.receipt = Receipt()
        self.settled = options.from_point
        """Return the number of points that need not be sent again."""
        self.open: Slice | None = None
        self.gone = Gone()
        self.reached = 0
        """Return the number of settled points, with any fate."""
        self.verification: Verification | None = None
        self.watch = Stopwatch(clock.monotonic) if options.timing else None
        self.stopped: Finding | None = None
        """Return why the target received nothing, or None."""
        self.broke_off = False
        self.failure: BaseException | None = None
        self.exporter: Exporter[Any] | None = None
        self._unusable = False
        self._findings: tuple[Finding, ...] = ()
        self._options, self._clock = options, clock
        self._began = clock.monotonic()
        self._seconds = 0.0
        self._halted = threading.Event()
        self.thread = threading.Thread(target=self._work, name=f"magictel-replay-{job.target}", daemon=True)

    def _work(self) -> None:
        try:
            if self._ready():
                self._send()
        except BaseException as failure:  # passed to the caller's thread, which raises it
            self.failure = failure
        finally:
            self._seconds = self._clock.monotonic() - self._began
            self.ended.set()

    def _ready(self) -> bool:
        self.exporter, config = self.job.sender()
        if self.exporter is None:
            self._unusable, self.stopped, self._findings = True, config, (config,)
            return False
        self.exporter.begin_recording()
        options = self._options
        self._findings, self.stopped = readiness(
            self.exporter,
            config,
            self._clock,
            timeout=options.timeout,
            deadline=options.deadline,
            force=options.force,
            spoil=True,
        )
        return self.stopped is None

    def _send(self) -> None:
        assert self.exporter is not None
        if self.watch is not None:
            self.exporter.close()  # the checks left connections open: a timed delivery opens its own
            self.exporter.observers.add(self.watch)
        while (piece := self.queue.get()) is not None and not self._halted.is_set():
            if piece.sent_before:
                self.exporter.learn(piece.data)
                continue
            self.open = piece
            receipt = self._delivered(piece)
            self.open = None
            if self._halted.is_set() and not receipt.attempts:
                return  # the interrupt came before anything of it was sent
            self.receipt = self.receipt + receipt
            self.reached = piece.until
            if any(
                reason.fate is Fate.DROPPED and not reason.code.startswith("internal.") for reason in receipt.reasons
            ):
                # The recording still has the points: stop here instead of dropping slice after slice.
                self.broke_off = True
                return
            self.settled = piece.until

    def _delivered(self, piece: Slice) -> Receipt:
        assert self.exporter is not None
        if not self._options.verify:
            return self.exporter.deliver(piece.data, seconds=self._options.deadline)
        exporter = self.exporter
        prepared = exporter.prepare(piece.data, ask_within=self._options.deadline)

        def gone(positions: Sequence[int], _: ItemVerdict | None = None) -> None:
            for series, point in prepared.at(positions):
                self.gone.add(series, point, exporter)

        return exporter.deliver(prepared, seconds=self._options.deadline, on_refused=gone, on_dropped=gone)

    def _timing(self) -> Timing | None:
        seen = self.verification
        visible = seen.time_to_visible if seen is not None else None
        if self.watch is None or self.exporter is None:
            return None
        together = SLICE if self._options.speed is None else 1
        return self.watch.timing(self.receipt.seconds, visible, tuning(self.exporter, self.receipt.sent, together))

    def proof(self) -> Proof | None:
        """Return what to verify after sending, or None if nothing was delivered."""
        if self.exporter is None or self.stopped is not None or not self.receipt.readable:
            return None
        doubtful = (Fate.DELIVERED, Fate.UNCONFIRMED)
        noted = sum(reason.count for reason in self.receipt.reasons if reason.fate in doubtful and not reason.unnamed)
        receipt, within = self.receipt, self._options.within
        gone, until, clock = self.gone, self.reached, self._clock
        delivered, unnamed = receipt.readable, receipt.unnamed
        return Proof(self.job.target, self.exporter, gone, until, within, clock, delivered, noted, unnamed)

    def put(self, piece: Slice | None) -> bool:
        """Pass a slice on, waiting briefly for space; return False if there is none. A target that has ended accepts everything."""
        if self.ended.is_set():
            return True
        try:
            self.queue.put(piece, timeout=TICK)
        except Full:
            return False
        return True

    def halt(self, patience: float) -> None:
        """Let running requests end within `seconds`, without retries, and start nothing new. Return at once."""
        self._halted.set()
        if self.exporter is not None:
            # A second more, so that a caller who waits as long as this has reported the target before its connections are cut.
            threading.Thread(target=self.exporter.shutdown, args=((patience + 1) * 1000,), daemon=True).start()

    def stop(self) -> None:
        """Abort running requests."""
        if self.exporter is not None:
            shut_down(self.exporter)

    def result(self, points: int) -> SendResult:
        """Return the result of this target; `points` is the number to send."""
        endpoint = self.exporter.endpoint() if self.exporter is not None else ""
        receipt = self.receipt
        seconds, verify = self._seconds or self._clock.monotonic() - self._began, self._options.verify
        if self.stopped is not None:
            return undelivered(self.job, points, self.stopped, self._findings, seconds, endpoint, self._unusable)
        if self.open is not None and not self.ended.is_set():
            count = self.open.points
            why = Reason("delivery.shutdown", "interrupted while sending", count, Fate.DROPPED, maybe_stored=True)
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
            read_from=read_from(self.exporter) if verify and self.exporter is not None else None,
        )
        result = with_sent_credentials(judged(result, verify=verify), self.exporter)
        if self.exporter is None or not verify:
            return result
        command = f"magictel replay … --to {self.job.target} --verify"
        return verifiable(result, self.exporter, self.job.others, command)
