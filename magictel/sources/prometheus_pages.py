"""The pages of a recording: where one ends, which of the two formats it has, and its lines, as often as they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO

from magictel.sources.lines import LONGEST, too_long
from magictel.sources.prometheus_grammar import LineError, OpenQuoteError
from magictel.sources.prometheus_line import Metadata, Sample, metadata, sample

_END = b"# EOF"
_FARTHEST = 1024 * 1024
"""Bytes that a quoted text may go on over further lines."""
_MOST_JOINTS = 64
_CUT = "an OpenMetrics page ends with it, so this one broke off, or was cut"

_NO_SAMPLE = (b"", b"#", b" ", b"\t")
"""How lines begin that may be something else."""

OnFault = Callable[[int, int, str], None]
"""Called with line, column, and what was expected there."""


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of a file, which are read anew each time."""

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
    """Whether it is what a server sent. In a file lines may end as on Windows, and the types of OpenMetrics may stand without `# EOF`."""

    def items(self) -> Iterator[tuple[int, Sample | Metadata | LineError, bytes]]:
        """Yield each line that is no comment: its number, what it is, or the error that it is nothing, and its bytes."""
        item: Sample | Metadata | LineError | None
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

    def _item(self, text: bytes) -> Sample | Metadata | None:
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
    ) -> tuple[bytes, Sample | Metadata | None] | None:
        """A line whose quoted text goes on in the next ones, and what it is; None (and the lines are put back) where it is nothing."""
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
    """Yield the pages of a file. `openmetrics` is known of a scrape, which is one page; else `# EOF` ends a page of OpenMetrics."""
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
    """Lines with their ends; one that is too long is cut, and seen to be."""
    return iter(partial(file.readline, LONGEST + 2), b"")
