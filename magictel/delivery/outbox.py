"""The outbox: payloads that wait for the next export, bounded in points and bytes; the oldest is dropped first and counted."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from magictel.delivery.batch import Batch
from magictel.delivery.deadline import Deadline
from magictel.encoding.payload import Payload

if TYPE_CHECKING:
    from magictel.delivery.settlement import Settlement


class Pending(msgspec.Struct, frozen=True):
    """A payload that is not delivered yet, with the code and message of why.

    `lot`: the export it came with. `strikes`: failures that suggest that the backend cannot take this payload itself, and not
    that it waits with the others.
    """

    payload: Payload
    code: str
    message: str
    lot: int = 0
    strikes: int = 0


class Outbox:
    """Stores payloads in memory between exports, from any thread; what is in it at shutdown is dropped and reported.

    `Spool` stores them on disk, before they are sent.
    """

    def __init__(self, max_points: int, max_bytes: int) -> None:
        self._max_points = max_points
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._waiting: deque[Pending] = deque()
        self._points = 0
        self._bytes = 0
        self.closed = False

    @property
    def points(self) -> int:
        """Number of data points waiting."""
        return self._points

    @property
    def bytes(self) -> int:
        """Number of bytes waiting."""
        return self._bytes

    @property
    def file(self) -> str | None:
        """Path of the file in which payloads wait, or None: in memory."""
        return None

    @property
    def waiting(self) -> tuple[Pending, ...]:
        """Return the payloads that wait in memory, oldest first."""
        with self._lock:
            return tuple(self._waiting)

    def summary(self) -> tuple[Pending, ...]:
        """Return what waits, for its counts and reasons; the bodies may be empty."""
        return self.waiting

    def adopt(self) -> int:
        """Take over what ended processes left on disk; return the number of its points."""
        return 0

    def share(self, until: Deadline) -> Deadline:
        """Return the time of an export that what waits may use before new points."""
        return until

    def store(self, lot: Batch) -> Batch:
        """Store a batch on disk before it is sent, and return it."""
        return lot

    def settle(self, payload: Payload, settled: Settlement) -> None:
        """Replace a payload on disk by what is left of it."""

    def lost(self) -> list[Pending]:
        """Return what was dropped from disk since the last call; the bodies are empty."""
        return []

    def put(self, waiting: Pending) -> list[Pending]:
        """Append a payload; return what is dropped for it, oldest first (the payload itself if it cannot fit or the outbox is closed)."""
        with self._lock:
            if self.closed:
                return [waiting]
            self._waiting.append(waiting)
            self._points += waiting.payload.points
            self._bytes += len(waiting.payload.body)
            dropped = []
            while self._waiting and (self._points > self._max_points or self._bytes > self._max_bytes):
                dropped.append(self._pop())
            return dropped

    def take(self) -> list[Pending]:
        """Remove and return payloads to send, oldest first; a spool returns them in portions."""
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
            self._points = self._bytes = 0
            return taken

    def close(self) -> list[Pending]:
        """Remove and return what is not on disk; later payloads are returned at once."""
        with self._lock:
            self.closed = True
        return Outbox.take(self)

    def _pop(self) -> Pending:
        oldest = self._waiting.popleft()
        self._points -= oldest.payload.points
        self._bytes -= len(oldest.payload.body)
        return oldest
