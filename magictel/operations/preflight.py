"""Checks before anything is sent: the rungs up to the clock, and how the backend would store the values."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from magictel.clock import Clock
from magictel.ladder.climb import climb, write_decides
from magictel.model.finding import Finding, Rung, Status
from magictel.plugin.any_exporter import AnyExporter


def readiness(
    exporter: AnyExporter,
    config: Finding,
    clock: Clock,
    *,
    timeout: float,
    deadline: float,
    force: bool = False,
    spoil: bool = False,
) -> tuple[tuple[Finding, ...], Finding | None]:
    """Return warnings and failures, and the failure that prevents sending. `timeout`: seconds per rung; `deadline`: for all rungs.

    With `force`, neither a wrong clock nor a write with irreversible effects prevents it; with `spoil`, only the clock does.
    """
    exporter.climb_until = time.monotonic() + deadline
    steps: dict[Rung, Callable[[], Finding]] = {Rung.CONFIG: lambda: config, **exporter.sending_steps(timeout)}
    climbed = map(write_decides, climb(steps, until=Rung.CLOCK, clock=clock))
    noted = tuple(finding for finding in climbed if finding.outcome in (Status.WARN, Status.FAIL))
    stop = next((finding for finding in noted if finding.outcome is Status.FAIL), None)
    if stop is not None and not (stop.rung is Rung.CLOCK and force):
        return noted, stop
    write = steps.get(Rung.WRITE)
    if write is None:
        return noted, None
    written = write()
    if not (force or spoil):
        stop = spoiling(written)
        if stop is not None:
            return (*noted, stop), stop
    # Report how the mapping alters values; the write itself shows whether it is rejected.
    return (*noted, *((written,) if written.outcome is Status.WARN else ())), None


def spoiling(written: Finding) -> Finding | None:
    """Return the write rung's finding as a failure if a test write would have irreversible effects; otherwise None."""
    if written.spoils is None or written.outcome is not Status.WARN:
        return None
    return replace(written, outcome=Status.FAIL, message=f"{written.spoils}; --force writes anyway")
