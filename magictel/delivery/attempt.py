"""One send of one payload: its result and its timeout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from magictel.encoding.payload import Payload
from magictel.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Attempted:
    """The verdict on one send, and how many body bytes were sent.

    `status`: the reply's, if there was one. `waited`: seconds that the backend took; None: all that the attempt took.
    """

    outcome: Outcome
    bytes: int = 0
    status: int | None = None
    waited: float | None = None


Attempt = Callable[[Payload, float], Attempted]
"""Send one payload once, within a number of seconds; never raises for expected failures."""
