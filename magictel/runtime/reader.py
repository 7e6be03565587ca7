"""The SDK's periodic reader, in a process that forks."""

from __future__ import annotations

from threading import Lock

from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader


class Reader(PeriodicExportingMetricReader):
    """As the SDK's. A child that was forked in the middle of an export gets an export lock that is free."""

    def _at_fork_reinit(self) -> None:
        self._export_lock = Lock()
        super()._at_fork_reinit()  # type: ignore[no-untyped-call] # the SDK's
