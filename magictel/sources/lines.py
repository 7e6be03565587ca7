"""Lines of a recording with bounded length: a line end is never searched beyond the maximum length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from magictel.sources.errors import SourceError

LONGEST = 16 * 1024 * 1024
"""Maximum line length in bytes. The Collector writes a request per line: a few megabytes for its largest batches."""


def lines(name: str, blocks: Iterable[bytes], longest: int = LONGEST) -> Iterator[tuple[int, bytes]]:
    """Yield non-blank lines with their numbers, without line feeds. Raise `SourceError` for a line that is too long."""
    parts: list[bytes | memoryview] = []
    pending = 0
    number = 1
    for block in blocks:
        if not pending and not block.strip(b"\n"):  # only line ends
            number += block.count(b"\n")
            continue
        end = block.find(b"\n")
        pending += len(block) if end < 0 else end
        if pending > longest:
            raise too_long(name, number, longest)
        if end < 0:
            parts.append(block)
            continue
        view = memoryview(block)
        parts.append(view[:end])
        text = b"".join(parts)
        if text and not text.isspace():
            yield number, text
        last = block.rfind(b"\n")
        if last > end:
            for number, text in enumerate(block[end + 1 : last].split(b"\n"), number + 1):  # noqa: B020 # continues the numbering
                if text and not text.isspace():
                    yield number, text
        number += 1
        parts, pending = [view[last + 1 :]], len(block) - last - 1
    if pending:
        text = b"".join(parts)
        if not text.isspace():
            yield number, text


def document(name: str, blocks: Iterable[bytes], longest: int = LONGEST) -> bytes:
    """Return everything, up to the maximum line length."""
    parts: list[bytes] = []
    pending = 0
    for block in blocks:
        pending += len(block)
        if pending > longest:
            message = f"{name} is one value of more than {longest // 1_048_576} MiB"
            raise SourceError("source.line-too-long", message, "write one record per line", whole=True)
        parts.append(block)
    return b"".join(parts)


def too_long(name: str, number: int, longest: int) -> SourceError:
    """Return the error for a line that is too long."""
    message = f"{name}, line {number}: expected the line's end within {longest // 1_048_576} MiB"
    return SourceError(
        "source.line-too-long", message, "check that the file is a recording, with one request per line", whole=True
    )
