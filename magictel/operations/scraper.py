"""Repeated scrapes of a page, with the labels and the metric `up` that Prometheus adds."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.clock import Clock
from magictel.errors import MagictelError, WireError
from magictel.http.wire import Transport
from magictel.model.events import SkippedReason, SourceReport
from magictel.model.metrics import PROMETHEUS_TYPE, Kind, number_point
from magictel.operations.scrape import TIMEOUT, Page, scrape
from magictel.sources.batching import Around, Gathering, Head, Part, Slice
from magictel.sources.errors import SourceError
from magictel.sources.recording import Recordings
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
        self._reason = ""
        """Why the latest of all failed scrapes did."""
        self._skipping = False
        """Whether the latest scrape had lines that were skipped."""
        self._log = logging.getLogger("magictel.run")

    def scrapes(self) -> Iterator[Slice]:
        """Yield each scrape. One that takes longer than the interval delays the next to a later tick."""
        began = self._clock.monotonic()
        while True:
            yield self._scraped()
            late = self._clock.monotonic() - began
            self._clock.wait(self._every - late % self._every)

    def report(self) -> SourceReport:
        """Return the counts of what was scraped."""
        reasons = self._skips.reasons()
        if self._failed:
            why = f"failed, of {self._scrapes} in all: {self._reason}"
            reasons = (SkippedReason("scrape", self._failed, "scrape", why, lost=True), *reasons)
        counts = self._gathering.points, self._gathering.series.value, reasons
        return SourceReport((self._page.shown,), *counts, 0.0, tuple(self._skips.examples), self._skips.warnings())

    def _scraped(self) -> Slice:
        """Scrape once; a scrape that fails has only the point `up`, which is then 0."""
        time = int(self._clock.now() * 1000) * 1_000_000
        parts: list[Part] = []
        failure: MagictelError | None = None
        self._scrapes += 1
        skipped, examples = self._skips.lost, len(self._skips.examples)
        try:
            timeout = max(_LEAST_TIMEOUT, min(TIMEOUT, self._every))
            scraped = scrape(self._page, self._transport, self._clock, timeout)
            time = scraped.time
            shown = self._page.shown
            recordings = Recordings((shown,), True, time, time=time, skips=self._skips, around=self._around)
            parts = [part for batch in recordings.page(shown, scraped.body, scraped.openmetrics) for part in batch]
            if not parts and self._skips.lost > skipped:
                failure = SourceError("source.format", f"no line of {shown} can be parsed")
        except (WireError, SourceError) as error:
            failure = error
        self._failed += failure is not None
        self._note(failure)
        self._note_skipped(self._skips.lost - skipped, self._skips.examples[examples:])
        parts = [Part(self._up, [number_point({}, 0, time, 0.0 if failure else 1.0)], [0]), *parts]
        return next(self._gathering.slices([parts]))

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
            self._reason = self._page.redact(failure.message)
        if failure is not None and self._failure is None:
            self._log.warning("a scrape failed: %s (%s)", self._reason, failure.code)
        elif failure is None and self._failure is not None:
            self._log.warning("scraping again")
        self._failure = failure
