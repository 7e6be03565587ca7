"""Check that an emulator uses the given clock: laws skip waits, which an emulator with another clock does not see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from magictel.clock import Clock

OWN_TIME = (
    "the emulator uses another clock and misses the waits that laws skip: create it with the given clock, "
    "lambda clock: AcmeEmulator(clock=clock)"
)
_DEEP = 3
"""Depth of attributes to search."""


def keeps_own_time(emulator: object, clock: Clock) -> bool:
    """Return whether it has clocks, but not this one. Direct use of the system clock is not detected."""
    clocks = list(_clocks(emulator, _DEEP))
    return bool(clocks) and all(candidate is not clock for candidate in clocks)


def _clocks(thing: object, deep: int) -> Iterator[Any]:
    for value in getattr(thing, "__dict__", {}).values():
        if all(callable(getattr(value, name, None)) for name in ("now", "monotonic", "wait")):
            yield value
        elif deep > 1:
            yield from _clocks(value, deep - 1)
