"""Check whether a path is inside a directory, with links and dots resolved."""

from __future__ import annotations

import os
from pathlib import Path, PurePath


def outside(folder: Path, path: str) -> str | None:
    """Return why a path is not a file inside the directory, with links resolved, or None.

    Hidden files do not count as inside: they belong to people and tools (`.env`, `.netrc`, `.git/config`).
    """
    pure = PurePath(path)
    home = Path(os.path.realpath(folder))
    try:
        real = Path(os.path.realpath(folder / path))
    except ValueError:  # a NUL in it
        return "is not a valid path"
    if path.startswith("~") or not real.is_relative_to(home):
        return "is not in its directory"
    written = () if pure.is_absolute() else pure.parts
    if any(part.startswith(".") and part != ".." for part in (*written, *real.relative_to(home).parts)):
        return "is hidden"
    return None
