"""The pages of a recording: their boundaries, formats, and lines, which can be read repeatedly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO

from magictel.sources.lines import LONGEST, too_long
from magictel.sources.prometheus_grammar import LineError, OpenQuoteError
from magictel.sources.prometheus_line import SampleMatch, sample
from magictel.sources.prometheus_metadata import MetadataLine, metadata

ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.8,application/openmetrics-text;version=0.0.1;q=0.7,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
"""The text formats that Prometheus 3 requests, in its order."""
OPENMETRICS = {"application/openmetrics-text": True, "text/plain": False}
"""Media types of pages, and whether each is OpenMetrics."""
_END = b"# EOF"
_FARTHEST = 1024 * 1024
"""Maximum bytes of a quoted text over several lines."""
_MOST_JOINTS = 64
_CUT = "an OpenMetrics page ends with it, so this one is truncated"

_NO_SAMPLE = (b"", b"#", b" ", b"\t")
"""Beginnings of lines that may not be samples."""

OnFault = Callable[[int, int, str], None]
"""A function (line, column, expected)."""


@dataclass(frozen=True, slots=True)
class Page:
    """A range of lines in a file, read again each time."""

    name: str
    file: IO[bytes]
    begin: int
    """Bytes before it."""
    size: int
    """Its bytes."""
    above: int
    """Lines before it."""
    count: int
    """Lines, without `# EOF`."""
    openmetrics: bool
    strict: bool
    """Whether a server sent it. A file may have Windows line ends, and OpenMetrics types without `# EOF`."""

    def items(self) -> Iterator[tuple[int, SampleMatch | MetadataLine | LineError, bytes]]:
        """Yield each line that is not a comment: its number, its content or error, and its bytes."""
        item: SampleMatch | MetadataLine | LineError | None
        source = self._numbered()
        again: deque[tuple[int, bytes]] = deque()
        while (line := again.popleft() if again else next(source, None)) is not None:
            number, text = line
            try:
                item = self._item(text)
            except OpenQuoteError as error:
                text, item = self._joined(text, again, source) or (text, error)
            except LineError as error:
                item = error
            if item is not None:
                yield number, item, text

    def _item(self, text: bytes) -> SampleMatch | MetadataLine | None:
        openmetrics = self.openmetrics
        if text[:1] in _NO_SAMPLE:
            first = text if openmetrics else text.lstrip(b" \t")
            if first[:1] == b"#":
                return metadata(text, openmetrics=openmetrics, strict=self.strict)
            if not first and not openmetrics:
                return None
        return sample(text, openmetrics=openmetrics)

    def _joined(
        self, text: bytes, again: deque[tuple[int, bytes]], source: Iterator[tuple[int, bytes]]
    ) -> tuple[bytes, SampleMatch | MetadataLine | None] | None:
        """Return a line whose quoted text continues on later lines, and its content, or None (and put the lines back)."""
        taken: list[tuple[int, bytes]] = []
        parts, size, joints = [text], 0, 0
        while size < _FARTHEST and joints < _MOST_JOINTS:
            more = again.popleft() if again else next(source, None)
            if more is None:
                break
            taken.append(more)
            parts.append(more[1])
            size += len(more[1]) + 1
            if b'"' not in more[1]:
                continue
            joints += 1
            try:
                whole = b"\n".join(parts)
                return whole, self._item(whole)
            except OpenQuoteError:
                continue
            except LineError:
                break
        again.extendleft(reversed(taken))
        return None

    def _numbered(self) -> Iterator[tuple[int, bytes]]:
        self.file.seek(self.begin)
        carriage_return = b"" if self.strict else b"\r"
        for number, text in enumerate(islice(_lines(self.file), self.count), self.above + 1):
            if len(text) > LONGEST + 1:
                raise too_long(self.name, number, LONGEST)
            yield number, text.removesuffix(b"\n").removesuffix(carriage_return)


def pages(name: str, file: IO[bytes], openmetrics: bool | None, on_fault: OnFault) -> Iterator[Page]:
    """Yield the pages of a file. `openmetrics` is known for a scrape, a single page; otherwise `# EOF` ends an OpenMetrics page."""
    ends = b"\r\n" if openmetrics is None else b"\n"
    begin = above = 0
    earlier = False
    while True:
        file.seek(begin)
        count, blank, ended = 0, True, False
        for text in _lines(file):
            if text[:5] == _END and openmetrics is not False and text.rstrip(ends) == _END:
                ended = True
                break
            count += 1
            blank = blank and text.isspace()
        if not ended and blank and (earlier or openmetrics is None):
            return
        end = file.tell()
        is_openmetrics = ended or earlier if openmetrics is None else openmetrics
        if is_openmetrics and not ended:
            on_fault(above + count, 1, f"expected # EOF after it: {_CUT}")
        yield Page(name, file, begin, end - begin, above, count, is_openmetrics, openmetrics is not None)
        begin, above, earlier = end, above + count + 1, is_openmetrics
        if not ended:
            return
        if openmetrics:
            file.seek(begin)
            if file.read(1):
                on_fault(above + 1, 1, "expected nothing after # EOF")
            return


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends; a line that is too long is truncated, which the reader detects."""
    return iter(partial(file.readline, LONGEST + 2), b"")
