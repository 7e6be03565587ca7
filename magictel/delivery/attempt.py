"""One send of one payload: what an exporter's attempt returns, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from magictel.encoding.payload import Payload
from magictel.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Attempted:
    """The verdict on one send, and how many body bytes travelled for it.

    `status`: the reply's, where there was one. `waited`: seconds that the backend took; None: all that the attempt took.
    """

    outcome: Outcome
    bytes: int = 0
    status: int | None = None
    waited: float | None = None


Attempt = Callable[[Payload, float], Attempted]
"""One send of one payload within so many seconds; never raises for expected trouble."""
