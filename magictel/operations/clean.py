"""`send-sample --clean`: delete exactly what a run wrote, after reporting the count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from magictel.clock import Clock, SystemClock
from magictel.model.finding import Finding
from magictel.model.verification import Unreadable
from magictel.operations.target_run import Job
from magictel.plugin.any_exporter import AnyExporter
from magictel.verify.asking import ask
from magictel.verify.polling import Patience, poll

_SETTLE = 30.0
"""Seconds to wait until new items are visible."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The result of a clean-up; `trouble` is why some items are left."""

    target: str
    exporter: str
    run_id: str
    found: int | None = None
    deleted: int = 0
    trouble: Unreadable | None = None
    config: Finding | None = None

    @property
    def complete(self) -> bool:
        """Return whether the backend reports that nothing of the run is left."""
        return self.trouble is None and self.config is None and self.deleted == self.found


def clean(
    job: Job, run_id: str, *, say: Callable[[str, int], None], clock: Clock | None = None, expected: int | None = None
) -> Cleaned:
    """Count, call `say(target, count)`, delete. First wait until `expected` new items are visible (at most 30 s)."""
    cleaned = partial(Cleaned, job.target, job.exporter, run_id)

    def work(exporter: AnyExporter) -> Cleaned:
        count = _count(exporter, run_id, expected, clock or SystemClock())
        if isinstance(count, Unreadable):
            return cleaned(trouble=count)
        say(job.target, count)
        gone = ask(exporter.readback.forget_run, run_id) if count else 0
        if isinstance(gone, Unreadable):
            return cleaned(count, 0, gone)
        return cleaned(count, gone)

    return job.use(lambda config: cleaned(config=config), work)


def _count(exporter: AnyExporter, run_id: str, expected: int | None, clock: Clock) -> int | Unreadable:
    wait = Patience(
        clock, clock.monotonic(), _SETTLE if expected is not None else 0.0, 0.0, exporter.readback.poll_every()
    )
    for state in poll(
        lambda: exporter.readback.run_size(run_id), int, lambda size: size >= (expected or 0), lambda _: False, wait
    ):
        if state.trouble is not None:
            return state.trouble
    assert state.best is not None
    return state.best
