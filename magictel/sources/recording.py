"""Recordings: files read as batches of parts, with the format detected by content, and unreadable lines counted.

A recording may be read twice (for its times, then to send it); a small one is decoded once. Memory does not grow with its size.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO

from magictel.errors import UsageError
from magictel.files import expanded
from magictel.gateway.custom import CustomMetric
from magictel.model.metrics import times_of
from magictel.sources import bytestream
from magictel.sources.batching import Around, Part
from magictel.sources.bytestream import STDIN, Bytes
from magictel.sources.errors import SourceError
from magictel.sources.formats import recognised
from magictel.sources.gateway_log import GatewayLog
from magictel.sources.lines import document, lines
from magictel.sources.otlp_json import OtlpJsonReader
from magictel.sources.otlp_protobuf import OtlpProtobuf, messages
from magictel.sources.prometheus_text import NOTHING_AROUND, PrometheusText
from magictel.sources.skips import Skips
from magictel.sources.times import SMALL, Once, Span, plain_span, scanned_span

Batch = list[Part]


@dataclass(slots=True)
class Recordings:
    """The named recordings in sequence. `skip_broken`: count broken lines in `skips` instead of raising an error.

    `now` (Unix nanoseconds) is the time of points without time from standard input.
    """

    names: Sequence[str]
    skip_broken: bool = False
    now: int = 0
    twice: bool = False
    time: int | None = None
    """The time of a scrape (Unix nanoseconds): samples of its page without their own time get it."""
    skips: Skips = field(default_factory=Skips)
    """Skipped points and lines, with reasons."""
    around: Around = NOTHING_AROUND
    """Resource and scope of the metrics of pages."""
    custom: Callable[[], Iterable[CustomMetric]] = tuple
    """Returns the custom metrics of request logs, if there are any logs. Raises `SettingsError`."""
    done: int = 0
    """Bytes of the files before the current one."""
    present: Bytes | None = None
    _once: Once | None = None
    """The points themselves, if they are few: then nothing is read a second time."""
    _spooled: dict[str, IO[bytes]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.skips.go_on = self.skip_broken

    def __enter__(self) -> Recordings:
        if list(self.names).count(STDIN) > 1:
            raise UsageError(
                "usage.recording", "- is named twice, but standard input can be read only once", "name it once"
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def fraction(self) -> float | None:
        """Return the fraction of bytes read, or None if the size is unknown."""
        if self._once is not None:
            return self._once.fraction
        if self.present is None or self.present.size is None or STDIN in self.names:
            return None
        whole = sum(_size(name) for name in self.names) or self.present.size
        return min(1.0, (self.done + self.present.taken) / whole)

    def batches(self, shift: int = 0) -> Iterator[Batch]:
        """Yield parts line by line (or chunk by chunk), with every time shifted by nanoseconds. Raise `SourceError` and `UsageError`."""
        self.skips.clear()
        self.done = 0
        if self._once is not None:
            yield from self._once.shifted(shift)
            return
        for name in self.names:
            with ExitStack() as stack:
                opened = self._open(name, stack)
                self.present = opened
                yield from self._parts(*recognised(opened), opened, name, shift)
                self.done += opened.taken

    def page(self, name: str, body: bytes, openmetrics: bool | None = None) -> Iterator[Batch]:
        """Return the parts of a fetched page. `openmetrics`: the format that the server declares. Raise `SourceError`."""
        opened = Bytes(name, io.BytesIO(body), len(body))
        kind, blocks = recognised(opened) if openmetrics is None else ("prometheus", iter((body,)))
        yield from self._parts(kind, blocks, opened, name, 0, openmetrics)

    def span(self, keep: Callable[[Iterable[Batch]], Iterable[Batch]] | None = None) -> Span:
        """Return the time span by reading everything once; `keep` filters the points."""
        self._once = self._small() if keep is None else None
        if self._once is not None:
            return self._once.span
        span = Span()
        for name in self.names:
            with ExitStack() as stack:
                opened = self._open(name, stack)
                kind, blocks = recognised(opened)
                if kind == "otlp-json" and keep is None:
                    file_span = plain_span(lines(opened.name, blocks))
                    if file_span is None:
                        again = self._open(name, stack)
                        decoder = OtlpJsonReader(again.name, 0, Skips(self.skip_broken))
                        file_span = scanned_span(decoder.line, lines(again.name, again.blocks()))
                    if file_span.newest:
                        span.take((file_span.oldest, file_span.newest))
                    continue
                batches: Iterable[Batch] = self._parts(kind, blocks, opened, name, 0)
                for batch in batches if keep is None else keep(batches):
                    for part in batch:
                        span.take(times_of(part.points))
        return span

    def _small(self) -> Once | None:
        """Return all points if they are few and plain numbers in OTLP JSON; errors are reported when the file is read again."""
        if sum(map(_size, self.names)) > SMALL:
            return None
        points = Once()
        for name in self.names:
            with ExitStack() as stack:
                opened = self._open(name, stack)
                kind, blocks = recognised(opened)
                if kind != "otlp-json":
                    return None
                decoder = OtlpJsonReader(opened.name)
                try:
                    for number, text in lines(opened.name, blocks):
                        if not points.take(decoder.line(text, number), len(text)):
                            return None
                except SourceError:
                    return None
                if not decoder.skips.clean:
                    return None
        return points

    def _open(self, name: str, stack: ExitStack) -> Bytes:
        if not self.twice or not bytestream.once_only(name):
            return bytestream.opened(name, stack)
        spooled = self._spooled.get(name)
        if spooled is None:
            spooled = self._spooled[name] = bytestream.spooled(name, self._stack)
        spooled.seek(0)
        return Bytes("standard input" if name == STDIN else name, spooled, None)

    def _parts(
        self, kind: str, blocks: Iterable[bytes], opened: Bytes, name: str, shift: int, openmetrics: bool | None = None
    ) -> Iterator[Batch]:
        if kind == "prometheus":
            scraped, time = self.time is not None, self._time_of(name)
            page = PrometheusText(opened.name, time, shift, openmetrics, scraped=scraped, around=self.around)
            yield from page.read(blocks, self.skips.line, lambda error: self.skips.point(lambda: error))
        elif kind == "otlp-protobuf":
            protobuf = OtlpProtobuf(opened.name, shift, self.skips)
            yield from self._by_line(enumerate(messages(opened.name, blocks), 1), protobuf.message)
        else:
            reader: GatewayLog | OtlpJsonReader
            if kind.startswith("gateway"):
                reader = GatewayLog(opened.name, shift, self.skips, self.custom())
            else:
                reader = OtlpJsonReader(opened.name, shift, self.skips)
            several_lines = kind.endswith("-document")
            values = _printed_values(document(opened.name, blocks)) if several_lines else lines(opened.name, blocks)
            yield from self._by_line(values, reader.line)

    def _time_of(self, name: str) -> int:
        """Return the time of a page's file: samples without time get it, and it stays the same on a second send."""
        if self.time is not None:
            return self.time
        if name == STDIN:
            return self.now
        path = bytestream.shipped(name) if name in bytestream.SHIPPED else expanded(name)
        seconds = path.stat().st_mtime
        return min(int(seconds * 1000) * 1_000_000, self.now)

    def _by_line(self, given: Iterable[tuple[int, bytes]], decode: Callable[[bytes, int], Batch]) -> Iterator[Batch]:
        for number, text in given:
            try:
                batch = decode(text, number)
            except SourceError as failure:
                self.skips.line(failure)
                continue
            yield batch


def _printed_values(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield indented JSON values in sequence, with the number of their first lines."""
    number = 1
    for piece in re.split(rb"\n(?=\{)", text) if text.lstrip()[:1] == b"{" else (text,):
        if piece.strip():
            yield number, piece
        number += piece.count(b"\n") + 1


def _size(name: str) -> int:
    if name.startswith("@"):
        return 0
    try:
        return expanded(name).stat().st_size
    except OSError:
        return 0
