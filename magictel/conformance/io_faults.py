"""I/O faults for exporters without a network: the system rejects a write, accepts a part of it, or blocks.

For a plugin: `file_faults(NAME)` if it writes to `place.folder / NAME`, `stream_faults()` if it writes to `sys.stderr` or
`sys.stdout`, or custom `IoFault`s.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

_READ_ONLY = Path("/sys/kernel/notes")
"""Not writable, even for root."""
FILE = "metrics.jsonl"
"""The file of a registered exporter in its place's directory."""
_FULL = Path("/dev/full")
_ROOM = 100
"""Bytes: less than any line of points."""


@dataclass(frozen=True, slots=True)
class IoFault:
    """A fault: `name` completes "with …"; the context manager from `begin` causes it in a place's directory.

    `refuses`: nothing is written; `partly`: only the beginning; `waits`: nothing, without an error.
    `error`: the errno; 0 if it is not an `OSError`.
    """

    name: str
    begin: Callable[[Path], AbstractContextManager[object]] = field(repr=False)
    kind: Literal["refuses", "partly", "waits"] = "refuses"
    error: int = 0


def file_faults(name: str) -> tuple[IoFault, ...]:
    """Return the faults for an exporter that writes to this file in its directory, as supported by this system."""

    def at(put: Callable[[Path], object]) -> Callable[[Path], AbstractContextManager[object]]:
        return lambda folder: _replaced(folder / name, put)

    faults = [
        IoFault("a missing directory", _replaced, error=errno.ENOENT),
        IoFault("a directory at the file's path", at(Path.mkdir), error=errno.EISDIR),
        IoFault("a link to itself", at(lambda path: path.symlink_to(path)), error=errno.ELOOP),
    ]
    if _FULL.exists():
        faults.append(IoFault("a full disk", at(lambda path: path.symlink_to(_FULL)), error=errno.ENOSPC))
    if _READ_ONLY.exists():
        faults.append(IoFault("no write permission", at(lambda path: path.symlink_to(_READ_ONLY)), error=errno.EACCES))
    if os.name == "posix":
        faults.append(
            IoFault("a disk that fills up during a write", lambda folder: _little_room(folder / name), "partly")
        )
        faults.append(IoFault("the file locked by another process", lambda folder: _locked(folder / name), "waits"))
    return tuple(faults)


def stream_faults() -> tuple[IoFault, ...]:
    """Return the faults for an exporter that writes to `sys.stderr` or `sys.stdout`, as supported by this system."""
    faults = [
        IoFault("a closed stream", lambda _: _redirected(_closed())),
        IoFault("no stream", lambda _: _redirected(None)),
        IoFault("a pipe without a reader", lambda _: _redirected(_pipe_without_reader()), error=errno.EPIPE),
    ]
    if _FULL.exists():
        faults.append(IoFault("a full disk", lambda _: _redirected(_FULL.open("w")), error=errno.ENOSPC))
    if os.name == "posix":
        faults.append(IoFault("a disk that fills up during a write", _little_room_for_stream, "partly"))
        faults.append(IoFault("a full pipe", lambda _: _full_pipe(), "waits"))
    return tuple(faults)


def io_faults(writes_to: str) -> tuple[IoFault, ...]:
    """Return the faults for an exporter that writes to a `file` or a `stream`; none for one that uses a network."""
    if writes_to == "file":
        return file_faults(FILE)
    return stream_faults() if writes_to == "stream" else ()


@contextlib.contextmanager
def _replaced(path: Path, put: Callable[[Path], object] = lambda path: None) -> Iterator[None]:
    """Move what is at a path aside, and put something else (by default nothing) in its place."""
    aside = path.with_name(path.name + ".aside")
    existed = path.exists()
    if existed:
        path.rename(aside)
    put(path)
    try:
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if existed:
            aside.rename(path)


@contextlib.contextmanager
def _little_room(path: Path) -> Iterator[None]:
    """Set the file size limit, which affects the whole process, as briefly as possible, and only for regular files."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.stat().st_size if path.exists() else 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + _ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _redirected(stream: Any) -> Iterator[None]:
    """Redirect both streams, then close this one and ignore errors of its last write."""
    try:
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            yield
    finally:
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@contextlib.contextmanager
def _little_room_for_stream(folder: Path) -> Iterator[None]:
    path = folder / "stream.txt"
    with _little_room(path), _redirected(path.open("w", encoding="utf-8")):
        yield


def _pipe_without_reader() -> Any:
    read, written = os.pipe()
    os.close(read)
    return os.fdopen(written, "w", encoding="utf-8")


@contextlib.contextmanager
def _full_pipe() -> Iterator[None]:
    read, written = os.pipe()
    os.set_blocking(written, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(written, b"\n" * 4096)
    os.set_blocking(written, True)
    with _redirected(os.fdopen(written, "w", encoding="utf-8")):
        try:
            yield
        finally:
            os.close(read)  # before the stream, to release blocked writers
