"""`--debug`: show the transport's log of each request and reply on standard error, redacted."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from magictel.cli import output

_LOGGER = logging.getLogger("magictel.transports.exchange_log")


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        output.note(record.getMessage())


def show_exchanges(asked: bool) -> bool:
    """Print the transport's log of exchanges on standard error if `--debug` is set."""
    _LOGGER.handlers = [_Notes()] if asked else []
    _LOGGER.setLevel(logging.DEBUG if asked else logging.NOTSET)
    _LOGGER.propagate = not asked
    return asked


def shown() -> bool:
    """Return whether exchanges are shown: an updating line would garble them."""
    return bool(_LOGGER.handlers)


DebugOption = Annotated[
    bool,
    typer.Option("--debug", help="Show each request and reply on standard error, redacted.", callback=show_exchanges),
]
