"""What is found out before anything is sent: the rungs up to the clock, and what the backend would do to values."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from magictel.clock import Clock
from magictel.ladder.climb import climb, write_decides
from magictel.model.finding import Finding, Rung, Status
from magictel.plugin.exporter import Exporter


def readiness(
    exporter: Exporter[Any],
    config: Finding,
    clock: Clock,
    *,
    timeout: float,
    deadline: float,
    force: bool = False,
    skip: Collection[str] = (),
    spoil: bool = False,
) -> tuple[tuple[Finding, ...], Finding | None]:
    """Return warnings and failures, and the failure that keeps from sending. `timeout`: seconds for a rung; `deadline`: for all of them.

    With `force` neither a wrong clock does, nor a write that spoils the backend for later data; with `spoil` only the latter does not.
    """
    exporter.climb_until = time.monotonic() + deadline
    steps: dict[Rung, Callable[[], Finding]] = {Rung.CONFIG: lambda: config, **exporter.steps(timeout)}
    climbed = map(write_decides, climb(steps, until=Rung.CLOCK, skip=skip, clock=clock))
    noted = tuple(finding for finding in climbed if finding.outcome in (Status.WARN, Status.FAIL))
    stop = next((finding for finding in noted if finding.outcome is Status.FAIL), None)
    if stop is not None and not (stop.rung is Rung.CLOCK and force):
        return noted, stop
    write = steps.get(Rung.WRITE)
    if write is None:
        return noted, None
    written = write()
    if not (force or spoil or written.code in skip):
        stop = spoiling(written)
        if stop is not None:
            return (*noted, stop), stop
    # What the mapping will do to the values is worth saying; whether the write is refused, the write itself shows.
    return (*noted, *((written,) if written.outcome is Status.WARN else ())), None


def spoiling(written: Finding) -> Finding | None:
    """The failure that a finding of the write rung is to whoever only tries the backend out; None: writing spoils nothing."""
    if written.spoils is None or written.outcome is not Status.WARN:
        return None
    return replace(written, outcome=Status.FAIL, message=f"{written.spoils}; --force writes anyway")
