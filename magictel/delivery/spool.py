"""An outbox on disk: payloads are stored before they are sent, and survive the process.

A process sends what it stored, and what ended processes left. If the file cannot be used, payloads wait in memory, as without a spool,
until the next export finds it usable: the application never fails for it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
from msgspec.structs import replace as replace_struct

from magictel.clock import Clock
from magictel.delivery.batch import Batch
from magictel.delivery.deadline import Deadline
from magictel.delivery.outbox import Outbox, Pending
from magictel.delivery.settlement import Settlement
from magictel.delivery.spool_file import SpoolError, SpoolFile
from magictel.delivery.spool_owner import Owner
from magictel.delivery.spool_rows import (
    Fates,
    Row,
    count,
    count_dropped,
    delete,
    disown_ended,
    fates_of,
    insert,
    lock_path,
    points_where,
    total_bytes,
)
from magictel.delivery.stored import StoredPayload
from magictel.encoding.payload import Payload
from magictel.files import expanded
from magictel.model.outcome import Reason
from magictel.settings.model import ExporterSettings

T = TypeVar("T")
_PORTION = 64, 8_388_608
"""Payloads, and bytes, in memory at a time while the spool is sent (one payload at least)."""
_STRIKES = 3
_INTERRUPTED = "delivery.shutdown", "the process ended before the backend confirmed them"


def spool_path(folder: str, target: str) -> Path:
    """Return the file of a target in the folder of its setting `spool`."""
    return expanded(folder) / f"{quote(target, safe=' ')}.spool"


class Spool(Outbox):
    """An outbox whose payloads are in a file, within `spool_bytes` and `spool_age`; the oldest are dropped first and counted."""

    def __init__(
        self,
        path: Path,
        settings: ExporterSettings,
        clock: Clock,
        log: logging.Logger,
        *,
        target: str,
        fingerprint: Callable[[], str],
        redact: Callable[[str], str] = str,
        in_order: bool = False,
    ) -> None:
        super().__init__(settings.outbox_points, settings.outbox_bytes)
        self._settings, self._clock, self._log = settings, clock, log
        self._target, self._fingerprint, self._redact = target, fingerprint, redact
        self._order = "place, id" if in_order else f"strikes >= {_STRIKES}, place, id"
        self._file = SpoolFile(path, renew=True)
        self._locks = lock_path(path)
        self._turn = threading.RLock()
        self._owner: Owner | None = None
        self._down = True
        self._stored = 0
        self._lost: list[Pending] = []
        self._late: list[tuple[int, Fates]] = []
        """Payloads that are settled, which the file could not record yet."""
        self._reported: set[str] = set()
        self._told_of_others = False
        self._last_summary: tuple[Pending, ...] = ()

    @property
    def points(self) -> int:
        """Number of data points that this process has to send."""
        return super().points + self._stored

    @property
    def bytes(self) -> int:
        """Number of bytes in memory, and in the file for all processes."""
        return super().bytes + self._use(total_bytes, 0)

    @property
    def file(self) -> str | None:
        """Path of the file."""
        return str(self._file.path)

    def adopt(self) -> int:
        """Take over what ended processes left, under the same fingerprint; try again to use a file that could not be used."""
        if not self._down:
            self._reported.clear()
        self._down = self.closed
        adopted = self._use(self._adopt, 0)
        for pending in [] if self._down else super().take():  # before newer points are stored
            self.put(pending)
        return adopted

    def share(self, until: Deadline) -> Deadline:
        """Return the time for what waits: retries as usual, and first attempts in half of the export, so that new points have a turn."""
        now = self._clock.monotonic()
        return replace_struct(until, end=max(until.retries, now + (until.end - now) / 2))

    def store(self, lot: Batch) -> Batch:
        """Store a batch before it is sent, all of it or nothing."""
        if self._down:
            return lot
        parts: deque[Payload | Reason] = deque()
        failure: Exception | None = None
        try:
            parts.extend(lot.parts)
        except Exception as bug:
            failure = bug
        pending = [Pending(part, *_INTERRUPTED) for part in parts if isinstance(part, Payload)]
        numbers = iter(self._use(lambda db: self._insert(db, pending, sending=True), [0] * len(pending)))

        def stored() -> Iterator[Payload | Reason]:
            while parts:  # each is freed when it is sent
                part = parts.popleft()
                yield replace(part, stored=next(numbers)) if isinstance(part, Payload) else part
            if failure is not None:
                raise failure

        return Batch(stored(), lot.sent, lot.rest)

    def settle(self, payload: Payload, settled: Settlement) -> None:
        """Replace a stored payload by what is left of it, and count the rest, in one transaction."""
        if not payload.stored:
            return
        left, fates = settled.left, fates_of(payload, settled)
        self._stored -= payload.points
        if not self._use(lambda db: self._replace(db, payload, left, fates), otherwise=False):
            fates["sent", ""] = -sum(pending.payload.points for pending in left)
            self._late.append((payload.stored, fates))
            settled.left = [_in_memory(pending) for pending in left]

    def take(self) -> list[Pending]:
        """Return the next portion of the file, and after the last one what waits in memory."""
        nothing: list[Pending] = []
        return self._use(self._take, nothing) or super().take()

    def put(self, waiting: Pending) -> list[Pending]:
        """Keep a payload that is not stored yet; return what is dropped for it."""
        if waiting.payload.stored or self._keep(waiting):
            return []
        return super().put(waiting)

    def lost(self) -> list[Pending]:
        """Return what was dropped from disk since the last call."""
        with self._turn:
            lost, self._lost = self._lost, []
        return lost

    def summary(self) -> tuple[Pending, ...]:
        """Return what waits, without the bodies of stored payloads."""
        if not self.closed:
            self._last_summary = self._use(self._summary, self._last_summary)
        return (*self.waiting, *self._last_summary)

    def close(self) -> list[Pending]:
        """Leave what is stored to the next process; return what could not be stored."""
        self._last_summary = self._use(self._summary, ())
        left = super().close()
        self._down = self._owner is None and not left
        left = [pending for pending in left if not self._keep(pending)]
        self._use(self._leave, None)
        if self._stored:
            self._log.info("%d points are kept in %s; the next process sends them", self._stored, self._file.path)
        self._file.close()
        return left

    # ---- the file ----------------------------------------------------------------------------------------------------

    def _use(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Run `work` in a transaction; if the file cannot be used, undo it, report why, and return `otherwise`."""
        with self._turn:
            if self._down:
                return otherwise
            before = self._stored, len(self._lost)
            try:
                with self._file.transaction() as db:
                    for number, fates in self._late:
                        if delete(db, [number]):
                            count(db, fates)
                    result = work(db)
            except BaseException as failure:
                self._stored = before[0]
                del self._lost[before[1] :]
                if not isinstance(failure, SpoolError):
                    raise
                self._down = True
                self._report(failure)
                return otherwise
            self._late.clear()
            return result

    def _report(self, trouble: SpoolError) -> None:
        if trouble.code not in self._reported:
            self._reported.add(trouble.code)
            self._log.error("%s: %s; points wait in memory", trouble.code, trouble.message)

    def _me(self) -> int:
        if self._owner is None:
            self._owner = Owner(self._locks)
        else:
            self._owner.renew()
        return self._owner.number

    def _adopt(self, db: sqlite3.Connection) -> int:
        me = self._me()
        disown_ended(db, self._locks)
        oldest = self._clock.now() - self._settings.spool_age
        aged = db.execute("SELECT id, points, owner FROM payload WHERE sending = 0 AND stored_at < ?", (oldest,))
        self._drop(db, aged.fetchall(), "delivery.spool-age", "stored for longer than spool_age")
        ours = (self._fingerprint(),)
        adopted = points_where(db, "owner = 0 AND fingerprint = ?", ours)
        db.execute("UPDATE payload SET owner = ? WHERE owner = 0 AND fingerprint = ?", (me, *ours))
        self._stored += adopted
        missing = self._stored - points_where(db, "owner = ?", (me,))
        if missing > 0:
            self._stored -= missing
            self._lost.append(_without_body(missing, "delivery.spool-removed", "removed from the spool meanwhile"))
        others = points_where(db, "owner = 0")
        if others and not self._told_of_others:
            self._told_of_others = True
            self._log.warning(
                "delivery.fingerprint: %d points in %s were stored for other settings of %s, and are not sent",
                others, self._file.path, self._target,
            )  # fmt: skip
        return adopted

    def _insert(self, db: sqlite3.Connection, waiting: Sequence[Pending], *, sending: bool = False) -> list[int]:
        """Store payloads; return their numbers, or 0 for one that is too large for the spool."""
        rows = [self._row(pending, sending=sending) for pending in waiting]
        fitting = [row for row in rows if row.size <= self._settings.spool_bytes]
        self._make_room(db, sum(row.size for row in fitting))
        free = self._settings.spool_bytes - total_bytes(db)
        numbers = []
        for row in rows:
            if row.size > free:
                numbers.append(0)
                continue
            free -= row.size
            numbers.append(insert(db, row))
            count(db, Fates({("sent", ""): row.points}))
            self._stored += row.points
        return numbers

    def _row(self, pending: Pending, *, sending: bool = False, place: int = 0, stored_at: float | None = None) -> Row:
        payload, fingerprint = pending.payload, self._fingerprint()
        stored_at = self._clock.now() if stored_at is None else stored_at
        message = self._redact(pending.message)
        document = StoredPayload(payload, self._target, fingerprint, stored_at, pending.code, message).document()
        text = msgspec.json.encode(document)
        return Row(
            place, self._me(), sending, fingerprint, stored_at, payload.points, len(payload.body) + len(text),
            payload.attempted, pending.strikes, pending.code, message, text.decode(), payload.body,
        )  # fmt: skip

    def _make_room(self, db: sqlite3.Connection, size: int) -> None:
        excess = total_bytes(db) + size - self._settings.spool_bytes
        oldest = []
        for number, points, owner, freed in db.execute(
            "SELECT id, points, owner, size FROM payload WHERE sending = 0 ORDER BY place, id"
        ):
            if excess <= 0:
                break
            excess -= freed
            oldest.append((number, points, owner))
        self._drop(db, oldest, "delivery.spool-full", "the spool reached spool_bytes")

    def _drop(self, db: sqlite3.Connection, rows: Iterable[tuple[int, int, int]], code: str, message: str) -> None:
        for number, points, owner in rows:
            count_dropped(db, [(number, points)], code)
            if owner == self._me():
                self._stored -= points
                self._lost.append(_without_body(points, code, message))

    def _replace(self, db: sqlite3.Connection, payload: Payload, left: Sequence[Pending], fates: Fates) -> bool:
        self._stored += sum(pending.payload.points for pending in left)
        row = db.execute("SELECT place, stored_at FROM payload WHERE id = ?", (payload.stored,)).fetchone()
        if row is None:  # removed meanwhile, and counted as dropped
            return True
        count(db, fates)
        if len(left) == 1 and left[0].payload.body is payload.body:
            now = left[0]
            db.execute(
                "UPDATE payload SET sending = 0, attempted = ?, strikes = ?, code = ?, message = ? WHERE id = ?",
                (now.payload.attempted, now.strikes, now.code, self._redact(now.message), payload.stored),
            )
            return True
        for pending in left:
            insert(db, self._row(pending, place=row[0], stored_at=row[1]))
        delete(db, [payload.stored])
        return True

    def _take(self, db: sqlite3.Connection) -> list[Pending]:
        most, room = _PORTION
        taken: list[Pending] = []
        numbers = []
        broken = []
        for number, points, size, attempted, strikes, code, message, document, body in db.execute(
            "SELECT id, points, size, attempted, strikes, code, message, document, bytes FROM payload JOIN body USING (id)"
            f" WHERE owner = ? AND sending = 0 ORDER BY {self._order} LIMIT ?",
            (self._me(), most),
        ):
            room -= size
            if room < 0 and taken:
                break
            try:
                payload = StoredPayload.read(msgspec.json.decode(document), body).payload
            except ValueError:
                broken.append((number, points, self._me()))
                continue
            payload = replace(payload, stored=number, attempted=bool(attempted), batch=0)
            taken.append(Pending(payload, code, message, strikes=strikes))
            numbers.append((number,))
        self._drop(db, broken, "delivery.spool-corrupt", "the stored bytes do not match their checksum")
        db.executemany("UPDATE payload SET sending = 1 WHERE id = ?", numbers)
        return taken

    def _keep(self, pending: Pending) -> bool:
        return bool(self._use(lambda db: self._insert(db, [pending]), [0])[0])

    def _summary(self, db: sqlite3.Connection) -> tuple[Pending, ...]:
        rows = db.execute(
            "SELECT code, message, attempted, sum(points) FROM payload WHERE owner = ? AND sending = 0 GROUP BY code, message, attempted",
            (self._me(),),
        )
        return tuple(
            _without_body(points, code, message, attempted=bool(attempted)) for code, message, attempted, points in rows
        )

    def _leave(self, db: sqlite3.Connection) -> None:
        db.execute("UPDATE payload SET owner = 0 WHERE owner = ? AND sending = 0", (self._me(),))
        if self._owner is not None and not points_where(db, "owner = ?", (self._me(),)):
            self._owner.release()


def _without_body(points: int, code: str, message: str, *, attempted: bool = False) -> Pending:
    return Pending(Payload(b"", points, attempted=attempted), code, message)


def _in_memory(pending: Pending) -> Pending:
    return replace_struct(pending, payload=replace(pending.payload, stored=0))
