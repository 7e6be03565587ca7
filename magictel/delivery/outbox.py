"""The outbox: payloads that wait for the next export, bounded in points and bytes; the oldest is dropped first, and counted."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from magictel.encoding.payload import Payload


@dataclass(frozen=True, slots=True)
class Pending:
    """A payload that is open, with the code and sentence of what kept it out of the backend.

    `lot`: the export it came with. `strikes`: how much speaks for the payload itself being what the backend cannot take, and not
    only being held back with the others.
    """

    payload: Payload
    code: str
    message: str
    lot: int = 0
    strikes: int = 0


class Outbox(Protocol):
    """What keeps payloads between exports. All of it may be called from any thread."""

    @property
    def points(self) -> int:
        """Data points waiting now."""
        ...

    @property
    def closed(self) -> bool:
        """True once `close` was called."""
        ...

    @property
    def waiting(self) -> tuple[Pending, ...]:
        """What waits now, oldest first."""
        ...

    def put(self, waiting: Pending) -> list[Pending]:
        """Append a payload; return what had to be dropped for it, oldest first (the payload itself where it never fits, or once closed)."""
        ...

    def take(self) -> list[Pending]:
        """Empty the outbox, oldest first."""
        ...

    def close(self) -> list[Pending]:
        """Return what would be lost with the process, and take nothing more."""
        ...


class MemoryOutbox:
    """In memory, so it does not survive the process; what is in it at shutdown is dropped and named."""

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
        """Data points waiting now."""
        return self._points

    @property
    def bytes(self) -> int:
        """Uncompressed bytes waiting now."""
        return self._bytes

    @property
    def waiting(self) -> tuple[Pending, ...]:
        """What waits now, oldest first."""
        with self._lock:
            return tuple(self._waiting)

    def put(self, waiting: Pending) -> list[Pending]:
        """Append a payload; return what had to be dropped for it, oldest first (the payload itself where it never fits, or once closed)."""
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
        """Empty the outbox, oldest first."""
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
            self._points = self._bytes = 0
            return taken

    def close(self) -> list[Pending]:
        """Empty it for good: what is put from now on comes back at once."""
        with self._lock:
            self.closed = True
        return self.take()

    def _pop(self) -> Pending:
        oldest = self._waiting.popleft()
        self._points -= oldest.payload.points
        self._bytes -= len(oldest.payload.body)
        return oldest
