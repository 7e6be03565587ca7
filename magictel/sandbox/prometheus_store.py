"""The rules of Prometheus' head block that affect a sender, in 2.42 without an out-of-order window.

A request is a transaction: the first refused sample rolls all of it back. Samples of one request are not compared with each
other, so those that are out of order among them are dropped silently at the commit (2.42, measured; tsdb/head_append.go).
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """A native histogram; `buckets`: bounds and count of each that is not empty, in order."""

    count: int
    sum: float
    buckets: tuple[tuple[float, float, int], ...]


Sample = tuple[int, float | NativeHistogram]
"""Milliseconds since the Unix epoch, value."""

_HALF_BLOCK = 3_600_000
(_STALE,) = struct.unpack(">d", bytes.fromhex("7ff0000000000002"))


class RefusedError(Exception):
    """A sample that the head refuses: status and text of the reply to the whole request."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(slots=True)
class Series:
    """The stored samples, and the newest one ever received, which a deletion does not change."""

    samples: list[Sample] = field(default_factory=list)
    newest: Sample | None = None


class Store:
    """Series and their samples. Thread-safe."""

    def __init__(self) -> None:
        self.series: dict[Labels, Series] = {}
        self.newest: int | None = None
        self._lock = threading.RLock()

    def append(self, series: Iterable[tuple[Sequence[tuple[str, str]], Sequence[Sample]]], now: int) -> None:
        """Store a request's samples, all or none. Raise `RefusedError`."""
        with self._lock:
            accepted: list[tuple[Labels, Sample]] = []
            for pairs, samples in series:
                labels = self.labels(pairs, len(samples))
                for sample in samples if labels is not None else ():
                    assert labels is not None
                    self.check(labels, sample, now)
                    accepted.append((labels, sample))
            self.keep(accepted)

    def verdict(self, pairs: Sequence[tuple[str, str]], sample: Sample, now: int) -> Labels:
        """Return the labels under which a sample could be kept. Raise `RefusedError`."""
        with self._lock:
            labels = self.labels(pairs, 1)
            assert labels is not None
            self.check(labels, sample, now)
            return labels

    def keep(self, samples: Iterable[tuple[Labels, Sample]]) -> None:
        """Store a request's samples. Silently drop one that is not newer than the one before it: `check` did not compare them."""
        with self._lock:
            for labels, sample in samples:
                self.commit(self.series.setdefault(labels, Series()), sample)

    @property
    def stored(self) -> int:
        """The number of stored samples."""
        with self._lock:
            return sum(len(series.samples) for series in self.series.values())

    def select(
        self, matches: Callable[[Labels], bool], since: int = -(1 << 62), until: int = 1 << 62
    ) -> list[tuple[Labels, list[Sample]]]:
        """Return series with samples in [since, until] milliseconds, by labels."""
        with self._lock:
            chosen = [(labels, self.series[labels].samples) for labels in sorted(self.series) if matches(labels)]
        within = ((labels, [sample for sample in samples if since <= sample[0] <= until]) for labels, samples in chosen)
        return [(labels, samples) for labels, samples in within if samples]

    def delete(self, matches: Callable[[Labels], bool], since: int, until: int) -> None:
        """Put tombstones on samples; the series stay known until a compaction."""
        with self._lock:
            for labels, series in self.series.items():
                if matches(labels):
                    series.samples = [sample for sample in series.samples if not since <= sample[0] <= until]

    def labels(self, pairs: Sequence[tuple[str, str]], samples: int) -> Labels | None:
        """Return the labels of a series, None if its samples are dropped silently. Raise `RefusedError`."""
        labels = tuple(sorted((name, value) for name, value in pairs if value))
        if not labels:
            raise RefusedError(500, "empty labelset: invalid sample")
        if (twice := repeated(pairs)) is not None:
            raise RefusedError(500, f'label name "{twice}" is not unique: invalid sample')
        return labels

    def check(self, labels: Labels, sample: Sample, now: int) -> None:
        """Raise `RefusedError` for a sample that the head does not accept."""
        time, value = sample
        if self.newest is not None and time < self.newest - _HALF_BLOCK:
            raise RefusedError(400, "out of bounds")
        series = self.series.get(labels)
        if series is None or series.newest is None or time > series.newest[0]:
            return
        if time < series.newest[0]:
            raise RefusedError(400, "out of order sample")
        if not _same(series.newest[1], value):
            raise RefusedError(400, "duplicate sample for timestamp")

    def commit(self, series: Series, sample: Sample) -> None:
        """Add a sample that is newer than its series; drop any other."""
        if series.newest is None or sample[0] > series.newest[0]:
            series.samples.append(sample)
            series.newest = sample
            self.newest = sample[0] if self.newest is None else max(self.newest, sample[0])


def repeated(pairs: Sequence[tuple[str, str]]) -> str | None:
    """Return the first repeated label name."""
    names = [name for name, _ in pairs]
    return next((name for name in names if names.count(name) > 1), None)


def is_stale(value: float | NativeHistogram) -> bool:
    """True for the marker that ends a series."""
    return _same(value, _STALE)


def _same(value: float | NativeHistogram, other: float | NativeHistogram) -> bool:
    """Return whether two values are equal, numbers bit by bit: zero differs from minus zero, and a NaN equals itself."""
    if isinstance(value, NativeHistogram) or isinstance(other, NativeHistogram):
        return value == other
    return struct.pack("<d", value) == struct.pack("<d", other)
