"""How long a read-back waits for points to be visible, and how often it asks."""

from __future__ import annotations

import math

from magictel.model.verification import Unreadable

POLL = 0.25
"""Seconds between two questions."""


def wait_time(delay: float, asked: float | None) -> float:
    """Return the seconds to wait: what was asked for, or three times the backend's own delay, and at least five."""
    return max(5.0, 3 * delay) if asked is None else asked


def too_slow(delay: float, within: float, command: str) -> Unreadable | None:
    """Return why nothing can be verified where the backend's own delay is longer than the wait. `command` takes a longer one."""
    if delay <= within and math.isfinite(delay):
        return None
    return Unreadable(
        "verify.delay-beyond-within",
        f"the backend shows points after {delay:g} s, beyond the {within:g} s that were waited",
        f"{command} --within {math.ceil(3 * delay)}s" if math.isfinite(delay) else None,
    )
