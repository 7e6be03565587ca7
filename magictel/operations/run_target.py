"""A target of `run`: its thread, its exporter, and the scrapes that wait for it."""

from __future__ import annotations

import threading
from queue import Empty, Full, Queue
from typing import Any

from magictel.clock import Clock
from magictel.model.events import SendOutcome, SendResult
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.operations.send_result import judged, undelivered
from magictel.operations.target_run import Job
from magictel.plugin.exporter import Exporter
from magictel.plugin.page_exporter import PageExporter
from magictel.sources.batching import Slice

FLUSH = 2.5
"""Maximum seconds between two attempts to send what waits in the outbox."""
_AHEAD = 30
"""Maximum number of slices that wait for a slow target; further ones are dropped for it."""
_GRACE = 15.0
"""Seconds that the end of a run waits for running exports and the last flush."""


class RunTarget:
    """Exports slices in a thread of its own, as an application's reader does: what fails waits in the outbox and is retried."""

    def __init__(self, job: Job, clock: Clock) -> None:
        self.job = job
        exporter, self._config = job.config()
        if isinstance(exporter, PageExporter):
            exporter.shutdown(0)
            why = "a page is scraped by a Prometheus of its own, so nothing can be sent to it"
            remedy = "name an exporter that sends, such as otlp or remote write to the same backend"
            exporter, self._config = None, Finding.failed(Rung.CONFIG, "page.no-replay", why, remedy)
        self._exporter: Exporter[Any] | None = exporter
        self._queue: Queue[Slice] = Queue(_AHEAD)
        self._missed = 0
        self._clock = clock
        self._began = clock.monotonic()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"magictel-run-{job.target}", daemon=True)

    @property
    def usable(self) -> bool:
        """Return whether the exporter could be created."""
        return self._exporter is not None

    @property
    def receipt(self) -> Receipt:
        """Return the ledger so far; slices that came while the target was too slow count as dropped."""
        assert self._exporter is not None
        missed = self._missed
        if not missed:
            return self._exporter.ledger
        why = "the target was so slow that scrapes were left out"
        reason = Reason("delivery.outbox-full", why, missed, Fate.DROPPED)
        return self._exporter.ledger + Receipt(sent=missed, dropped=missed, reasons=(reason,))

    def start(self) -> None:
        """Begin to export."""
        self._thread.start()

    def put(self, piece: Slice) -> None:
        """Queue a slice. Never waits: the scrapes for other targets must not be late."""
        try:
            self._queue.put_nowait(piece)
        except Full:
            self._missed += piece.points

    def stop(self) -> None:
        """Begin the end: what is queued is exported, then the outbox is flushed a last time. Returns at once."""
        self._ending.set()

    def result(self) -> SendResult:
        """Wait for the end and return the result."""
        seconds = self._clock.monotonic() - self._began
        if self._exporter is None:
            return undelivered(self.job, 0, self._config, (self._config,), seconds, unusable=True)
        if self._thread.is_alive():
            self._thread.join(_GRACE)
        self._exporter.shutdown(0)
        while not self._queue.empty():
            self._missed += self._queue.get_nowait().points
        outcome, endpoint = SendOutcome.VERIFIED, self._exporter.endpoint()
        result = SendResult(self.job.target, self.job.exporter, outcome, self.receipt, None, endpoint=endpoint)
        return judged(result, verify=False)

    def _work(self) -> None:
        exporter = self._exporter
        assert exporter is not None
        flushed = self._clock.monotonic()
        while True:
            try:
                piece = self._queue.get(timeout=0.1)
            except Empty:
                if self._ending.is_set():
                    break
                if self._clock.monotonic() - flushed >= FLUSH:
                    exporter.force_flush(FLUSH * 1000)
                    flushed = self._clock.monotonic()
                continue
            exporter.export(piece.data)
            flushed = self._clock.monotonic()
        exporter.shutdown()
