"""What Prometheus keeps of samples: the head block's rules that affect a sender, by version.

A request is one transaction: the first refused sample undoes all of it. Samples within one request do not see each
other, so what is out of order among them is dropped at the commit, in silence (2.42, measured; tsdb/head_append.go).
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]
Sample = tuple[int, float]
"""Milliseconds since the Unix epoch, value."""

_HALF_BLOCK = 3_600_000
_FAR_FUTURE = 600_000
STALE = 0x7FF0000000000002


class RefusedError(Exception):
    """A sample that the head does not take: the status and sentence that the whole request is answered with."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(slots=True)
class _Series:
    samples: list[Sample] = field(default_factory=list)
    newest: Sample | None = None


class Store:
    """Series and their samples. Thread-safe. `window`: milliseconds of `out_of_order_time_window`; `major`: 2 or 3."""

    def __init__(self, *, major: int = 2, window: int = 0) -> None:
        self.major = major
        self.window = window
        self.invalid = 0
        """Samples dropped for their labels although the answer was 204 (3 only)."""
        self._series: dict[Labels, _Series] = {}
        self._lock = threading.Lock()
        self._newest: int | None = None

    def append(self, series: Iterable[tuple[Sequence[tuple[str, str]], Sequence[Sample]]], now: int) -> None:
        """Store a request's samples, all or none. Raises `RefusedError`."""
        with self._lock:
            oldest = None if self._newest is None else self._newest - _HALF_BLOCK
            taken: list[tuple[Labels, int, float]] = []
            for pairs, samples in series:
                labels = self._labels(pairs, len(samples))
                for time, value in samples if labels is not None else ():
                    assert labels is not None
                    self._check(labels, time, value, oldest, now)
                    taken.append((labels, time, value))
            for labels, time, value in taken:
                self._commit(self._series.setdefault(labels, _Series()), time, value)

    @property
    def stored(self) -> int:
        """How many samples all series hold."""
        with self._lock:
            return sum(len(series.samples) for series in self._series.values())

    def select(self, matches: Callable[[Labels], bool], since: int, until: int) -> list[tuple[Labels, list[Sample]]]:
        """Series with samples in [since, until] milliseconds, by labels."""
        with self._lock:
            selected = []
            for labels in sorted(self._series):
                if matches(labels):
                    samples = [sample for sample in self._series[labels].samples if since <= sample[0] <= until]
                    if samples:
                        selected.append((labels, samples))
            return selected

    def names(self, matches: Callable[[Labels], bool]) -> list[Labels]:
        """Series that match, whether or not samples of them are left."""
        with self._lock:
            return [labels for labels in sorted(self._series) if matches(labels)]

    def delete(self, matches: Callable[[Labels], bool], since: int, until: int) -> None:
        """Put tombstones on samples; the series stay known until a compaction."""
        with self._lock:
            for labels, series in self._series.items():
                if matches(labels):
                    series.samples = [sample for sample in series.samples if not since <= sample[0] <= until]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._series.clear()
            self._newest = None

    def _labels(self, pairs: Sequence[tuple[str, str]], samples: int) -> Labels | None:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if self.major >= 3 and (twice is not None or "" in names or not dict(pairs).get("__name__")):
            self.invalid += samples
            return None
        labels = tuple(sorted((name, value) for name, value in pairs if value))
        if not labels:
            raise RefusedError(500, "empty labelset: invalid sample")
        if twice is not None:
            raise RefusedError(500, f'label name "{twice}" is not unique: invalid sample')
        return labels

    def _check(self, labels: Labels, time: int, value: float, oldest: int | None, now: int) -> None:
        if self.major >= 3 and time > now + _FAR_FUTURE:
            raise RefusedError(400, "out of bounds: timestamp is too far in the future")
        in_time = oldest is None or time >= oldest
        if in_time:
            series = self._series.get(labels)
            if series is None or series.newest is None or time > series.newest[0]:
                return
            if time == series.newest[0]:
                self._same(series.newest, time, value)
                return
        if self.window:
            if self._newest is not None and time >= self._newest - self.window:
                return
            raise RefusedError(500 if self.major < 3 else 400, "too old sample")
        raise RefusedError(400, "out of order sample" if in_time else "out of bounds")

    def _same(self, newest: Sample, time: int, value: float) -> None:
        if struct.pack("<d", newest[1]) == struct.pack("<d", value):
            return
        more = f" {time}; overrides not allowed: existing {newest[1]:g}, new value {value:g}" if self.major >= 3 else ""
        raise RefusedError(400, f"duplicate sample for timestamp{more}")

    def _commit(self, series: _Series, time: int, value: float) -> None:
        if series.newest is None or time > series.newest[0]:
            series.samples.append((time, value))
            series.newest = (time, value)
            self._newest = time if self._newest is None else max(self._newest, time)
        elif self.window and all(time != known for known, _ in series.samples):
            series.samples.append((time, value))
            series.samples.sort(key=lambda sample: sample[0])


def is_stale(value: float) -> bool:
    """True for the marker that ends a series."""
    return bool(struct.unpack("<Q", struct.pack("<d", value))[0] == STALE)
