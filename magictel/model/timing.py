"""The time of a delivery by step. Nothing is measured unless a `Stopwatch` is among an exporter's observers (`send-sample --timing`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from magictel.model.observer import Listener, Observer


class Tuning(msgspec.Struct, frozen=True):
    """The settings of a run that affect its time, and the number of sent points.

    `together`: points that the sender passes at once, regardless of the batch limit; None: all. `in_order`: one request after the
    other, because the backend needs points in order. `compression` is None without compression.
    """

    points: int
    max_batch_points: int
    max_batch_bytes: int
    together: int | None = None
    rate_limit: float = 0.0
    in_flight: int = 1
    in_order: bool = False
    compression: str | None = None


class Waits(msgspec.Struct, frozen=True):
    """Seconds that payloads waited before sending, and how often: for the rate limit (`limited`), for a backend that throttles
    (`throttled`), or that is unreachable or fails (`away`). `code` is that of the first failure.
    """

    limited: float = 0.0
    throttled: float = 0.0
    away: float = 0.0
    refusals: int = 0
    code: str | None = None


class Timing(msgspec.Struct, frozen=True):
    """Seconds of a delivery by step; None for a missing step.

    `encode`: points to items; `compress`: bodies; `queue`: between attempts (backoff, rate limit, breaker) and bookkeeping;
    `connect`: DNS, TCP, TLS; `first_byte`: from the first byte sent to the reply's headers, including queries to the backend;
    `visible`: from the accepting reply until the last point was visible. `requests` carried points. Steps of parallel payloads
    overlap and add up to more than wall time.
    """

    encode: float
    compress: float | None = None
    queue: float | None = None
    connect: float | None = None
    first_byte: float | None = None
    visible: float | None = None
    requests: int = 0
    connections: int = 0
    waits: Waits = Waits()
    """The waits in `queue`, without bookkeeping."""
    tuning: Tuning | None = None
    payloads: int = 0
    """Number of payloads; further requests are retries and halves. 0: not counted."""

    def steps(self) -> list[tuple[str, float]]:
        """The steps in order, by their displayed names."""
        every = [
            ("encode", self.encode),
            ("compress", self.compress),
            ("queue", self.queue),
            ("connect", self.connect),
            ("first byte", self.first_byte),
            ("visible", self.visible),
        ]
        return [(name, seconds) for name, seconds in every if seconds is not None]


class Stopwatch(Observer):
    """A counter of seconds by phase, for any thread. `now` is a monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}
        self._times: dict[str, int] = {}
        self._failures: list[str] = []
        self._payloads = 0
        self._requests = 0

    @contextmanager
    def step(self, name: str, code: str | None = None) -> Iterator[None]:
        """Count the time inside for a step; a wait after a failure has its code."""
        if code is not None:
            with self._lock:
                self._failures.append(code)
        began = self._now()
        try:
            yield
        finally:
            self._add(name, self._now() - began)

    def encoded(self) -> None:
        """Count a payload."""
        with self._lock:
            self._payloads += 1

    def requested(self) -> None:
        """Count a request that carries points."""
        with self._lock:
            self._requests += 1

    def listener(self) -> Listener:
        """Return a listener that counts the steps of an exchange."""
        connecting, sending, done = 0.0, 0.0, self._now()

        def hear(name: str, _: Any) -> None:
            nonlocal connecting, sending, done
            what, now = name.partition(".")[2], self._now()
            self._add("exchange", now - done)
            done = now
            if what in ("connect_tcp.started", "start_tls.started"):
                connecting = self._now()
            elif what in ("connect_tcp.complete", "start_tls.complete", "connect_tcp.failed", "start_tls.failed"):
                self._add("tls" if what.startswith("start_tls") else "connect", self._now() - connecting)
            elif what == "send_request_headers.started":
                sending = self._now()
            elif what in ("receive_response_headers.complete", "receive_response_headers.failed"):
                self._add("first_byte", self._now() - sending)

        return hear

    def timing(self, delivery: float, visible: float | None, tuning: Tuning | None = None) -> Timing:
        """Return the time by step of a delivery that took `delivery` seconds in total."""
        spent, times = self._seconds, self._times
        encode = spent.get("encode", 0.0)
        requests = self._requests
        if not requests or "exchange" not in spent:
            return Timing(encode, visible=visible, tuning=tuning)
        compress = spent.get("compress", 0.0)
        waited = sum(spent.get(why, 0.0) for why in ("limited", "throttled", "away"))
        queue = max(waited, delivery - encode - compress - spent["exchange"])
        connect = spent.get("connect", 0.0) + spent.get("tls", 0.0)
        first_byte = spent.get("first_byte", 0.0)
        waits = Waits(
            spent.get("limited", 0.0),
            spent.get("throttled", 0.0),
            spent.get("away", 0.0),
            len(self._failures),
            next(iter(self._failures), None),
        )
        connections = times.get("connect", 0)
        return Timing(
            encode, compress, queue, connect, first_byte, visible, requests, connections, waits, tuning, self._payloads
        )

    def _add(self, phase: str, seconds: float) -> None:
        with self._lock:
            self._seconds[phase] = self._seconds.get(phase, 0.0) + seconds
            self._times[phase] = self._times.get(phase, 0) + 1
