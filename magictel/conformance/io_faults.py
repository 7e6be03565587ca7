"""What hinders an exporter that asks nobody over a network: the system refuses what it writes, takes a part, or lets it wait.

For an exporter of one's own: `of_file(NAME)` where it writes to `place.folder / NAME`, `of_stream()` where it writes to `sys.stderr`
or `sys.stdout`, or `Hindrance`s of one's own.
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
"""Nobody may write it, root neither."""
FILE = "metrics.jsonl"
"""The name of the file that a registered exporter writes to, in its place's folder."""
_FULL = Path("/dev/full")
_ROOM = 100
"""Bytes: less than any line of points."""


@dataclass(frozen=True, slots=True)
class Hindrance:
    """`name` completes "with …"; what `begin` gives for a place's folder hinders as long as it is entered.

    `refuses`: nothing is taken; `partly`: the beginning is; `waits`: nothing is, and the exporter is not told.
    `error`: the number by which the system refuses; 0 where it is no `OSError`.
    """

    name: str
    begin: Callable[[Path], AbstractContextManager[object]] = field(repr=False)
    kind: Literal["refuses", "partly", "waits"] = "refuses"
    error: int = 0


def of_file(name: str) -> tuple[Hindrance, ...]:
    """For an exporter that writes to the file of this name in its folder: as many as this system has."""

    def at(put: Callable[[Path], object]) -> Callable[[Path], AbstractContextManager[object]]:
        return lambda folder: _in_its_place(folder / name, put)

    found = [
        Hindrance("the folder missing", _away, error=errno.ENOENT),
        Hindrance("a folder at the file's place", at(Path.mkdir), error=errno.EISDIR),
        Hindrance("links that lead to themselves", at(lambda path: path.symlink_to(path)), error=errno.ELOOP),
    ]
    if _FULL.exists():
        found.append(Hindrance("a full disk", at(lambda path: path.symlink_to(_FULL)), error=errno.ENOSPC))
    if _READ_ONLY.exists():
        found.append(Hindrance("no right to write", at(lambda path: path.symlink_to(_READ_ONLY)), error=errno.EACCES))
    if os.name == "posix":
        found.append(
            Hindrance("a disk that is full in the middle", lambda folder: _little_room(folder / name), "partly")
        )
        found.append(Hindrance("the file locked by another", lambda folder: _locked(folder / name), "waits"))
    return tuple(found)


def of_stream() -> tuple[Hindrance, ...]:
    """For an exporter that writes to `sys.stderr` or `sys.stdout`: as many as this system has."""
    found = [
        Hindrance("the stream closed", lambda _: _instead(_closed())),
        Hindrance("no stream at all", lambda _: _instead(None)),
        Hindrance("the reader of the pipe gone", lambda _: _pipe_without_reader(), error=errno.EPIPE),
    ]
    if _FULL.exists():
        found.append(Hindrance("a full disk", lambda _: _into(_FULL), error=errno.ENOSPC))
    if os.name == "posix":
        found.append(Hindrance("a disk that is full in the middle", _into_little_room, "partly"))
        found.append(Hindrance("a pipe that nobody reads", lambda _: _pipe_that_is_full(), "waits"))
    return tuple(found)


def hindrances(writes_to: str) -> tuple[Hindrance, ...]:
    """Those of an exporter that writes to a `file` or a `stream`; none for one that asks a backend over a network."""
    known: Mapping[str, Callable[[], tuple[Hindrance, ...]]] = {"file": lambda: of_file(FILE), "stream": of_stream}
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
    """The limit is the whole process': it stands as short as it can, and leaves what is no regular file alone."""
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
            os.close(read)  # before the stream: whoever still waits is let go


@contextlib.contextmanager
def _closing(stream: Any) -> Iterator[None]:
    """What could not be written is not the law's concern."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            stream.close()
