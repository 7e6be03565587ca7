"""One send of one payload: its result and its timeout."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from magictel.encoding.payload import Payload
from magictel.model.outcome import Outcome


class Attempted(msgspec.Struct, frozen=True):
    """The verdict on one send, and how many body bytes were sent.

    `status`: the reply's, if there was one. `waited`: seconds that the backend took; None: all that the attempt took.
    """

    outcome: Outcome
    bytes: int = 0
    status: int | None = None
    waited: float | None = None


Attempt = Callable[[Payload, float], Attempted]
"""Send one payload once, within a number of seconds; never raises for expected failures."""
