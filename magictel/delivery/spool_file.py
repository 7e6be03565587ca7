"""The file of a spool: SQLite with the payloads of one target, and the counts of what became of them.

Any process may end at any instruction: a payload and its counts change in one transaction. `sent` is at any time the sum of the other
counts and of the points stored. Bodies are stored as they are sent, without headers or credentials.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from magictel.errors import MagictelError

VERSION = 1
_TABLES = (
    """
    CREATE TABLE payload (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        place INTEGER NOT NULL,        -- its order: pieces of a payload have its place
        owner INTEGER NOT NULL,        -- who sends it; 0: the next process
        sending INTEGER NOT NULL,      -- an attempt may be under way
        fingerprint TEXT NOT NULL,
        stored_at REAL NOT NULL,
        points INTEGER NOT NULL,
        size INTEGER NOT NULL,
        attempted INTEGER NOT NULL,
        strikes INTEGER NOT NULL,
        code TEXT NOT NULL,
        message TEXT NOT NULL
    )
    """,
    # Apart, since SQLite writes a whole row anew when one of its columns changes.
    "CREATE TABLE body (id INTEGER PRIMARY KEY, document TEXT NOT NULL, bytes BLOB NOT NULL)",
    "CREATE TRIGGER gone AFTER DELETE ON payload BEGIN DELETE FROM body WHERE id = OLD.id; END",
    "CREATE INDEX in_order ON payload (place, id)",
    "CREATE TABLE ledger (fate TEXT, code TEXT, points INTEGER NOT NULL, PRIMARY KEY (fate, code)) WITHOUT ROWID",
    f"PRAGMA user_version = {VERSION}",
)
_BUSY = 5.0
"""Seconds to wait for another process: its transactions take milliseconds."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CODES = {
    sqlite3.SQLITE_FULL: "delivery.spool-disk-full",
    sqlite3.SQLITE_CORRUPT: "delivery.spool-corrupt",
    sqlite3.SQLITE_NOTADB: "delivery.spool-corrupt",
    sqlite3.SQLITE_BUSY: "delivery.spool-busy",
    sqlite3.SQLITE_LOCKED: "delivery.spool-busy",
}


class SpoolError(MagictelError):
    """The file cannot be used now."""


class SpoolFile:
    """A connection that opens on demand, for any thread; it is closed while the process forks, as SQLite requires.

    `renew`: rename a corrupt file, so that the next one is new.
    """

    def __init__(self, path: Path, *, renew: bool = False) -> None:
        self.path = path
        self._renew = renew
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        _FILES.add(self)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements that count together or not at all. Raise `SpoolError` if the file cannot be used."""
        with self._lock:
            try:
                db = self._connected()
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except (sqlite3.Error, OSError) as failure:
                self.close()
                trouble = _trouble(self.path, failure)
                if self._renew and trouble.code == "delivery.spool-corrupt":
                    self._set_aside()
                raise trouble from failure
            except BaseException:
                self.close()
                raise

    def exists(self) -> bool:
        """Return whether there is a file. Raise `SpoolError` if that is not known, or if it is no regular file."""
        try:
            return bool(_inode(self.path))
        except OSError as failure:
            raise _trouble(self.path, failure) from failure

    def close(self) -> None:
        """Close the connection, which rolls back what is not committed."""
        with self._lock:
            if self._db is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._db.close()
            self._db = None

    def _connected(self) -> sqlite3.Connection:
        inode = _inode(self.path)
        if self._db is not None and inode == self._inode:
            return self._db
        self.close()
        if not inode:
            _create(self.path)
        self._inode = self.path.stat().st_ino
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(0o600)
        self._db = _connect(self.path)
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            raise SpoolError(
                "delivery.spool-format",
                f"{self.path} has format {version}, but this version of magictel reads format {VERSION}",
                "send its points with the version that stored them, or remove the file",
            )
        return self._db

    def _set_aside(self) -> None:
        """Rename a corrupt file, unless another process did; only the latest one is kept."""
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.replace(f"{self.path}.corrupt")
                for suffix in ("-wal", "-shm"):
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)


def _inode(path: Path) -> int:
    """Return the number of the file, 0 if there is none. Raise `SpoolError` for a link: another's file would be changed."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(status.st_mode):
        raise SpoolError(
            "delivery.spool-unwritable", f"{path} is not a regular file", "remove it, or set spool to another directory"
        )
    return status.st_ino


def _create(path: Path) -> None:
    """Create an empty file, complete at once: several processes may start together."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.closing(_connect(new)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                db.execute(statement)
            db.execute("COMMIT")
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        for suffix in ("", "-wal", "-shm"):  # SQLite leaves its own on a full disk
            Path(f"{new}{suffix}").unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = NORMAL")  # no process's end loses a commit; a power failure may lose the last ones
    db.execute("PRAGMA journal_size_limit = 1048576")
    return db


def _trouble(path: Path, failure: sqlite3.Error | OSError) -> SpoolError:
    if isinstance(failure, OSError):
        code = "delivery.spool-disk-full" if failure.errno in _FULL else "delivery.spool-unwritable"
        why = failure.strerror or str(failure)
    else:
        code = _CODES.get(getattr(failure, "sqlite_errorcode", 0) & 0xFF, "delivery.spool-unwritable")
        why = str(failure)
    return SpoolError(code, f"{path}: {why}")


_FILES: weakref.WeakSet[SpoolFile] = weakref.WeakSet()
_forking: list[SpoolFile] = []


def _before_fork() -> None:
    for file in list(_FILES):
        file._lock.acquire()  # noqa: SLF001 # this file's own
        file.close()
        _forking.append(file)


def _after_fork() -> None:
    while _forking:
        _forking.pop()._lock.release()  # noqa: SLF001 # this file's own


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
