"""The process's surroundings, read in this one place of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def environment() -> Mapping[str, str]:
    """The environment's variables."""
    return os.environ  # noqa: TID251 # the command line is where the environment comes in


def folder() -> Path:
    """The working folder, from which relative paths count."""
    return Path()
