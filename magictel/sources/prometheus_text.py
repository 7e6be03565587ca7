"""Prometheus' text format 0.0.4 and OpenMetrics 1.0: pages, read by name like in Prometheus.

A page is read twice: first for its metadata, start times, and newest time, which samples without time get; then for its points. A
counter becomes a cumulative sum, a histogram one point, a summary the sums `_count` and `_sum` and a gauge for each quantile; all
other samples become gauges with their own name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import isnan
from sys import intern
from tempfile import SpooledTemporaryFile
from typing import IO, cast

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.formats.prometheus import numbers
from magictel.model.metrics import PROMETHEUS_TYPE, Kind, Point, number_point
from magictel.sources.batching import Around, Head, Heads, Part
from magictel.sources.errors import SourceError, broken, impossible
from magictel.sources.prometheus_grammar import LineError
from magictel.sources.prometheus_histograms import Gathered, HistogramError, HistogramSample
from magictel.sources.prometheus_line import LABELS, VALUE
from magictel.sources.prometheus_metadata import Families, Membership
from magictel.sources.prometheus_pages import Page, pages
from magictel.sources.prometheus_samples import Decoded, Line, Samples, place

NOTHING_AROUND: Around = (Resource({}), InstrumentationScope(""), "", "")
_CHUNK = 1_000
_READ_ONCE = 2 * 1024 * 1024
"""Maximum size of a page whose decoded lines are kept for the second reading."""
_IN_MEMORY = 32 * 1024 * 1024
"""Maximum decompressed size of pages in memory; larger ones use a temporary file."""

OnBroken = Callable[[SourceError], None]


@dataclass(slots=True)
class _Created:
    """A `_created` line: the start time of its series. Without such a series it is an ordinary sample."""

    start: int
    decoded: Decoded
    taken: bool = False


@dataclass(slots=True)
class _Survey:
    """The results of the first reading of a page. `time`: the time of samples without one, shifted."""

    families: Families
    time: int
    lines: list[Line] | None
    """The whole page, if it is small."""
    created: dict[tuple[str, int], _Created] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)
    """Heads of samples that are separate points, by name."""

    def start(self, family: str, key: int) -> int:
        """Return the start time of the series with these labels; 0 if the page does not contain it."""
        created = self.created.get((family, key))
        if created is None:
            return 0
        created.taken = True
        return created.start


class PrometheusText:
    """A decoder of a recording's pages. `time` (Unix nanoseconds) is used for pages without times; `shift` is added to all times.

    `scraped`: the time is that of a scrape, which every sample without its own time gets. `around`: resource and scope of the metrics.

    `openmetrics`: the format in a scrape's Content-Type; None: a page that ends with `# EOF` is OpenMetrics.
    """

    def __init__(
        self,
        name: str,
        time: int,
        shift: int = 0,
        openmetrics: bool | None = None,
        *,
        scraped: bool = False,
        around: Around = NOTHING_AROUND,
    ) -> None:
        self.name = name
        self._scraped = scraped
        self._around = around
        self._time = time
        self._shift = shift
        self._openmetrics = openmetrics
        self._samples = Samples()
        self._heads = Heads()
        self._parts: dict[int, Part] = {}
        self._count = 0
        self._gathered: dict[tuple[str, int, int], Gathered] = {}

    def read(
        self, blocks: Iterable[bytes], on_line: OnBroken, on_point: OnBroken | None = None
    ) -> Iterator[list[Part]]:
        """Yield parts of a few thousand points.

        `on_line` is called for a broken line, `on_point` for an invalid point; they may raise its error.
        """

        def on_fault(line: int, column: int, expected: str) -> None:
            on_line(broken(self.name, line, column, expected))

        with SpooledTemporaryFile(_IN_MEMORY) as file:
            for block in blocks:
                self._keep(cast("IO[bytes]", file), block)
            for page in pages(self.name, cast("IO[bytes]", file), self._openmetrics, on_fault):
                survey = self._surveyed(page)
                for line in self._samples.lines(page) if survey.lines is None else survey.lines:
                    item = line[1]
                    error = item if isinstance(item, LineError) else self._take(survey, item, line[0])
                    if error is not None:
                        on_fault(*place(line, error), error.expected)
                    elif self._count >= _CHUNK:
                        yield self._drained()
                parts = self._drained()
                yield self._histograms(survey, on_point or on_line) + parts + self._unused(survey)

    def _keep(self, file: IO[bytes], block: bytes) -> None:
        try:
            file.write(block)
        except OSError as failure:
            why = f"it cannot be stored in a temporary file: {(failure.strerror or 'it cannot be written').lower()}"
            remedy = "free disk space, or set TMPDIR to another directory"
            raise SourceError("source.unreadable", f"{self.name}: {why}", remedy, whole=True) from None

    def _surveyed(self, page: Page) -> _Survey:
        families = Families(page.openmetrics)
        newest: int | None = None
        created: list[Decoded] = []
        kept: list[Line] | None = [] if page.size <= _READ_ONCE else None
        for line in self._samples.lines(page, families):
            if kept is not None:
                kept.append(line)
            decoded = line[1]
            if isinstance(decoded, LineError):
                continue
            if decoded.time is not None and (newest is None or decoded.time > newest):
                newest = decoded.time
            if page.openmetrics and decoded.name.endswith("_created"):
                created.append(decoded)
        time = self._time if newest is None or self._scraped else newest * 1_000_000
        survey = _Survey(families, time + self._shift, kept)
        for decoded in created:
            of = families.of(decoded.name)
            if of.suffix == "_created":
                with suppress(ValueError):  # a value that is not a time is an ordinary number
                    start = numbers.moment(decoded.value) * 1_000_000 + self._shift
                    survey.created[of.family, decoded.labels.key] = _Created(start, decoded)
        return survey

    def _take(self, survey: _Survey, decoded: Decoded, number: int) -> LineError | None:
        """Keep a sample for its point, or return why it belongs to none."""
        of = survey.families.of(decoded.name)
        time = survey.time if decoded.time is None else decoded.time * 1_000_000 + self._shift
        exemplars: tuple[Exemplar, ...] = ()
        if decoded.exemplar is not None:
            attributes, value, moment, trace, span = decoded.exemplar
            moment = time if moment is None else moment * 1_000_000 + self._shift
            exemplars = (Exemplar(attributes, value, moment, span, trace),)
        if of.type == "histogram" and of.suffix in ("_bucket", "_sum", "_count"):
            return self._gather(of, decoded, time, exemplars, number)
        if of.suffix != "_created" or (of.family, decoded.labels.key) not in survey.created:
            self._add(survey, of, decoded, time, exemplars)
        return None

    def _add(
        self, survey: _Survey, of: Membership, decoded: Decoded, time: int, exemplars: tuple[Exemplar, ...]
    ) -> None:
        head = survey.heads.get(decoded.name)
        if head is None:
            head = survey.heads[decoded.name] = self._number_head(of, decoded.name)
        labels = decoded.labels
        attributes, key = (
            labels.quantile() if of.type == "summary" and not of.suffix else (labels.attributes, labels.key)
        )
        start = survey.start(of.family, key) if head.kind is Kind.SUM else 0
        self._put(head, number_point(attributes, start, time, decoded.value, exemplars), key)

    def _number_head(self, of: Membership, name: str) -> Head:
        if of.type == "counter" and of.suffix != "_created":
            return self._head(name, of, Kind.SUM, of.unit)
        if of.type == "summary" and of.suffix in ("_sum", "_count"):
            return self._head(name, of, Kind.SUM, of.unit if of.suffix == "_sum" else "")
        return self._head(name, of, Kind.GAUGE, "" if of.suffix == "_created" else of.unit)

    def _gather(
        self, of: Membership, decoded: Decoded, time: int, exemplars: tuple[Exemplar, ...], number: int
    ) -> LineError | None:
        labels = decoded.labels
        attributes, key, bound = labels.attributes, labels.key, None
        if of.suffix == "_bucket":
            bound = labels.bound
            if bound is None or isnan(bound):
                at = decoded.sample.start(VALUE if decoded.sample[LABELS] is None else LABELS)
                return LineError(at, f"expected a bound, le, that is a number, of a bucket of {of.family}")
            attributes, key = labels.bare()
        gathered = self._gathered.get((of.family, key, time))
        if gathered is None:
            gathered = self._gathered[of.family, key, time] = Gathered(of, attributes, key, time)
        if not gathered.take(of.suffix, bound, HistogramSample(decoded.value, number, decoded.sample.start(VALUE) + 1)):
            return LineError(
                0, f"expected one value of {decoded.name} with these labels and this time, got another one"
            )
        gathered.exemplars += exemplars
        return None

    def _histograms(self, survey: _Survey, on_point: OnBroken) -> list[Part]:
        gathered, self._gathered = self._gathered, {}
        for histogram in gathered.values():
            of, attributes, time, exemplars = histogram.of, histogram.attributes, histogram.time, histogram.exemplars
            start = survey.start(of.family, histogram.key)
            if not histogram.buckets:  # do not invent buckets: these are just two numbers
                for suffix, unit, number in (("_count", "", histogram.count), ("_sum", of.unit, histogram.sum)):
                    if number is not None:
                        head = self._head(of.family + suffix, of, Kind.SUM, unit)
                        self._put(head, number_point(attributes, start, time, number.value, exemplars), histogram.key)
                continue
            try:
                point = histogram.point(start)
            except HistogramError as error:
                on_point(impossible(self.name, error.line, error.column, str(error)))
            else:
                self._put(self._head(of.family, of, Kind.HISTOGRAM, of.unit), point, histogram.key)
        return self._drained()

    def _unused(self, survey: _Survey) -> list[Part]:
        """Yield start times that belong to no series as ordinary numbers."""
        for created in survey.created.values():
            if not created.taken:
                decoded = created.decoded
                time = survey.time if decoded.time is None else decoded.time * 1_000_000 + self._shift
                self._add(survey, survey.families.of(decoded.name), decoded, time, ())
        return self._drained()

    def _put(self, head: Head, point: Point, key: int) -> None:
        part = self._parts.get(id(head))  # heads are kept alive, and hashing a resource is slow
        if part is None:
            part = self._parts[id(head)] = Part(head, [], [])
        cast("list[Point]", part.points).append(point)
        cast("list[int]", part.keys).append(key)
        self._count += 1

    def _drained(self) -> list[Part]:
        parts, self._parts, self._count = list(self._parts.values()), {}, 0
        return parts

    def _head(self, name: str, of: Membership, kind: Kind, unit: str) -> Head:
        def make() -> Head:
            temporality = None if kind is Kind.GAUGE else "cumulative"
            metadata = ((PROMETHEUS_TYPE, of.type),)
            return Head(*self._around, intern(name), of.help, unit, kind, temporality, kind is Kind.SUM, metadata)

        return self._heads.of(self._around, (name, kind, unit, of.help, of.type), make)
