"""One call of another package's exporter: in a thread that can be abandoned, with the lines that it logs meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData

from magictel.transports.instrumentation import uninstrumented

_MOST_LINES = 20
_LONGEST = 1_000
"""Maximum length of a line in characters."""


class ExportCall(threading.Thread):
    """A call of `export`, with the SDK's arguments. `result` is what it returned, `failure` what it raised; `lines` are log lines.

    The thread is a daemon: a call that never returns does not keep the process alive.
    """

    def __init__(self, exporter: MetricExporter, data: MetricsData, seconds: float) -> None:
        super().__init__(name="magictel-foreign", daemon=True)
        self.result: object = None
        self.failure: BaseException | None = None
        self.lines: list[str] = []
        self._exporter = exporter
        self._data = data
        self._seconds = seconds

    def run(self) -> None:
        """Call the exporter; never raises."""
        with uninstrumented(), _logged(self.lines, type(self._exporter).__module__):
            try:
                self.result = self._exporter.export(self._data, timeout_millis=self._seconds * 1000)
            except BaseException as failure:  # SystemExit too: nothing of it may end the command
                self.failure = failure


@contextmanager
def _logged(lines: list[str], module: str) -> Iterator[None]:
    """Collect what this thread, or any thread of the exporter's module, logs as a warning or an error."""
    thread = threading.get_ident()

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if len(lines) < _MOST_LINES and (record.thread == thread or f"{record.name}.".startswith(f"{module}.")):
                lines.append(_line(record))

    handler = Lines(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _line(record: logging.LogRecord) -> str:
    """Return a record on a single line, with the type and message of its exception."""
    parts: list[Any] = [record.getMessage()]
    if record.exc_info and record.exc_info[1] is not None:
        parts.append(described(record.exc_info[1]))
    return " ".join(": ".join(parts).split())[:_LONGEST]


def described(failure: BaseException) -> str:
    """Return an exception's type and message on a single line."""
    text = " ".join(str(failure).split())[:_LONGEST]
    return f"{type(failure).__name__}: {text}" if text else type(failure).__name__
