"""Repeated scrapes of a page, with the labels and the metric `up` that Prometheus adds."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.clock import Clock
from magictel.errors import MagictelError, WireError
from magictel.http.wire import Transport
from magictel.model.events import SourceReport
from magictel.model.metrics import PROMETHEUS_TYPE, Kind, number_point
from magictel.operations.scrape import TIMEOUT, Page, scrape
from magictel.sources.batching import Around, Gathering, Head, Part, Slice
from magictel.sources.errors import SourceError
from magictel.sources.recording import Batch, Recordings
from magictel.sources.skips import Skips

_LEAST_TIMEOUT = 1.0


class Scraper:
    """Scrapes a page every `every` seconds. Its points belong to a resource that Prometheus shows as the labels job and instance."""

    def __init__(self, page: Page, transport: Transport, every: float, job: str, clock: Clock) -> None:
        self._page, self._transport, self._every, self._clock = page, transport, every, clock
        resource = Resource({"service.name": job, "service.instance.id": page.instance})
        self._around: Around = (resource, InstrumentationScope(""), "", "")
        self._up = Head(*self._around, "up", "", "", Kind.GAUGE, None, False, ((PROMETHEUS_TYPE, "gauge"),))
        self._skips = Skips(go_on=True)
        self._gathering = Gathering()
        self._scrapes = self._failed = 0
        self._failure: MagictelError | None = None
        """Why the latest scrape failed, or None."""
        self._latest = ""
        self._skipping = False
        """Whether the latest scrape had lines that were skipped."""
        self._log = logging.getLogger("magictel.run")

    def scrapes(self) -> Iterator[list[Slice]]:
        """Yield each scrape. One that takes longer than the interval delays the next to a later tick."""
        began = self._clock.monotonic()
        while True:
            yield self._scraped()
            late = self._clock.monotonic() - began
            self._clock.wait(self._every - late % self._every)

    def report(self) -> SourceReport:
        """Return the counts of what was scraped."""
        warnings = list(self._skips.warnings())
        if self._failed:
            warnings.append(f"{self._failed} of {self._scrapes} scrapes failed: {self._latest}")
        counts = self._gathering.points, self._gathering.series.value, self._skips.reasons()
        return SourceReport((self._page.shown,), *counts, 0.0, tuple(self._skips.examples), tuple(warnings))

    def _scraped(self) -> list[Slice]:
        """Scrape once; a scrape that fails has only the point `up`, which is then 0."""
        time = int(self._clock.now() * 1000) * 1_000_000
        batches: list[Batch] = []
        failure: MagictelError | None = None
        self._scrapes += 1
        skipped, examples = self._skips.lost, len(self._skips.examples)
        try:
            timeout = max(_LEAST_TIMEOUT, min(TIMEOUT, self._every))
            scraped = scrape(self._page, self._transport, self._clock, timeout)
            time = scraped.time
            shown = self._page.shown
            recordings = Recordings((shown,), True, time, time=time, skips=self._skips, around=self._around)
            batches = list(recordings.page(shown, scraped.body, scraped.openmetrics))
        except (WireError, SourceError) as error:
            self._failed, failure = self._failed + 1, error
        self._note(failure)
        self._note_skipped(self._skips.lost - skipped, self._skips.examples[examples:])
        up = Part(self._up, [number_point({}, 0, time, 0.0 if failure else 1.0)], [0])
        return list(self._gathering.slices(chain([[up]], batches)))

    def _note_skipped(self, lines: int, examples: Sequence[str]) -> None:
        """Log the first of several scrapes with lines that cannot be sent, and the recovery."""
        if lines and not self._skipping:
            example = f", for example {self._page.redact(examples[0])}" if examples else ""
            self._log.warning("a scrape has unusable lines: %d skipped%s (source.broken-line)", lines, example)
        elif not lines and self._skipping and self._failure is None:
            self._log.warning("all lines of the page are usable again")
        self._skipping = bool(lines) or (self._skipping and self._failure is not None)

    def _note(self, failure: MagictelError | None) -> None:
        """Log the first of several failures, and the recovery."""
        if failure is not None:
            self._latest = self._page.redact(failure.message)
        if failure is not None and self._failure is None:
            self._log.warning("a scrape failed: %s (%s)", self._latest, failure.code)
        elif failure is None and self._failure is not None:
            self._log.warning("scraping again")
        self._failure = failure
