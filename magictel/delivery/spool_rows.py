"""Statements on a spool's file that belong together: payloads, their owners, and the counts of what became of their points."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from magictel.delivery.settlement import Settlement
from magictel.delivery.spool_owner import lives
from magictel.encoding.payload import Payload
from magictel.model.outcome import Fate

Fates = Counter[tuple[str, str]]
"""Points by fate and code."""


class Row(NamedTuple):
    """A payload as columns of both tables; `place` 0: its own number."""

    place: int
    owner: int
    sending: bool
    fingerprint: str
    stored_at: float
    points: int
    size: int
    attempted: bool
    strikes: int
    code: str
    message: str
    document: str
    body: bytes


def lock_path(path: Path) -> Path:
    """Return the file in which the owners of a spool's payloads lock their bytes."""
    return path.with_name(f"{path.name}.lock")


def disown_ended(db: sqlite3.Connection, locks: Path) -> None:
    """Free what belongs to processes that ended; what they were sending may be stored by the backend."""
    for (owner,) in db.execute("SELECT DISTINCT owner FROM payload WHERE owner != 0").fetchall():
        if not lives(locks, owner):
            db.execute(
                "UPDATE payload SET owner = 0, attempted = attempted OR sending, sending = 0 WHERE owner = ?", (owner,)
            )


def count_dropped(db: sqlite3.Connection, rows: Iterable[tuple[int, int]], code: str) -> None:
    """Remove payloads, given with their points, and count these as dropped."""
    for number, points in rows:
        if delete(db, [number]):
            count(db, Fates({(Fate.DROPPED, code): points}))


def fates_of(payload: Payload, settled: Settlement) -> Fates:
    """Return what became of the points of a payload; the rest is left."""
    fates = Fates({("delivered", ""): settled.delivered, ("repeated", ""): settled.repeated})
    for reason in settled.reasons:
        if reason.fate in (Fate.REJECTED, Fate.UNCONFIRMED):
            fates[reason.fate, reason.code] += reason.count
    for pending in settled.lost:
        fates[Fate.DROPPED, pending.code] += pending.payload.points
    left = sum(pending.payload.points for pending in settled.left)
    known = sum(fates.values()) - settled.repeated + left
    fates[Fate.DROPPED, "internal.export"] += payload.points - known
    return +fates


def insert(db: sqlite3.Connection, row: Row) -> int:
    """Insert a payload, and return its number."""
    *columns, document, body = row
    number = db.execute(
        "INSERT INTO payload (place, owner, sending, fingerprint, stored_at, points, size, attempted, strikes, code, message)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        columns,
    ).lastrowid
    assert number is not None
    db.execute("UPDATE payload SET place = ? WHERE id = ? AND place = 0", (number, number))
    db.execute("INSERT INTO body VALUES (?, ?, ?)", (number, document, body))
    return number


def count(db: sqlite3.Connection, fates: Mapping[tuple[str, str], int]) -> None:
    """Add points to the counts of their fates."""
    db.executemany(
        "INSERT INTO ledger VALUES (?, ?, ?) ON CONFLICT (fate, code) DO UPDATE SET points = points + excluded.points",
        [(str(fate), code, points) for (fate, code), points in fates.items()],
    )


def delete(db: sqlite3.Connection, numbers: Iterable[int]) -> int:
    """Remove payloads; return how many there were."""
    return sum(db.execute("DELETE FROM payload WHERE id = ?", (number,)).rowcount for number in numbers)


def total_bytes(db: sqlite3.Connection) -> int:
    """Return the size of all payloads."""
    return int(db.execute("SELECT coalesce(sum(size), 0) FROM payload").fetchone()[0])


def points_where(db: sqlite3.Connection, where: str, values: Sequence[object] = ()) -> int:
    """Return the number of points in these payloads."""
    return int(db.execute(f"SELECT coalesce(sum(points), 0) FROM payload WHERE {where}", values).fetchone()[0])
