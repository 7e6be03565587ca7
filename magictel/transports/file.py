"""Appending to a file: whole lines or nothing, with a clear error if that fails."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from magictel.clock import SystemClock
from magictel.errors import WireError
from magictel.transports.fd_write import write

_LOCK_SECONDS = 1.0
_LOCK_PAUSE = 0.005

_TROUBLE = {
    errno.ENOENT: ("file.no-directory", "the directory {folder} does not exist", "mkdir -p {folder}"),
    errno.ENOTDIR: ("file.no-directory", "{folder} is not a directory", "name a file in an existing directory"),
    errno.EISDIR: ("file.is-directory", "{path} is a directory", "name a file in it"),
    errno.EACCES: ("file.permission", "this user may not write {path}", "grant write permission, or name another file"),
    errno.EPERM: ("file.permission", "this user may not write {path}", "grant write permission, or name another file"),
    errno.EROFS: ("file.permission", "{path} is on a read-only file system", "name a file elsewhere"),
    errno.ENOSPC: ("file.full", "no space left for {path}", "free disk space, or name a file on another disk"),
    errno.EDQUOT: ("file.full", "this user's quota is used up for {path}", "free disk space, or name another file"),
    errno.ENXIO: ("file.failed", "no process reads {path}", "start its reader, or name a regular file"),
    errno.ETIMEDOUT: ("file.failed", "no process reads {path}", "check its reader, or name a regular file"),
    errno.EFBIG: (
        "file.full",
        "{path} has reached its size limit",
        "name another file, or raise the limit (ulimit -f)",
    ),
}


def append(path: Path, lines: bytes, *, sync: bool = False, seconds: float = 30.0) -> None:
    """Append complete lines in one write; undo a partial write, or one that did not reach the disk.

    First end a last line without line feed (its writer died), so that the new lines are separate.
    `sync` waits until the data is on disk. A pipe or terminal has `seconds` to accept it. Raise `WireError`.
    """
    try:
        file = os.open(path, _flags(path), 0o644)
    except OSError as failure:
        raise trouble(path, failure) from None
    try:
        _append(file, lines, seconds, sync)
    except OSError as failure:
        raise trouble(path, failure) from None
    finally:
        os.close(file)


def trouble(path: Path, failure: OSError) -> WireError:
    """Return an `OSError` about a file as a `WireError`."""
    known = _TROUBLE.get(failure.errno or 0)
    if known is None:
        reason = failure.strerror or type(failure).__name__
        return WireError("file.failed", f"{path}: {reason[:1].lower()}{reason[1:]}", None, phase="write")
    code, message, remedy = known
    names = {"path": path, "folder": path.absolute().parent}
    return WireError(code, message.format(**names), remedy.format(**names), phase="write")


def _flags(path: Path) -> int:
    """Open a file; a named pipe without a reader is an error: opened for reading as well, it would accept lines and lose them."""
    extra = getattr(os, "O_CLOEXEC", 0)
    try:
        if stat.S_ISFIFO(path.stat().st_mode):
            return os.O_WRONLY | os.O_NONBLOCK | extra
    except OSError:
        pass  # `open` has a better message
    return os.O_RDWR | os.O_APPEND | os.O_CREAT | extra


def _append(file: int, lines: bytes, seconds: float, sync: bool) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):  # there is no disk to wait for
        _, failure = write(file, lines, seconds)
        if failure is not None:
            raise failure
        return
    size = os.lseek(file, 0, os.SEEK_END) if _locked(file, min(seconds, _LOCK_SECONDS)) else None
    if size and os.pread(file, 1, size - 1) != b"\n":
        lines = b"\n" + lines
    written = 0
    try:
        while written < len(lines):
            written += os.write(file, lines[written:] if written else lines)
        if sync:
            os.fsync(file)
    except OSError:
        # Only if no other process has appended since: its lines must stay.
        if size is not None and written and os.fstat(file).st_size == size + written:
            os.ftruncate(file, size)
        raise


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _locked(file: int, seconds: float) -> bool:
    """Lock the file while its end is inspected; if another process holds the lock, or locking is not possible, only append.

    A writer holds the lock for a single write; without waiting, the middle of that write would look like a broken line.
    """
    try:
        import fcntl
    except ImportError:
        return False
    for _ in range(1 + int(seconds / _LOCK_PAUSE)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the descriptor
        except BlockingIOError:
            SystemClock().wait(_LOCK_PAUSE)
        except OSError:
            return False
        else:
            return True
    return False


def writable(path: Path) -> bool:
    """Check without writing whether `append` would work: True for an existing file, False for one that it would create.

    Raise `WireError` if it would not.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        folder = path.absolute().parent
        if not folder.is_dir():
            number = errno.ENOTDIR if folder.exists() else errno.ENOENT
            raise trouble(path, OSError(number, "")) from None
        if not _may(folder, os.W_OK | os.X_OK):
            raise trouble(path, OSError(errno.EACCES, "")) from None
        return False
    except OSError as failure:
        raise trouble(path, failure) from None
    if stat.S_ISDIR(mode):
        raise trouble(path, OSError(errno.EISDIR, ""))
    if not _may(path, os.W_OK):
        raise trouble(path, OSError(errno.EACCES, ""))
    return True
