"""Lines of a recording, each of bounded length: the next line is never looked for further than a line may be long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from magictel.sources.errors import SourceError

LONGEST = 16 * 1024 * 1024
"""Bytes of a line. The Collector writes one request on each: some megabytes at its largest batches."""


def lines(name: str, blocks: Iterable[bytes], longest: int = LONGEST) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers, without their line feeds. Raises `SourceError` for one that is too long."""
    parts: list[bytes | memoryview] = []
    held = 0
    number = 1
    for block in blocks:
        if not held and not block.strip(b"\n"):  # nothing but line ends
            number += block.count(b"\n")
            continue
        end = block.find(b"\n")
        held += len(block) if end < 0 else end
        if held > longest:
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
            for number, text in enumerate(block[end + 1 : last].split(b"\n"), number + 1):  # noqa: B020 # goes on from where it was
                if text and not text.isspace():
                    yield number, text
        number += 1
        parts, held = [view[last + 1 :]], len(block) - last - 1
    if held:
        text = b"".join(parts)
        if not text.isspace():
            yield number, text


def document(name: str, blocks: Iterable[bytes], longest: int = LONGEST) -> bytes:
    """All of it, as far as it is no longer than a line may be."""
    parts: list[bytes] = []
    held = 0
    for block in blocks:
        held += len(block)
        if held > longest:
            message = f"{name} is one value of more than {longest // 1_048_576} MiB"
            raise SourceError("source.line-too-long", message, "write one record on each line", whole=True)
        parts.append(block)
    return b"".join(parts)


def too_long(name: str, number: int, longest: int) -> SourceError:
    """Return the error for a line that does not end within its bound."""
    message = f"{name}, line {number}: expected the line's end within {longest // 1_048_576} MiB"
    return SourceError(
        "source.line-too-long", message, "is this a recording? One request stands on each line", whole=True
    )
