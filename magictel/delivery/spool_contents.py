"""What a spool has, for people: its payloads and counts, their bytes, and their removal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from magictel.delivery.spool_file import SpoolFile
from magictel.delivery.spool_rows import count_dropped, disown_ended, lock_path
from magictel.delivery.stored import StoredPayload

State = Literal["waiting", "in use", "other settings"]


class Row(NamedTuple):
    """A stored payload without its body, of so many `bytes`. *In use*: a running process sends it; *other settings*: it is not sent."""

    number: int
    points: int
    bytes: int
    stored_at: float
    attempted: bool
    state: State
    code: str
    message: str


class Contents(NamedTuple):
    """The payloads of a spool in their order, and what became of all points since it was created, by fate."""

    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    file_bytes: int

    @property
    def points(self) -> int:
        """Number of stored points."""
        return sum(row.points for row in self.rows)


EMPTY = Contents((), {}, 0)


def contents(path: Path, fingerprint: str) -> Contents:
    """Return what is in a spool; nothing if there is none. Raise `SpoolError` if it cannot be read."""
    file = SpoolFile(path)
    if not file.exists():
        return EMPTY
    with file.transaction() as db:
        disown_ended(db, lock_path(path))
        rows = tuple(
            Row(number, points, size, stored_at, bool(attempted), _state(owner, made_for == fingerprint), code, message)
            for number, points, size, stored_at, attempted, owner, made_for, code, message in db.execute(
                "SELECT id, points, length(bytes), stored_at, attempted, owner, fingerprint, code, message"
                " FROM payload JOIN body USING (id) ORDER BY place, id"
            )
        )
        counts = dict(db.execute("SELECT fate, sum(points) FROM ledger GROUP BY fate ORDER BY fate").fetchall())
    file.close()
    return Contents(rows, counts, sum(part.stat().st_size for part in _parts(path)))


def stored(path: Path, numbers: Collection[int] = ()) -> Iterator[tuple[int, StoredPayload]]:
    """Yield payloads with their bytes, all or those with these numbers. Raise `SpoolError` or `ValueError` for damaged ones."""
    file = SpoolFile(path)
    with file.transaction() as db:
        known = [number for (number,) in db.execute("SELECT id FROM payload ORDER BY place, id")]
    for number in known:
        if numbers and number not in numbers:
            continue
        with file.transaction() as db:
            row = db.execute("SELECT document, bytes FROM body WHERE id = ?", (number,)).fetchone()
        if row is not None:
            yield number, StoredPayload.read(msgspec.json.decode(row[0]), row[1])
    file.close()


def remove(path: Path, numbers: Collection[int] = ()) -> int:
    """Remove payloads, all or those with these numbers, except those being sent; return how many points, which count as dropped."""
    file = SpoolFile(path)
    with file.transaction() as db:
        disown_ended(db, lock_path(path))
        rows = db.execute("SELECT id, points FROM payload WHERE sending = 0").fetchall()
        gone = [(number, points) for number, points in rows if not numbers or number in numbers]
        count_dropped(db, gone, "delivery.spool-removed")
    file.close()
    return sum(points for _, points in gone)


def _state(owner: int, ours: bool) -> State:
    if owner:
        return "in use"
    return "waiting" if ours else "other settings"


def _parts(path: Path) -> list[Path]:
    return [part for part in (path, Path(f"{path}-wal")) if part.exists()]
