"""Exponential backoff with full jitter: a random wait up to a ceiling that doubles (AWS, "Exponential Backoff And Jitter")."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """`initial` and `most` in seconds; `random` is injected so that tests can seed it."""

    initial: float
    most: float
    random: random.Random = field(default_factory=random.Random)

    def seconds(self, failures: int, after: float | None = None) -> float:
        """How long to wait after the n-th failure in a row (from 1); never less than the backend asked for (`retry_after`)."""
        return max(self.random.uniform(0.0, self._ceiling(failures)), after or 0.0)

    def pause(self, refusals: int) -> float:
        """How long everything waits after the n-th refusal in a row by a backend that is busy: never less than half of the ceiling."""
        ceiling = self._ceiling(refusals)
        return self.random.uniform(ceiling / 2, ceiling)

    def _ceiling(self, failures: int) -> float:
        return min(self.most, self.initial * 2.0 ** min(failures - 1, 30))
