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
        """How long to wait after the n-th failure in a row (from 1); never less than the backend asked for (`after`)."""
        ceiling = min(self.most, self.initial * 2.0 ** min(failures - 1, 30))
        return max(self.random.uniform(0.0, ceiling), after or 0.0)
