"""Exponential backoff with full jitter: a random wait up to a ceiling that doubles (AWS, "Exponential Backoff And Jitter")."""

from __future__ import annotations

import random

import msgspec


class Backoff(msgspec.Struct):
    """Backoff from `initial` to `most` seconds; `random` is a parameter so that tests can seed it."""

    initial: float
    most: float
    random: random.Random = msgspec.field(default_factory=random.Random)

    def seconds(self, failures: int, after: float | None = None) -> float:
        """Return the wait after the n-th failure in a row (from 1), at least `retry_after`, which the backend requested."""
        return max(self.random.uniform(0.0, self._ceiling(failures)), after or 0.0)

    def pause(self, refusals: int) -> float:
        """Return the pause of all attempts after the n-th refusal in a row by a busy backend: at least half of the ceiling."""
        ceiling = self._ceiling(refusals)
        return self.random.uniform(ceiling / 2, ceiling)

    def _ceiling(self, failures: int) -> float:
        return min(self.most, self.initial * 2.0 ** min(failures - 1, 30))
