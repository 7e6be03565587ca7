"""The outbox: payloads that wait for the next export, bounded in points and bytes; the oldest is dropped first and counted."""

from __future__ import annotations

import threading
from collections import deque

import msgspec

from magictel.encoding.payload import Payload


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
    """Stores payloads in memory between exports, from any thread; what is in it at shutdown is dropped and reported."""

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
    def waiting(self) -> tuple[Pending, ...]:
        """Return the waiting payloads, oldest first."""
        with self._lock:
            return tuple(self._waiting)

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
        """Remove and return all payloads, oldest first."""
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
            self._points = self._bytes = 0
            return taken

    def close(self) -> list[Pending]:
        """Remove and return all payloads; later ones are returned at once."""
        with self._lock:
            self.closed = True
        return self.take()

    def _pop(self) -> Pending:
        oldest = self._waiting.popleft()
        self._points -= oldest.payload.points
        self._bytes -= len(oldest.payload.body)
        return oldest
