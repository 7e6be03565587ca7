"""What every exporter inherits and no author overrides: delivery, ledger, life cycle, the OpenTelemetry SDK's side."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, final

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult, MetricsData

from magictel.clock import Clock, SystemClock
from magictel.delivery.attempt import Attempted
from magictel.delivery.ledger import Batch
from magictel.delivery.log import DeliveryLog
from magictel.delivery.pipeline import OnDropped, OnRefused, Pipeline
from magictel.encoding.impossible import possible
from magictel.encoding.payload import Payload, pack
from magictel.encoding.redaction import Scrub
from magictel.encoding.templates import Chunk, Layouts, Withheld, chunks
from magictel.errors import MagictelError, SettingsError
from magictel.model.finding import SideEffect
from magictel.model.metrics import Group, Point, Series, count_points, groups, in_time_order
from magictel.model.outcome import Fate, Reason, Receipt, Unavailable
from magictel.model.timing import Stopwatch
from magictel.plugin.interface import INTERFACE as INTERFACE
from magictel.plugin.interface import Authored, S
from magictel.secrets.redactor import Redactor
from magictel.settings.load import Resolved, resolve
from magictel.transports.instrumentation import uninstrumented

_SLICE = 2_500
"""Points that are encoded at a time: what an encoder holds meanwhile stays small."""
_BUG = "internal.export"


class Exporter(Authored[S], MetricExporter):
    """A metric exporter: an `opentelemetry.sdk.metrics.export.MetricExporter` whose author-written half is pure."""

    def __init__(
        self,
        settings: S | None = None,
        *,
        target: str | None = None,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
        **_: Any,
    ) -> None:
        """Settings come from the caller or, with no argument, from the environment.

        A no-argument constructor never raises for bad settings: OpenTelemetry's auto-instrumentation makes exporters so,
        and an exception there would take traces and logs down as well. The exporter then logs one sentence, and drops and counts.
        """
        self.target = target or self.name
        self.log = logging.getLogger(f"magictel.{self.target}")
        self.clock: Clock = clock or SystemClock()
        self.unusable: SettingsError | None = None
        self.allowed: frozenset[SideEffect] = frozenset()
        """Side effects that probes may have beyond read-only (`check --allow`)."""
        self.climb_until: float | None = None
        """The moment of the monotonic clock by which all rungs together have ended; None: each has its own time."""
        if settings is None:
            settings = self._from_environment(os.environ if environment is None else environment)  # noqa: TID251
        self.settings: S = settings
        super().__init__(_temporality(settings.temporality))
        self.redact = Redactor(self.secrets(), settings.plain_values())
        self.scrub = Scrub(settings.redact_attributes, settings.drop_attributes)
        self.stopwatch: Stopwatch | None = None
        self._layouts = Layouts()
        self._careful = False
        self._start_life()
        _ALIVE.add(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(target={self.target!r})"

    def __reduce__(self) -> Any:
        raise TypeError("an exporter is never pickled: it holds credentials and connections")

    def __del__(self) -> None:
        """An exporter that is forgotten with points in its outbox says so, like one that is shut down without time."""
        if getattr(self, "_ending", None) is not None and self._pid == os.getpid():
            self.shutdown(0)

    # ---- inherited by every exporter ---------------------------------------------------------------------------------

    @final
    def deliver(
        self,
        data: MetricsData,
        *,
        seconds: float = 30.0,
        on_refused: OnRefused | None = None,
        on_dropped: OnDropped | None = None,
    ) -> Receipt:
        """Send a collection and settle every point: what is not delivered within `seconds` is dropped and named."""
        deadline = self.clock.monotonic() + seconds
        with self._sending:
            closed = self._closed_because()
            if closed is not None:
                return self._pipeline.drop(self._lot(data), *closed)
            self._pipeline.time_with(self.stopwatch)
            self._before_delivery(seconds)
            return self._pipeline.deliver(self._lot(data), deadline, on_refused, on_dropped)

    @final
    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """The SDK's side: every payload is tried, retries fit `retry_budget`; what is left leads the next export. Never raises."""
        try:
            return self._export(metrics_data, timeout_millis)
        except Exception as failure:  # a bug of ours must not end the application's reader
            self.log.error("internal.export: %s: these points were not exported", type(failure).__name__)  # noqa: TRY400 # no traceback: it may quote data
            return MetricExportResult.FAILURE

    @final
    def force_flush(self, timeout_millis: float = 10_000, **_: Any) -> bool:
        """Try what waits in the outbox once more; True when nothing waits any longer."""
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
        """Try what waits once more within the time given and `shutdown_timeout`; count and log the rest as dropped. Idempotent.

        A backend that is busy is waited for; one that let us wait in vain is asked once more, within a fair share of the time.
        The SDK (1.45) calls `shutdown(timeout=…)`, and with a negative value when its own time is over: then nothing is tried.
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
            # A backend that let us wait in vain a moment ago may do so again: others have to end within the same time.
            others = sum(not exporter._shut.is_set() for exporter in list(_ALIVE))  # noqa: SLF001 # this file's own
            seconds = min(seconds, max(0.0, given) / (1 + others))
        deadline = self.clock.monotonic() + seconds
        held = self._sending.acquire(timeout=seconds)
        try:
            if held and seconds > 0 and self.unusable is None:
                self._pipeline.drain(deadline, closing=True)
            dropped = self._pipeline.close()
            self._delivery_log.ended(self._pipeline.ledger, dropped)
        finally:
            if held:
                self._sending.release()
            self.close()
            self._ended.set()
            _ALIVE.discard(self)

    @property
    @final
    def ledger(self) -> Receipt:
        """What became of every point since this object was made (in this process); `kept` waits in the outbox now."""
        return self._pipeline.ledger

    @final
    def prepared(self, data: MetricsData, withheld: list[Reason] | None = None) -> Iterator[Group]:
        """A collection as it is encoded: possible, scrubbed, and `deduplicate`; what is left out on the way is appended to `withheld`."""

        def groups_only(given: Iterable[Group | Withheld]) -> Iterator[Group]:
            for one in given:
                if isinstance(one, Group):
                    yield one
                elif withheld is not None:
                    withheld.append(_reason(one))

        yield from groups_only(self.deduplicate(groups_only(possible(self.scrub(groups(data))))))

    @final
    def payloads(self, data: MetricsData, withheld: list[Reason] | None = None) -> Iterator[Payload]:
        """The payloads a collection becomes, uncompressed, under the route's limits; withheld points are appended to `withheld`."""
        encode = self._encode_carefully if self._careful else self.encode
        route = self.route()
        noted: list[Reason] = [] if withheld is None else withheld

        def only_chunks() -> Iterator[Chunk]:
            going: Iterable[Group] = self.prepared(data, noted)
            if self.in_time_order:
                going = map(in_time_order, going)
            points = min(_SLICE, route.max_points)
            lead = None if type(self).resource_prefix is Authored.resource_prefix else self.resource_prefix
            for one in chunks(going, encode, self.template(), self._layouts, points, lead):
                if isinstance(one, Chunk):
                    yield one
                else:
                    noted.append(_reason(one))

        try:
            yield from pack(only_chunks(), route, self.split)
        except Exception:
            self._careful = True  # one odd point must not cost every later collection
            self._layouts.clear()
            raise

    def _encode_carefully(self, series: Series, point: Point) -> bytes | Withheld:
        try:
            return self.encode(series, point)
        except Exception as failure:
            why = f"a bug in encode, not the backend: {type(failure).__name__}: {failure}"
            return Withheld(_BUG, why, series.stream.name)

    def _lot(self, data: MetricsData) -> Batch:
        withheld: list[Reason] = []
        payloads: Iterable[Payload] = self.payloads(data, withheld)
        if self.stopwatch is not None:
            payloads = self.stopwatch.each("encode", payloads)
        return Batch(payloads, withheld, count_points(data))

    def _closed_because(self) -> tuple[str, str] | None:
        """Why nothing is sent at all: code and sentence."""
        if self.unusable is not None:
            return self.unusable.code, self.unusable.message
        return ("delivery.shutdown", "exported after shutdown") if self._shut.is_set() else None

    def _export(self, data: MetricsData, timeout_millis: float) -> MetricExportResult:
        seconds = min(max(0.0, timeout_millis / 1000), threading.TIMEOUT_MAX)
        began = self.clock.monotonic()
        if not self._sending.acquire(timeout=seconds):
            why = "another export of this exporter did not end in time"
            self._pipeline.drop(self._lot(data), "delivery.deadline", why)
            return MetricExportResult.FAILURE
        try:
            closed = self._closed_because()
            if closed is not None:
                receipt = self._pipeline.drop(self._lot(data), *closed)
                if self.unusable is None:
                    self._delivery_log.after_shutdown(receipt)
                return MetricExportResult.FAILURE
            self._before_delivery(seconds)
            budget = min(seconds, self.settings.retry_budget)
            receipt = self._pipeline.export(self._lot(data), began + budget, began + seconds)
            self._delivery_log.exported(self._pipeline.ledger)
        finally:
            self._sending.release()
        well = receipt.withheld + (receipt.delivered if self.confirms else receipt.readable)
        return MetricExportResult.SUCCESS if well == receipt.sent else MetricExportResult.FAILURE

    def _before_delivery(self, seconds: float) -> None:
        with uninstrumented(), contextlib.suppress(MagictelError):  # TLS files that are not there (yet)
            self.before_delivery(min(seconds, self.settings.timeout))

    def _attempt(self, payload: Payload, timeout: float) -> Attempted:
        """`attempt`, unseen by instrumentations: the SDK suppresses only its own thread, and a client would export its own exports."""
        with uninstrumented():
            try:
                return self.attempt(payload, timeout)
            except MagictelError as failure:  # TLS files that are not there (yet)
                return Attempted(Unavailable(failure.code, failure.message))

    def _start_life(self) -> None:
        self._pid = os.getpid()
        self._ending = threading.Lock()
        """Taken once, by the first to shut down."""
        self._sending = threading.Lock()
        self._shut = threading.Event()
        self._ended = threading.Event()
        self._pipeline = Pipeline(
            self._attempt, self.settings, self.clock, in_order=self.in_time_order, redact=self.redact
        )
        self._delivery_log = DeliveryLog(self.log, self.clock, confirms=self.confirms)

    def _after_fork(self) -> None:
        """The child starts empty, with locks and connections of its own: the parent's points are the parent's."""
        self._layouts = Layouts()
        self.stopwatch = None
        self._start_life()
        self.after_fork()

    def _from_environment(self, environment: Mapping[str, str]) -> S:
        try:
            resolved: Resolved[Any] = resolve(
                self.name, self.name, self.Settings, environment=environment, config=None, overrides={}
            )
            settings: S = resolved.settings
            self.check_settings(settings)
            for warning in resolved.warnings:
                self.log.warning("config.warning: %s", warning)
        except Exception as failure:  # whatever it is, traces and logs must live
            self.unusable = _unusable(failure)
            said = "%s: %s: every metric is dropped until this is fixed%s"
            self.log.error(said, self.unusable.code, self.unusable.message, _origin(self.unusable))  # noqa: TRY400 # one sentence
            return self.Settings.unusable()  # type: ignore[return-value] # S's own defaults
        return settings


