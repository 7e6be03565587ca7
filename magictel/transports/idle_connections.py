"""Idle connections, kept for the next request to the same peer."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import NamedTuple

from magictel.transports.sockets import SocketStream


class _Idle(NamedTuple):
    key: Hashable
    stream: SocketStream
    until: float


class IdleConnections:
    """At most `most` connections, each for `seconds` at most. Thread-safe."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []
        """The longest idle first."""

    def take(self, key: Hashable) -> SocketStream | None:
        """Return the latest connection of this key that its peer has not closed; None: there is none."""
        while True:
            with self._lock:
                now = time.monotonic()
                place = next((at for at in reversed(range(len(self._idle))) if self._idle[at].key == key), None)
                candidate = None if place is None else self._idle.pop(place)
                expired = [idle for idle in self._idle if idle.until <= now]
                self._idle = [idle for idle in self._idle if idle.until > now]
            for idle in expired:
                idle.stream.close()
            if candidate is None:
                return None
            if candidate.until > now and candidate.stream.is_quiet():
                return candidate.stream
            candidate.stream.close()

    def give(self, key: Hashable, stream: SocketStream) -> None:
        """Keep a connection."""
        with self._lock:
            self._idle.append(_Idle(key, stream, time.monotonic() + self._seconds))
            surplus = self._idle.pop(0) if len(self._idle) > self._most else None
        if surplus is not None:
            surplus.stream.close()

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.stream.close()
