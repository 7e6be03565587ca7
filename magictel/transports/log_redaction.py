"""httpx and httpcore log URLs at INFO and headers at DEBUG, also those in which a backend says back what it was sent: ours are redacted."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar

from magictel.secrets.redactor import Redactor

_NAMES = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks")
_LOGGERS = tuple(map(logging.getLogger, _NAMES))
_redactor: ContextVar[Redactor | None] = ContextVar("magictel_redactor", default=None)


@contextlib.contextmanager
def redacted_logs(redact: Redactor) -> Iterator[None]:
    """What these libraries log in this thread meanwhile holds no secret that `redact` knows. Others' requests are not touched."""
    for logger in _LOGGERS:
        logger.addFilter(_FILTER)  # twice is once
    token = _redactor.set(redact)
    try:
        yield
    finally:
        _redactor.reset(token)


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        redact = _redactor.get()
        if redact is not None:
            record.msg, record.args = redact(record.getMessage()), ()
        return True


_FILTER = _Redacting()