_ALIVE: weakref.WeakSet[Exporter[Any]] = weakref.WeakSet()
"""Exporters that were not shut down: a fork renews them, the end of the process shuts them down."""


def _renew_in_child() -> None:
    for exporter in list(_ALIVE):
        exporter._after_fork()  # noqa: SLF001 # this file's own


@atexit.register
def _end_with_the_process() -> None:
    """For readers that nobody shuts down (the SDK gives up on later ones when its time is over)."""
    for exporter in list(_ALIVE):
        exporter.shutdown()


os.register_at_fork(after_in_child=_renew_in_child)


def _reason(left_out: Withheld) -> Reason:
    fate = Fate.DROPPED if left_out.code == _BUG else Fate.REJECTED if left_out.refused else Fate.WITHHELD
    return Reason(left_out.code, left_out.message, 1, fate, left_out.point)


def _unusable(failure: Exception) -> SettingsError:
    if isinstance(failure, SettingsError):
        return failure
    if isinstance(failure, MagictelError):
        return SettingsError(failure.code, failure.message, failure.remedy, failure.origin)
    return SettingsError("internal.export", f"the settings could not be read: {type(failure).__name__}")


def _origin(failure: SettingsError) -> str:
    return f" (from {failure.origin})" if failure.origin else ""


def _temporality(name: str) -> dict[type, AggregationTemporality]:
    """Delta is for instruments that only add up; a sum that also falls stays cumulative (OpenTelemetry, "delta" preference)."""
    chosen = AggregationTemporality.DELTA if name == "delta" else AggregationTemporality.CUMULATIVE
    return {
        Counter: chosen,
        ObservableCounter: chosen,
        Histogram: chosen,
        ObservableGauge: AggregationTemporality.CUMULATIVE,
        UpDownCounter: AggregationTemporality.CUMULATIVE,
        ObservableUpDownCounter: AggregationTemporality.CUMULATIVE,
    }
