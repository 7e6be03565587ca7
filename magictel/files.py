"""Paths that users write, and opening of regular files only: a pipe without a writer would block, and a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFIFO: "it is a named pipe, not a regular file",
    stat.S_IFSOCK: "it is a socket, not a regular file",
    stat.S_IFCHR: "it is a device, not a regular file",
    stat.S_IFBLK: "it is a device, not a regular file",
}


class NotRegular(OSError):  # noqa: N818 # an OSError like the others of `open`
    """The path is not a regular file; `strerror` says what it is."""


def open_regular(path: Path | str) -> BinaryIO:
    """Open a regular file for reading. Raise `OSError`: `IsADirectoryError` for a directory, `NotRegular` for a pipe or device."""
    _refuse(Path(path).stat().st_mode, path)  # before opening: opening a device may have side effects
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    opened = os.fdopen(os.open(path, flags), "rb")
    try:
        _refuse(os.fstat(opened.fileno()).st_mode, path)
    except OSError:
        opened.close()
        raise
    return opened


def expanded(name: str) -> Path:
    """Return the path that a user wrote, with `~` for a home directory; it stays, as in a shell, if there is none."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def _refuse(mode: int, path: Path | str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise NotRegular(errno.EINVAL, _KINDS.get(stat.S_IFMT(mode), "it is not a regular file"), str(path))
