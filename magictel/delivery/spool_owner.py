"""Owners of stored payloads: each locks a byte of a file, and the kernel releases the lock however the process ends."""

from __future__ import annotations

import os
import random
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover # no POSIX
    fcntl = None  # type: ignore[assignment]

_FILES: dict[Path, int] = {}
"""Descriptors, never closed: closing one would release all locks of this process on its file."""
_HERE: set[int] = set()
"""Owners in this process, whose bytes it could lock again."""
os.register_at_fork(after_in_child=_HERE.clear)


class Owner:
    """An owner of payloads in this process: `number` in the file, until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Lock a byte of the file at `path`. Raise `OSError` if that is not possible."""
        if fcntl is None:  # pragma: no cover
            raise OSError("this system has no POSIX locks, which a spool needs")
        self._path = path
        self.number = random.getrandbits(60) + 1
        fcntl.lockf(_descriptor(path), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self.number)
        _HERE.add(self.number)

    def release(self) -> None:
        """Let others take over what it stored."""
        _HERE.discard(self.number)
        fcntl.lockf(_descriptor(self._path), fcntl.LOCK_UN, 1, self.number)


def lives(path: Path, owner: int) -> bool:
    """Return whether an owner in the file at `path` still runs."""
    if owner in _HERE:
        return True
    file = _descriptor(path)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, owner)
    except OSError:
        return True
    fcntl.lockf(file, fcntl.LOCK_UN, 1, owner)
    return False


def _descriptor(path: Path) -> int:
    if path not in _FILES:
        _FILES[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return _FILES[path]
