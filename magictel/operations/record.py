"""`record`: write a scrape, repeated scrapes, or a recording in another format as OTLP JSON lines, compressed by file extension."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from magictel.clock import Clock
from magictel.encoding.payload import Payload
from magictel.errors import MagictelError, UsageError, WireError
from magictel.gateway.custom import CustomMetric
from magictel.http.wire import Transport
from magictel.model.events import SkippedReason
from magictel.operations.scrape import SCHEMES, Page, scrape
from magictel.registry import entry_points
from magictel.secrets.redactor import Redactor
from magictel.sources.batching import Gathering
from magictel.sources.errors import SourceError
from magictel.sources.recording import Batch, Recordings
from magictel.sources.skips import Skips


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """`every` and `length` in seconds (None: one scrape); `redact` and `drop` are patterns over attribute keys."""

    source: str
    out: Path
    every: float | None = None
    length: float | None = None
    redact: Sequence[str] = ()
    drop: Sequence[str] = ()
    skip_broken: bool = False
    custom: Callable[[], Iterable[CustomMetric]] = tuple
    """Returns the custom metrics of request logs."""


@dataclass(slots=True)
class Recorded:
    """The state of a recording. `failed` scrapes returned nothing; `failure` is the latest reason, or why it ended."""

    points: int = 0
    series: int = 0
    scrapes: int = 0
    failed: int = 0
    reasons: tuple[SkippedReason, ...] = ()
    """Skipped points and lines, by reason."""
    warnings: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    """The first few messages about lines that could not be parsed."""
    failure: MagictelError | None = None
    broke_off: bool = False

    def count(self, skips: Skips) -> None:
        """Take over the skipped points and lines."""
        self.reasons, self.warnings, self.examples = skips.reasons(), skips.warnings(), tuple(skips.examples)


def record(options: RecordOptions, done: Recorded, transport: Callable[[Redactor], Transport], clock: Clock) -> None:
    """Write the recording and count in `done`; an interrupt leaves a complete file. Raise `UsageError`."""
    page = Page.at(options.source) if options.source.startswith(SCHEMES) else None
    if page is None and (options.every is not None or options.length is not None):
        raise UsageError("usage.record", "--every and --for need a URL", "remove them")
    if options.length is not None and options.every is None:
        raise UsageError("usage.record", "--for needs --every", "--every 15s --for 5m")
    settings: Any = entry_points.load("file").Settings(
        redact_attributes=tuple(options.redact), drop_attributes=tuple(options.drop)
    )
    exporter = entry_points.load("file")(settings)
    gathering = Gathering()
    created = False
    try:
        with _new(options.out) as raw:
            created = True
            pages = (
                _scraped(page, options, done, transport(page.redact), clock) if page else _read(options, done, clock)
            )
            try:
                for batches in pages:
                    with _packed(raw, options.out.suffix) as file:
                        for piece in gathering.slices(batches):
                            for part in exporter.payloads(piece.data):
                                if isinstance(part, Payload):
                                    file.write(exporter.encoder.frame(part))
                            done.points += piece.points
                            done.series = gathering.series.value
                    raw.flush()  # scraped data cannot be requested again
            except SourceError as failure:
                done.failure, done.broke_off = _with_remedy(failure, url=page is not None), True
    finally:
        if created and not done.points:  # a file without points would block the next attempt
            options.out.unlink(missing_ok=True)
        exporter.shutdown(0)


def _read(options: RecordOptions, done: Recorded, clock: Clock) -> Iterator[Iterator[Batch]]:
    with Recordings(
        (options.source,), options.skip_broken, int(clock.now() * 1e9), custom=options.custom
    ) as recordings:
        try:
            yield recordings.batches()
        finally:
            done.count(recordings.skips)


def _scraped(
    page: Page, options: RecordOptions, done: Recorded, transport: Transport, clock: Clock
) -> Iterator[Iterator[Batch]]:
    began = clock.monotonic()
    number = 0
    skips = Skips()
    while True:
        try:
            scraped = scrape(page, transport, clock)
        except (WireError, SourceError) as failure:
            done.failed += 1
            done.failure = failure
            done.broke_off = options.every is None
        else:
            done.scrapes += 1
            recordings = Recordings((page.shown,), options.skip_broken, scraped.time, time=scraped.time, skips=skips)
            yield recordings.page(page.shown, scraped.body, scraped.openmetrics)
            done.count(skips)
        number += 1
        if options.every is None or (options.length is not None and number * options.every > options.length):
            return
        clock.wait(max(0.0, began + number * options.every - clock.monotonic()))


def _with_remedy(failure: SourceError, *, url: bool) -> SourceError:
    """Return the error for a scraped page, whose lines the user cannot fix."""
    if not url or failure.code not in ("source.broken-line", "source.impossible-point"):
        return failure
    return SourceError(failure.code, failure.message, "fix the program that serves the page, or --on-error skip")


def _new(path: Path) -> IO[bytes]:
    try:
        return path.open("xb")
    except FileExistsError:
        raise UsageError("usage.record", f"{path} already exists", "name another file, or delete it") from None
    except (OSError, ValueError) as failure:
        why = (failure.strerror or "not writable") if isinstance(failure, OSError) else "the path is not valid"
        raise UsageError("usage.record", f"{path}: {why.lower()}", "name a file in an existing directory") from None


@contextmanager
def _packed(raw: IO[bytes], suffix: str) -> Iterator[IO[bytes]]:
    """Return a zstd frame or a gzip member, by file extension: complete ones in sequence are readable even after a kill."""
    if suffix in (".zst", ".zstd"):
        import zstandard

        with zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(raw, closefd=False) as packed:
            yield packed
    elif suffix == ".gz":
        with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=4, filename="", mtime=0) as packed_gzip:
            yield packed_gzip  # type: ignore[misc] # it can be written to
    else:
        yield raw
