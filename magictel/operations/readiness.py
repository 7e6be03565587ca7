"""What is found out before anything is sent: the rungs up to the clock, and what the backend would do to values."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from magictel.clock import Clock
from magictel.exporter import Exporter
from magictel.finding import Finding, Held, Rung
from magictel.ladder.climb import climb
from magictel.ladder.write_path import write_decides


def readiness(
    exporter: Exporter[Any],
    config: Finding,
    clock: Clock,
    *,
    timeout: float,
    force: bool = False,
    skip: Collection[str] = (),
) -> tuple[tuple[Finding, ...], Finding | None]:
    """Warnings and failures, and the failure that keeps from sending; `force`: a wrong clock keeps nobody."""
    steps: dict[Rung, Callable[[], Finding]] = {Rung.CONFIG: lambda: config, **exporter.steps(timeout)}
    climbed = map(write_decides, climb(steps, until=Rung.CLOCK, skip=skip, clock=clock))
    noted = tuple(finding for finding in climbed if finding.outcome in (Held.WARN, Held.FAIL))
    stop = next((finding for finding in noted if finding.outcome is Held.FAIL), None)
    if stop is not None and not (stop.rung is Rung.CLOCK and force):
        return noted, stop
    write = steps.get(Rung.WRITE)
    if write is None:
        return noted, None
    written = write()
    # What the mapping will do to the values is worth saying; whether the write is refused, the write itself shows.
    return (*noted, *((written,) if written.outcome is Held.WARN else ())), None
