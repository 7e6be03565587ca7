"""Redaction of the logs of httpx and httpcore, which contain URLs at INFO and headers at DEBUG, including echoed ones."""

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
    """A context in which these libraries' logs from this thread are redacted with `redact`; other requests are not affected."""
    for logger in _LOGGERS:
        logger.addFilter(_FILTER)  # adding it twice has no effect
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
