"""What every exporter inherits and no author overrides: delivery, ledger, life cycle, and the OpenTelemetry SDK's methods."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, final

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from magictel.delivery.attempt import Attempted
from magictel.delivery.batch import Batch
from magictel.delivery.outbox import Outbox
from magictel.delivery.pipeline import OnDropped, OnRefused, Pipeline
from magictel.delivery.stored import StoredPayload
from magictel.encoding.deltas import Deltas
from magictel.encoding.layouts import Layouts
from magictel.encoding.payload import Payload
from magictel.encoding.prepared import Prepared
from magictel.encoding.totals import Totals
from magictel.errors import MagictelError, SettingsError
from magictel.model.health import Queue
from magictel.model.metrics import count_points
from magictel.model.outcome import Receipt, Unavailable
from magictel.plugin.configured import ALIVE
from magictel.plugin.interface import S
from magictel.plugin.parts import Parts
from magictel.plugin.payloads import PayloadEncoder, overridden
from magictel.plugin.temporality import preferred_temporality
from magictel.transports.instrumentation import uninstrumented


class Exporter(PayloadEncoder[S], MetricExporter):
    """An `opentelemetry.sdk.metrics.export.MetricExporter` whose author writes pure functions only."""

    def __init__(self, settings: S | None = None, **options: Any) -> None:
        """As `Configured`: without an argument, settings come from the environment."""
        super().__init__(settings, **options)
        self._start_life()
        MetricExporter.__init__(self, preferred_temporality("delta" if self.deltas else self.settings.temporality))

    def __del__(self) -> None:
        """Report points that are still in the outbox when the exporter is garbage-collected without a shutdown."""
        if getattr(self, "_ending", None) is not None and self._pid == os.getpid():
            self.shutdown(0)

    # ---- inherited by every exporter ---------------------------------------------------------------------------------

    @final
    def deliver(
        self,
        data: MetricsData | Prepared,
        *,
        seconds: float = 30.0,
        on_refused: OnRefused | None = None,
        on_dropped: OnDropped | None = None,
    ) -> Receipt:
        """Send a collection and settle every point: what is not delivered within `seconds` is dropped and reported."""
        deadline = self.clock.monotonic() + seconds
        with self._sending:
            closed = self._closed_because()
            if closed is not None:
                return self._pipeline.drop(self._batch(data), *closed)
            if not isinstance(data, Prepared):
                self._before_delivery(seconds)
            return self._pipeline.deliver(self._batch(data), deadline, on_refused, on_dropped)

    @final
    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Export for the SDK: try every payload, retry within `retry_budget`, and keep the rest for the next export. Never raises."""
        try:
            return self._export(metrics_data, timeout_millis)
        except Exception as failure:  # a bug of ours must not end the application's reader
            self.log.error("internal.export: %s: these points were not exported", type(failure).__name__)  # noqa: TRY400 # no traceback: it may quote data
            return MetricExportResult.FAILURE

    @final
    def force_flush(self, timeout_millis: float = 10_000, **_: Any) -> bool:
        """Retry what waits in the outbox; return True when it is empty."""
        if self._closed_because() is not None:
            return True
        seconds = max(0.0, timeout_millis / 1000)
        deadline = self.clock.monotonic() + seconds
        if not self._sending.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)):
            return False
        try:
            return self._pipeline.drain(deadline)
        finally:
            self._sending.release()

    @final
    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Retry what waits within the given time and `shutdown_timeout`; count and log the rest as dropped. Idempotent.

        A busy backend is waited for; one that timed out gets one more attempt, within a fair share of the time.
        The SDK (1.45) calls `shutdown(timeout=…)`, and with a negative value when its own time is over: nothing is sent then.
        Other waits for retries end at once. A second caller waits for the first, not longer than its own time.
        """
        given = float(kwargs.get("timeout", timeout_millis)) / 1000
        seconds = max(0.0, min(given, self.settings.shutdown_timeout))
        if not self._ending.acquire(blocking=False):
            self._ended.wait(seconds)
            return
        self._shut.set()
        self._pipeline.stop.set()
        if self._pipeline.timed_out:
            # A backend that has just timed out may do so again: other exporters have to finish within the same time.
            others = sum(not exporter._shut.is_set() for exporter in _alive())  # noqa: SLF001 # this file's own
            seconds = min(seconds, max(0.0, given) / (1 + others))
        deadline = self.clock.monotonic() + seconds
        acquired = self._sending.acquire(timeout=seconds)
        try:
            if acquired and seconds > 0 and self.unusable is None:
                self._pipeline.drain(deadline, closing=True)
                self._send_last(deadline)
            dropped = self._pipeline.close()
            self.observers.ended(self._pipeline.ledger, dropped)
        finally:
            if acquired:
                self._sending.release()
            self.close()
            self._ended.set()
            ALIVE.discard(self)

    @property
    @final
    def ledger(self) -> Receipt:
        """What became of every point since this object was created (in this process); `kept` is in the outbox now."""
        return self._pipeline.ledger

    @property
    @final
    def queue(self) -> Queue:
        """Return what waits in the outbox, its limits, and whether sending pauses."""
        return self._pipeline.queue

    @property
    @final
    def waiting(self) -> tuple[StoredPayload, ...]:
        """Return what waits in memory now, in a form that another process can send; what is in the spool is sent from there."""
        now, fingerprint = self.clock.now(), self.fingerprint()
        return tuple(
            StoredPayload(
                pending.payload.cut(self.encoder.split), self.target, fingerprint, now, pending.code, pending.message
            )
            for pending in self._pipeline.outbox.waiting
        )

    @final
    def send_stored(self, stored: Iterable[StoredPayload], *, seconds: float = 30.0) -> Receipt:
        """Deliver what an exporter with the same fingerprint stored. Raise `SettingsError`, and send nothing, for any other."""
        fingerprint = self.fingerprint()
        payloads = [self._ours(stored_payload, fingerprint) for stored_payload in stored]
        batch = Batch(payloads, sum(payload.points for payload in payloads))
        with self._sending:
            closed = self._closed_because()
            if closed is not None:
                return self._pipeline.drop(batch, *closed)
            return self._pipeline.deliver(batch, self.clock.monotonic() + seconds)

    def _ours(self, stored: StoredPayload, fingerprint: str) -> Payload:
        if stored.fingerprint == fingerprint:
            return replace(stored.payload, batch=0)  # none of this exporter's collections
        raise SettingsError(
            "delivery.fingerprint",
            f"{stored.target} stored these points for other settings than {self.target} has now",
            "restore the address, index, tenant and names that were set when the points were stored",
        )

    def _batch(self, data: MetricsData | Prepared) -> Batch:
        tracked = self.unusable is None and (self.deltas or overridden(self.encoder.given_up)) is not None
        parts = Parts(data, self.prepare, self.payloads, tracked=tracked, left_out=self._left_out)
        return Batch(
            self.observers.each_encoded(parts),
            data.sent if isinstance(data, Prepared) else count_points(data),
            parts.rest,
        )

    def _left_out(self, batch: int, position: int) -> None:
        if self.deltas is not None:
            self.deltas.give_back(batch, (position,))

    def _given_up(self, payload: Payload) -> None:
        if self.deltas is not None and not payload.attempted:
            self.deltas.give_back(payload.batch, payload.positions)
        self.encoder.given_up(payload)

    def _export(self, data: MetricsData, timeout_millis: float) -> MetricExportResult:
        seconds = min(max(0.0, timeout_millis / 1000), threading.TIMEOUT_MAX)
        began = self.clock.monotonic()
        if not self._sending.acquire(timeout=seconds):
            why = "another export of this exporter did not end in time"
            self._pipeline.drop(self._batch(data), "delivery.deadline", why)
            return MetricExportResult.FAILURE
        try:
            closed = self._closed_because()
            if closed is not None:
                receipt = self._pipeline.drop(self._batch(data), *closed)
                if self.unusable is None:
                    self.observers.after_shutdown(receipt)
                return MetricExportResult.FAILURE
            self._before_delivery(seconds)
            budget = min(seconds, self.settings.retry_budget)
            receipt = self._pipeline.export(self._batch(data), began + budget, began + seconds)
            self.observers.exported(self._pipeline.ledger)
        finally:
            self._sending.release()
        well = receipt.withheld + (receipt.delivered if self.confirms else receipt.readable)
        return MetricExportResult.SUCCESS if well == receipt.sent else MetricExportResult.FAILURE

    def _attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Run `attempt` uninstrumented: the SDK suppresses its own thread only, and a client would export its own exports."""
        with uninstrumented():
            expired = self.encoder.expired(payload)
            if expired is not None:
                return Attempted(expired)
            try:
                return self.attempt(payload, timeout)
            except MagictelError as failure:  # TLS files that are not there (yet)
                return Attempted(Unavailable(failure.code, failure.message))

    def _send_last(self, deadline: float) -> None:
        for payload in self.last_payloads():
            left = deadline - self.clock.monotonic()
            if left <= 0:
                return
            self._attempt(payload, min(left, self.settings.timeout))

    def _start_life(self) -> None:
        super()._start_life()
        self._pid = os.getpid()
        self._ending = threading.Lock()
        """Acquired once, by the first caller of shutdown."""
        self._sending = threading.Lock()
        self._ended = threading.Event()
        self.deltas = self.totals = None
        if self.temporalities == ("delta",):
            self.deltas = Deltas(int(self.clock.now() * 1e9), lambda: self._pipeline.open_batches)
        elif self.temporalities == ("cumulative",):
            self.totals = Totals()
        self._pipeline = Pipeline(
            self._attempt,
            self.settings,
            self.clock,
            in_order=self.in_time_order,
            redact=self.redact,
            split=lambda body: self.encoder.split(body),  # the encoder is created at first use
            given_up=self._given_up,
            observer=self.observers,
            outbox=self._spool(),
        )

    def _spool(self) -> Outbox | None:
        if self.settings.spool is None or self.unusable is not None:
            return None
        from magictel.delivery.spool import Spool, spool_path  # sqlite3 is loaded only if it is used

        return Spool(
            spool_path(self.settings.spool, self.target),
            self.settings,
            self.clock,
            self.log,
            target=self.target,
            fingerprint=self.fingerprint,
            redact=self.redact,
            in_order=self.in_time_order,
        )

    def _after_fork(self) -> None:
        """Reset a forked child: empty, with new locks and connections."""
        self._layouts = Layouts()
        super()._after_fork()


@atexit.register
def _end_with_the_process() -> None:
    """Shut down exporters whose reader was not (the SDK skips later readers when its time is over)."""
    for exporter in _alive():
        exporter.shutdown()


def _alive() -> list[Exporter[Any]]:
    return [exporter for exporter in list(ALIVE) if isinstance(exporter, Exporter)]
