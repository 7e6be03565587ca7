"""The process environment and the working directory; the command line reads them only here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def environment() -> Mapping[str, str]:
    """Return the environment variables."""
    return os.environ  # noqa: TID251 # the command line is where the environment comes in


def folder() -> Path:
    """Return the working directory, the base of relative paths."""
    return Path()
