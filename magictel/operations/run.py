"""`run`: scrape a page at an interval and export every scrape to each target, until the command is stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from magictel.clock import Clock, SystemClock
from magictel.http.wire import Transport
from magictel.model.events import Event, ReplayMoved, ReplayStarted, RunFinished, TargetSent
from magictel.operations.run_target import RunTarget
from magictel.operations.scrape import Page
from magictel.operations.scraper import Scraper
from magictel.operations.target_run import Job, leaving


@leaving
def run(
    jobs: Sequence[Job],
    page: Page,
    transport: Transport,
    every: float,
    job_label: str,
    clock: Clock | None = None,
) -> Iterator[Event]:
    """Yield events until an interrupt ends the scraping; then send what waits. The last event is `RunFinished`.

    `every`: seconds between two scrapes. If the settings of a target are unusable, nothing is scraped.
    """
    clock = clock or SystemClock()
    started = clock.monotonic()
    scraper = Scraper(page, transport, every, job_label, clock)
    targets = [RunTarget(job, clock) for job in jobs]
    try:
        yield ReplayStarted((page.shown,), tuple(job.target for job in jobs), 0.0)
        if all(target.usable for target in targets):
            for target in targets:
                target.start()
            for scrape in scraper.scrapes():
                for target in targets:
                    target.put(scrape)
                yield from _progress(targets, clock.monotonic() - started)
    except KeyboardInterrupt:  # the normal end
        pass
    finally:
        for target in targets:
            target.stop()
    results = []
    for target in targets:
        results.append(target.result())
        yield TargetSent(results[-1])
    yield RunFinished("", tuple(results), clock.monotonic() - started, source=scraper.report())


def _progress(targets: Sequence[RunTarget], seconds: float) -> Iterator[Event]:
    for target in targets:
        receipt = target.receipt
        yield ReplayMoved(target.job.target, receipt.sent, receipt.rejected, receipt.sent / max(0.001, seconds))
