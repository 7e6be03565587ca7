"""Whether a path leads into a folder, whatever links and dots stand in it."""

from __future__ import annotations

import os
from pathlib import Path, PurePath


def outside(folder: Path, path: str) -> str | None:
    """Why a path does not lead to a file of the folder, every link followed, or None.

    Hidden files do not count as the folder's: they are people's and tools' own: `.env`, `.netrc`, `.git/config`.
    """
    pure = PurePath(path)
    home = Path(os.path.realpath(folder))
    try:
        real = Path(os.path.realpath(folder / path))
    except ValueError:  # a NUL in it
        return "cannot be a path"
    if path.startswith("~") or not real.is_relative_to(home):
        return "is not in its folder"
    written = () if pure.is_absolute() else pure.parts
    if any(part.startswith(".") and part != ".." for part in (*written, *real.relative_to(home).parts)):
        return "is hidden"
    return None
