"""Detection of terminals and their width."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

_COLUMNS = 80
"""Default for a terminal that does not report its width."""


def is_terminal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether a stream is a terminal that can move its cursor."""
    try:
        return stream.isatty() and environment.get("TERM", "") != "dumb"
    except ValueError:  # closed
        return False


def width_of(stream: TextIO, environment: Mapping[str, str]) -> int | None:
    """Return the columns of a terminal; None for anything else."""
    return columns(stream, environment) if is_terminal(stream, environment) else None


def columns(stream: TextIO, environment: Mapping[str, str]) -> int:
    """Return the width of a terminal from COLUMNS or from the terminal itself."""
    given = environment.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS
