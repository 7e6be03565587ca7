"""The SDK's periodic reader for processes that fork."""

from __future__ import annotations

from threading import Lock

from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader


class Reader(PeriodicExportingMetricReader):
    """The SDK's reader. A child that was forked during an export gets a free export lock."""

    def _at_fork_reinit(self) -> None:
        self._export_lock = Lock()
        super()._at_fork_reinit()  # type: ignore[no-untyped-call] # the SDK's
