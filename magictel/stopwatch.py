"""Where the time of one delivery goes. Nothing is measured unless somebody hands an exporter a `Stopwatch` (`send-sample --timing`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one delivery by what they went into; None: there is no such step here.

    `encode`: points to items; `compress`: bodies; `queue`: between attempts (back-off, rate limit, breaker) and our own bookkeeping;
    `connect`: names, TCP, TLS; `first_byte`: from the first byte out to the reply's headers, questions to the backend included;
    `visible`: from the accepting reply until the last point was shown. `requests` carried points. Where payloads travel side by
    side, steps overlap and add up to more than wall time.
    """

    encode: float
    compress: float | None = None
    queue: float | None = None
    connect: float | None = None
    first_byte: float | None = None
    visible: float | None = None
    requests: int = 0
    connections: int = 0

    def steps(self) -> list[tuple[str, float]]:
        """The steps that there are, in order, by the names people read."""
        every = [
            ("encode", self.encode),
            ("compress", self.compress),
            ("queue", self.queue),
            ("connect", self.connect),
            ("first byte", self.first_byte),
            ("visible", self.visible),
        ]
        return [(name, seconds) for name, seconds in every if seconds is not None]


class Stopwatch:
    """Adds up seconds by phase, from any thread. `now` is a monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}
        self._times: dict[str, int] = {}

    @contextmanager
    def lap(self, phase: str) -> Iterator[None]:
        """The time inside counts for a phase."""
        began = self._now()
        try:
            yield
        finally:
            self._add(phase, self._now() - began)

    def each(self, phase: str, items: Iterable[T]) -> Iterator[T]:
        """Pass items on; the time that making them takes counts for a phase."""
        source = iter(items)
        while True:
            with self.lap(phase):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item

    def tracer(self) -> Callable[[str, Any], None]:
        """Hears of one exchange's events by httpcore's names (its `trace` extension), from its beginning."""
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

    def timing(self, delivery: float, visible: float | None) -> Timing:
        """What was measured of a delivery that took so many seconds in all."""
        spent, times = self._seconds, self._times
        encode = spent.get("encode", 0.0)
        requests = times.get("compress", 0)
        if not requests or "exchange" not in spent:
            return Timing(encode, visible=visible)
        compress = spent["compress"]
        queue = max(0.0, delivery - encode - compress - spent["exchange"])
        connect = spent.get("connect", 0.0) + spent.get("tls", 0.0)
        first_byte = spent.get("first_byte", 0.0)
        return Timing(encode, compress, queue, connect, first_byte, visible, requests, times.get("connect", 0))

    def _add(self, phase: str, seconds: float) -> None:
        with self._lock:
            self._seconds[phase] = self._seconds.get(phase, 0.0) + seconds
            self._times[phase] = self._times.get(phase, 0) + 1
