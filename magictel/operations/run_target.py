"""A target of `run`: its thread, its exporter, and the scrapes that wait for it."""

from __future__ import annotations

import threading
from queue import Empty, Queue

from magictel.clock import Clock
from magictel.model.events import SendOutcome, SendResult
from magictel.model.finding import Status
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.operations.send_result import judged, undelivered
from magictel.operations.target_run import Job
from magictel.sources.batching import Slice

FLUSH = 2.5
"""Maximum seconds between two attempts to send what waits in the outbox."""
_AHEAD = 100_000
"""Maximum number of points that wait for a slow target, unless one scrape has more; further scrapes are dropped for it."""
_GRACE = 15.0
"""Seconds that the end of a run waits for running exports, besides `shutdown_timeout` for the last flush."""


class RunTarget:
    """Exports scrapes in a thread of its own, as an application's reader does: what fails waits in the outbox and is retried."""

    def __init__(self, job: Job, clock: Clock) -> None:
        self.job = job
        self._exporter, self._config = job.sender()
        if self._exporter is not None:
            self._exporter.encoder.whole_scrapes = True
        self._queue: Queue[Slice] = Queue()
        self._queued = self._taken = self._missed = 0
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
        """Return the ledger so far; scrapes that came while the target was too slow count as dropped."""
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

    def put(self, scrape: Slice) -> None:
        """Queue a scrape. Never waits: the scrapes for other targets must not be late."""
        waiting = self._queued - self._taken
        if waiting and waiting + scrape.points > _AHEAD:
            self._missed += scrape.points
        else:
            self._queued += scrape.points
            self._queue.put(scrape)

    def stop(self) -> None:
        """Begin the end: what is queued is exported, then the outbox is flushed a last time. Returns at once."""
        self._ending.set()

    def result(self) -> SendResult:
        """Wait for the end and return the result."""
        findings = (self._config,) if self._config.outcome is not Status.PASS else ()
        if self._exporter is None:
            seconds = self._clock.monotonic() - self._began
            return undelivered(self.job, 0, self._config, findings, seconds, unusable=True)
        if self._thread.is_alive():
            self._thread.join(_GRACE + self._exporter.settings.shutdown_timeout)
        self._exporter.shutdown(0)
        while not self._queue.empty():
            self._missed += self._queue.get_nowait().points
        result = SendResult(
            self.job.target,
            self.job.exporter,
            SendOutcome.VERIFIED,
            self.receipt,
            endpoint=self._exporter.endpoint(),
            seconds=self._clock.monotonic() - self._began,
            findings=findings,
        )
        return judged(result, verify=False)

    def _work(self) -> None:
        exporter = self._exporter
        assert exporter is not None
        flushed = self._clock.monotonic()
        while True:
            try:
                scrape = self._queue.get(timeout=0.1)
            except Empty:
                if self._ending.is_set():
                    break
                if self._clock.monotonic() - flushed >= FLUSH:
                    exporter.force_flush(FLUSH * 1000)
                    flushed = self._clock.monotonic()
                continue
            self._taken += scrape.points
            exporter.export(scrape.data)
            flushed = self._clock.monotonic()
        exporter.shutdown()
