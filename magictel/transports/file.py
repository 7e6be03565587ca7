"""Appending to a file: whole lines or nothing, and one clear verdict where it cannot be done."""

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
    errno.ENOTDIR: ("file.no-directory", "{folder} is not a directory", "name a file in a directory that exists"),
    errno.EISDIR: ("file.is-directory", "{path} is a directory", "name a file in it"),
    errno.EACCES: ("file.permission", "this user may not write {path}", "let it, or name another file"),
    errno.EPERM: ("file.permission", "this user may not write {path}", "let it, or name another file"),
    errno.EROFS: ("file.permission", "{path} is on a file system that is read-only", "name a file elsewhere"),
    errno.ENOSPC: ("file.full", "there is no room left for {path}", "make room, or name a file on another disk"),
    errno.EDQUOT: ("file.full", "this user's quota leaves no room for {path}", "make room, or name another file"),
    errno.ENXIO: ("file.failed", "nobody reads {path}", "start its reader, or name a regular file"),
    errno.ETIMEDOUT: ("file.failed", "nobody reads {path}", "see to its reader, or name a regular file"),
    errno.EFBIG: ("file.full", "{path} may not grow any further", "name another file, or raise the limit (ulimit -f)"),
}


def append(path: Path, lines: bytes, *, sync: bool = False, seconds: float = 30.0) -> None:
    """Append complete lines in one write; what was written of them is taken back when not all of it could be, or reached the disk.

    A last line without its line feed (somebody died in it) is ended first, so that ours stand by themselves.
    `sync` waits until the disk has it. A pipe or terminal is given `seconds` to take them. Raises `WireError`.
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
    """An `OSError` about a file as the error of this transport."""
    known = _TROUBLE.get(failure.errno or 0)
    if known is None:
        reason = failure.strerror or type(failure).__name__
        return WireError("file.failed", f"{path}: {reason[:1].lower()}{reason[1:]}", None, phase="write")
    code, message, remedy = known
    names = {"path": path, "folder": path.absolute().parent}
    return WireError(code, message.format(**names), remedy.format(**names), phase="write")


def _flags(path: Path) -> int:
    """A named pipe that nobody reads must be an error: opened for reading too it would take lines, and lose them when closed."""
    extra = getattr(os, "O_CLOEXEC", 0)
    try:
        if stat.S_ISFIFO(path.stat().st_mode):
            return os.O_WRONLY | os.O_NONBLOCK | extra
    except OSError:
        pass  # `open` says it better
    return os.O_RDWR | os.O_APPEND | os.O_CREAT | extra


def _append(file: int, lines: bytes, seconds: float, sync: bool) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):  # it has no disk to wait for
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
        # Only where nobody else has written behind us: their lines are theirs.
        if size is not None and written and os.fstat(file).st_size == size + written:
            os.ftruncate(file, size)
        raise


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _locked(file: int, seconds: float) -> bool:
    """Nobody of ours writes while we look at the end; where somebody keeps the lock, or nothing can be locked, we only append.

    A writer of ours holds it for one write; without waiting, the middle of that write would look like a line somebody died in.
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
    """Whether `append` would work, found out without writing: True for a file that is there, False for one it would make.

    Raises `WireError` where it would not.
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
