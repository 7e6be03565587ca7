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
"""Descriptors, open as long as their files exist: closing one would release all locks of this process on its file."""
_HERE: dict[int, Path] = {}
"""Owners in this process, whose bytes it could lock again, and their files."""
os.register_at_fork(after_in_child=_HERE.clear)


class Owner:
    """An owner of payloads in this process: `number` in the file, until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Lock a byte of the file at `path`. Raise `OSError` if that is not possible."""
        if fcntl is None:  # pragma: no cover
            raise OSError("this system has no POSIX locks, which a spool needs")
        self._path = path
        self.number = random.getrandbits(60) + 1
        _lock(_descriptor(path), self.number)
        _HERE[self.number] = path

    def renew(self) -> None:
        """Lock the byte again if the file was removed. Raise `OSError` if that is not possible."""
        _descriptor(self._path)

    def release(self) -> None:
        """Let others take over what it stored."""
        _HERE.pop(self.number, None)
        fcntl.lockf(_descriptor(self._path), fcntl.LOCK_UN, 1, self.number)


def lives(path: Path, owner: int) -> bool:
    """Return whether an owner in the file at `path` still runs."""
    if owner in _HERE:
        return True
    file = _descriptor(path)
    try:
        _lock(file, owner)
    except OSError:
        return True
    fcntl.lockf(file, fcntl.LOCK_UN, 1, owner)
    return False


def _descriptor(path: Path) -> int:
    """Return a descriptor of the file at `path`; a new file gets the locks of this process's owners."""
    known = _FILES.get(path)
    if known is not None and _is_at(path, known):
        return known
    new = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    for owner, its_path in _HERE.items():
        if its_path == path:
            _lock(new, owner)
    if known is not None:
        os.close(known)
    _FILES[path] = new
    return new


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, owner: int) -> None:
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, owner)
