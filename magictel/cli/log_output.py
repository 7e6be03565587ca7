"""What the library logs, on standard error."""

from __future__ import annotations

import logging
from collections.abc import Callable

from magictel.cli import output
from magictel.reporters.symbols import printable


class LogOutput(logging.Handler):
    """A handler that prints what `shown` returns for a record: without control characters, which may come from a server."""

    def __init__(
        self, level: int = logging.NOTSET, shown: Callable[[logging.LogRecord], str] = logging.LogRecord.getMessage
    ) -> None:
        super().__init__(level)
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        output.note(printable(self._shown(record)))
