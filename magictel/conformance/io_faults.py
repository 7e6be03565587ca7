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
from collections.abc import Callable, Iterator, Mapping
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
        return lambda folder: _in_its_place(folder / name, put)

    faults = [
        IoFault("a missing directory", _away, error=errno.ENOENT),
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
        IoFault("a closed stream", lambda _: _instead(_closed())),
        IoFault("no stream", lambda _: _instead(None)),
        IoFault("a pipe without a reader", lambda _: _pipe_without_reader(), error=errno.EPIPE),
    ]
    if _FULL.exists():
        faults.append(IoFault("a full disk", lambda _: _into(_FULL), error=errno.ENOSPC))
    if os.name == "posix":
        faults.append(IoFault("a disk that fills up during a write", _into_little_room, "partly"))
        faults.append(IoFault("a full pipe", lambda _: _pipe_that_is_full(), "waits"))
    return tuple(faults)


def io_faults(writes_to: str) -> tuple[IoFault, ...]:
    """Return the faults for an exporter that writes to a `file` or a `stream`; none for one that uses a network."""
    known: Mapping[str, Callable[[], tuple[IoFault, ...]]] = {
        "file": lambda: file_faults(FILE),
        "stream": stream_faults,
    }
    return known[writes_to]() if writes_to in known else ()


# ---- of a file ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _away(folder: Path) -> Iterator[None]:
    aside = folder.with_name(folder.name + "-away")
    folder.rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)


@contextlib.contextmanager
def _in_its_place(path: Path, put: Callable[[Path], object]) -> Iterator[None]:
    aside = path.with_name(path.name + ".aside")
    if path.exists():
        path.rename(aside)
    put(path)
    try:
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        if aside.exists():
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


# ---- of a stream -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _instead(stream: Any) -> Iterator[None]:
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@contextlib.contextmanager
def _into(path: Path) -> Iterator[None]:
    stream = path.open("w", encoding="utf-8")
    with _closing(stream), _instead(stream):
        yield


@contextlib.contextmanager
def _into_little_room(folder: Path) -> Iterator[None]:
    path = folder / "stream.txt"
    with _little_room(path), _into(path):
        yield


@contextlib.contextmanager
def _pipe_without_reader() -> Iterator[None]:
    read, written = os.pipe()
    os.close(read)
    stream = os.fdopen(written, "w", encoding="utf-8")
    with _closing(stream), _instead(stream):
        yield


@contextlib.contextmanager
def _pipe_that_is_full() -> Iterator[None]:
    read, written = os.pipe()
    os.set_blocking(written, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(written, b"\n" * 4096)
    os.set_blocking(written, True)
    stream = os.fdopen(written, "w", encoding="utf-8")
    with _closing(stream):
        try:
            with _instead(stream):
                yield
        finally:
            os.close(read)  # before the stream, to release blocked writers


@contextlib.contextmanager
def _closing(stream: Any) -> Iterator[None]:
    """Ignore errors of a stream's last write."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            stream.close()
