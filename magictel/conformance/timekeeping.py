"""Whether an emulator keeps time by the clock it was given: laws leap over waits, which one with a clock of its own never sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from magictel.clock import Clock

OWN_TIME = (
    "the emulator keeps time by a clock of its own and so misses the waits that laws leap over: make it with the clock "
    "that it is given, lambda clock: AcmeEmulator(clock=clock)"
)
_DEEP = 3
"""Attributes of attributes that are looked into."""


def keeps_own_time(emulator: object, clock: Clock) -> bool:
    """True where it holds clocks, and this one is not among them. One that asks the system itself is not seen."""
    held = list(_clocks(emulator, _DEEP))
    return bool(held) and all(one is not clock for one in held)


def _clocks(thing: object, deep: int) -> Iterator[Any]:
    for one in getattr(thing, "__dict__", {}).values():
        if all(callable(getattr(one, name, None)) for name in ("now", "monotonic", "wait")):
            yield one
        elif deep > 1:
            yield from _clocks(one, deep - 1)
