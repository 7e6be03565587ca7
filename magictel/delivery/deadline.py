"""The deadline of a delivery: until when attempts begin, and until when they are repeated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when, on the monotonic clock: no wait ends after `retries`; no attempt begins after `end` (never before `retries`).

    Between the two, payloads that were not tried yet still get their first attempt, unless the backend keeps timing out:
    a large collection may take longer than the time for retries, and a payload that is never taken must not block the others.
    A first attempt may take until `retries` or, if that is later, `patience` seconds.
    """

    end: float
    retries: float
    patience: float = 0.0

    @classmethod
    def at(cls, moment: float) -> Deadline:
        """One moment for everything."""
        return cls(moment, moment)

    def fair(self, now: float) -> Deadline:
        """Half of the time for the retries of one payload, the rest for those behind it; a first attempt may take all."""
        return Deadline(self.end, now + max(0.0, self.retries - now) / 2, max(0.0, self.end - now))
