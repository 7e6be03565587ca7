"""The result of `start`: the running exporters of an application, until it shuts them down."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader

from magictel.clock import Clock, SystemClock
from magictel.model.health import Health
from magictel.model.outcome import Receipt
from magictel.runtime.connection import ConnectionTests
from magictel.runtime.forks import after_fork_in_child, before_end_of_child
from magictel.runtime.health import TargetMonitor
from magictel.runtime.health_page import HealthPage
from magictel.runtime.sdk import resource_of
from magictel.runtime.targets import RunningExporter, RunningTarget

_log = logging.getLogger("magictel.runtime")


class Telemetry:
    """`provider` is the SDK's, `exporters` are keyed by target. A context manager that shuts down."""

    def __init__(
        self,
        provider: MeterProvider,
        readers: Sequence[MetricReader],
        targets: Sequence[RunningTarget],
        *,
        joined: bool,
        interval: float,
        health_ports: Sequence[int] = (),
        clock: Clock | None = None,
    ) -> None:
        self.provider = provider
        self.exporters: Mapping[str, RunningExporter] = {target.name: target.exporter for target in targets}
        self._readers = readers
        self._joined = joined
        self._clock = clock or SystemClock()
        self._started = self._clock.now()
        self._monitors = {target.name: TargetMonitor(target, self._clock) for target in targets}
        self.health_page = HealthPage(self.health, health_ports) if health_ports else None
        """The health over HTTP, if it is wanted."""
        self.connections = ConnectionTests(targets, interval, self._clock)
        self._ending = threading.Lock()
        self._ended = threading.Event()
        atexit.register(self.shutdown)
        after_fork_in_child(self._after_fork)

    def __repr__(self) -> str:
        targets = (f"{target.target}: {target.code or target.status}" for target in self.health().targets)
        return f"Telemetry({', '.join(targets) or 'nothing is exported'})"

    def health(self) -> Health:
        """Return, for each target, how its last export ended, what waits, and the result of the connection test."""
        resource = resource_of(self.provider)
        return Health(
            service=str(resource.get("service.name", "")),
            instance=str(resource.get("service.instance.id", "")),
            pid=os.getpid(),
            started=self._started,
            now=self._clock.now(),
            targets=tuple(
                monitor.health(self.connections.results.get(name)) for name, monitor in self._monitors.items()
            ),
        )

    def ledgers(self) -> dict[str, Receipt]:
        """Return the fate of every point so far, by target."""
        return {name: exporter.ledger for name, exporter in self.exporters.items()}

    def force_flush(self, timeout: float = 30.0) -> bool:
        """Collect and send now, within `timeout` seconds for all targets together; return whether nothing waits. Never raises."""
        deadline = self._clock.monotonic() + timeout
        for reader in self._readers:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return False
            try:
                reader.force_flush(timeout_millis=left * 1000)
            except Exception as failure:  # a slow callback of the application, for example
                _log.error("%s", _one_line(failure))
                return False
        return not any(ledger.kept for ledger in self.ledgers().values())

    def shutdown(self, timeout: float = 30.0) -> None:
        """Collect and send a last time, within `timeout` seconds for all targets together. Never raises; a second call does nothing.

        Also called at the end of the process. A second caller waits for the first, within its own time.
        """
        if not self._ending.acquire(blocking=False):
            self._ended.wait(max(0.0, timeout))
            return
        self.connections.stop()
        try:
            self._shut_down_readers(timeout)
        except Exception as failure:  # the SDK raises when readers had no time left
            _log.error("%s", _one_line(failure))
        for exporter in self.exporters.values():
            exporter.shutdown(0)  # those that were not reached
        if self.health_page is not None:
            self.health_page.stop()
        self._ended.set()
        atexit.unregister(self.shutdown)

    def _shut_down_readers(self, timeout: float) -> None:
        if not self._joined:
            self.provider.shutdown(timeout_millis=timeout * 1000)
            return
        deadline = self._clock.monotonic() + timeout
        for reader in self._readers:  # the provider is the application's
            reader.shutdown(timeout_millis=max(0.0, deadline - self._clock.monotonic()) * 1000)

    def _after_fork(self) -> None:
        if self._ended.is_set():
            return
        self._ending, self._ended = threading.Lock(), threading.Event()
        before_end_of_child(self, self.shutdown)
        self._started = self._clock.now()
        for monitor in self._monitors.values():
            monitor.renew()
        if self.health_page is not None:
            self.health_page.listen_in_child()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()


def _one_line(failure: Exception) -> str:
    return " ".join(str(failure).split())
