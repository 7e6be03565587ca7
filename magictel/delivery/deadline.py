"""The deadline of a delivery: when first attempts and when retries end."""

from __future__ import annotations

import msgspec


class Deadline(msgspec.Struct, frozen=True):
    """Two moments of the monotonic clock: no wait ends after `retries`; no attempt begins after `end` (never before `retries`).

    Between the two, untried payloads still get their first attempt, unless the backend keeps timing out:
    a large collection may take longer than the time for retries, and a payload that always fails must not block the others.
    A first attempt may take until `retries` or, if that is later, `patience` seconds.
    """

    end: float
    retries: float
    patience: float = 0.0

    @classmethod
    def at(cls, moment: float) -> Deadline:
        """Return a deadline with the same moment for attempts and retries."""
        return cls(moment, moment)

    def fair(self, now: float) -> Deadline:
        """Return a payload's share: half of the time for its retries, the rest for later payloads; a first attempt may use all."""
        return Deadline(self.end, now + max(0.0, self.retries - now) / 2, max(0.0, self.end - now))
