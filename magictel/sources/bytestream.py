"""A recording's bytes, plain or decompressed on reading, never further than requested.

gzip and zstd are detected by their first bytes. A stream that decompresses to more than a thousand times its size is rejected:
memory is bounded anyway, but telemetry does not look like that.
"""

from __future__ import annotations

import io
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import IO, Any

from magictel.errors import UsageError
from magictel.files import expanded
from magictel.sources.errors import SourceError

_BLOCK = 256 * 1024
_FREE = 16 * 1024 * 1024
"""Decompressed bytes before the ratio is checked."""
_RATIO = 1000
_GZIP = b"\x1f\x8b"
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
_ZSTD = (_ZSTD_FRAME, *(bytes((first,)) + b"\x2a\x4d\x18" for first in range(0x50, 0x60)))
"""Magic numbers of a frame and of a skippable frame (RFC 8878, section 3.1.2), which some tools write first."""
_FRAME_HEADER, _BLOCK_HEADER, _SKIPPABLE_HEADER = 5, 3, 8
STDIN = "-"
SHIPPED = {"@node": "node.prom", "@gateway": "gateway.jsonl"}
"""Built-in recordings by name."""


class Bytes:
    """A recording's bytes. `read` compressed bytes of `size` (None: unknown) were read so far."""

    def __init__(self, name: str, raw: IO[bytes], size: int | None) -> None:
        self.name = name
        self.size = size
        self.taken = 0
        self._raw = raw
        self._first = self._more()

    def blocks(self) -> Iterator[bytes]:
        """Yield the decompressed recording in blocks of at most 256 KiB. Raise `SourceError`."""
        if self._first.startswith(_GZIP):
            yield from self._gzip()
        elif self._first.startswith(_ZSTD):
            yield from self._zstd()
        else:
            yield from self.packed()

    def _more(self) -> bytes:
        try:
            block = self._raw.read(_BLOCK)
        except OSError as failure:
            why = (failure.strerror or "it cannot be read").lower()
            raise SourceError("source.unreadable", f"{self.name}: {why}", whole=True) from None
        self.taken += len(block)
        return block

    def packed(self) -> Iterator[bytes]:
        """Yield the raw bytes. Raise `SourceError`."""
        block = self._first
        while block:
            yield block
            block = self._more()

    def _gzip(self) -> Iterator[bytes]:
        unpack = zlib.decompressobj(wbits=31)
        unpacked = 0
        for block in self.packed():
            rest = block
            while rest:
                if unpack.eof:  # members may follow one another; zeros may fill a tape's last block
                    rest = rest.lstrip(b"\0")
                    if not rest:
                        break
                    unpack = zlib.decompressobj(wbits=31)
                try:
                    out = unpack.decompress(rest, _BLOCK)
                except zlib.error:
                    raise self._damaged("gzip") from None
                unpacked += len(out)
                rest = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
                self._bounded(unpacked, len(rest))
                if out:
                    yield out
        while not unpack.eof:
            try:
                out = unpack.decompress(b"", _BLOCK)
            except zlib.error:
                raise self._damaged("gzip") from None
            if not out:
                raise self._truncated("gzip")
            unpacked += len(out)
            self._bounded(unpacked)
            yield out

    def _zstd(self) -> Iterator[bytes]:
        import zstandard

        # Tools write no window above 128 MiB by default, and it would have to fit into memory.
        unpack = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        source: Any = _Readable(self.packed())
        unpacked = 0
        try:
            # The reader's buffer bounds each decompression step; a file may have several frames.
            with unpack.stream_reader(source, read_across_frames=True, read_size=64 * 1024) as reader:
                while out := reader.read(_BLOCK):
                    unpacked += len(out)
                    self._bounded(unpacked)
                    yield out
        except zstandard.ZstdError:
            raise self._damaged("zstd") from None
        if not source.frames.ended:
            raise self._truncated("zstd")

    def _bounded(self, unpacked: int, unread: int = 0) -> None:
        if unpacked > _FREE and unpacked > _RATIO * max(1, self.taken - unread):
            message = f"{self.name} decompresses to more than {_RATIO} times its size: it is not a recording"
            raise SourceError("source.bomb", message, "decompress it yourself if you trust the file", whole=True)

    def _truncated(self, kind: str) -> SourceError:
        message = f"{self.name} is truncated: its {kind} data is incomplete"
        return SourceError("source.truncated", message, "copy the file again", whole=True)

    def _damaged(self, kind: str) -> SourceError:
        return SourceError(
            "source.damaged", f"{self.name}: its {kind} data is corrupt", "copy the file again", whole=True
        )


class _Readable:
    """A file-like object with `read` over an iterator of blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._pending = b""
        self.frames = _Frames()

    def read(self, size: int = -1) -> bytes:
        if not self._pending:
            self._pending = next(self._blocks, b"")
        out, self._pending = self._pending[:size], self._pending[size:]
        self.frames.feed(out)
        return out


class _Frames:
    """Whether zstd data ends with a complete frame: headers of frames and blocks (RFC 8878 §3.1.1) are read, contents skipped."""

    def __init__(self) -> None:
        self._size = _FRAME_HEADER
        """Bytes of the next header."""
        self._ahead = 0
        """Bytes of content before it."""
        self._begun = b""
        self._checksum = False

    @property
    def ended(self) -> bool:
        return self._size == _FRAME_HEADER and not self._ahead and not self._begun

    def feed(self, data: bytes) -> None:
        data = self._begun + data
        at = self._ahead
        while at + self._size <= len(data):
            header = data[at : at + self._size]
            at += self._size + self._content(header)
        self._begun, self._ahead = data[at:], max(0, at - len(data))

    def _content(self, header: bytes) -> int:
        """Return the number of bytes between a header and the next one."""
        number = int.from_bytes(header, "little")
        if self._size == _SKIPPABLE_HEADER:
            self._size = _FRAME_HEADER
            return number >> 32
        if self._size == _BLOCK_HEADER:
            last, kind, size = number & 1, (number >> 1) & 3, number >> 3
            self._size = _FRAME_HEADER if last else _BLOCK_HEADER
            return (1 if kind == 1 else size) + (4 if last and self._checksum else 0)
        if not header.startswith(_ZSTD_FRAME):
            self._size = _SKIPPABLE_HEADER
            return -_FRAME_HEADER
        flags = header[4]
        self._checksum = bool(flags & 4)
        self._size = _BLOCK_HEADER
        content = (1 if flags & 0x20 else 0, 2, 4, 8)[flags >> 6]
        return (0 if flags & 0x20 else 1) + (0, 1, 2, 4)[flags & 3] + content


def once_only(name: str) -> bool:
    """Return whether the source can be read only once: standard input, a pipe (`<(zcat …)`), a device."""
    if name == STDIN:
        return True
    try:
        return not name.startswith("@") and not stat.S_ISREG(expanded(name).stat().st_mode)
    except (OSError, ValueError, RuntimeError):
        return False  # reported when it is opened


def opened(name: str, stack: ExitStack) -> Bytes:
    """Open a file, `-`, or a built-in recording. Raise `UsageError` if it does not exist."""
    if name in SHIPPED:
        data = shipped(name).read_bytes()
        return Bytes(name, io.BytesIO(data), len(data))
    if name.startswith("@"):
        known = ", ".join(SHIPPED)
        raise UsageError("usage.recording", f"magictel has no recording {name}", f"use {known}")
    if name == STDIN:
        return Bytes("standard input", sys.stdin.buffer, None)
    try:
        path = expanded(name)
        if name and path.is_dir():
            raise UsageError("usage.recording", f"{name} is a directory", "name the files in it")
        file = stack.enter_context(path.open("rb"))
        size = path.stat().st_size if path.is_file() else 0
    except (OSError, ValueError, RuntimeError) as failure:  # no such file, a NUL in the name, no such user
        why = (failure.strerror or "it cannot be read").lower() if name and isinstance(failure, OSError) else "no path"
        message = f"{name or repr(name)}: {why}"
        raise UsageError("usage.recording", message, "name a readable file") from None
    return Bytes(name, file, size or None)


def shipped(name: str) -> Path:
    """Return the path of a built-in recording."""
    return Path(str(resources.files("magictel.sources") / "recordings" / SHIPPED[name]))


def spooled(name: str, stack: ExitStack) -> IO[bytes]:
    """Copy a `once_only` source into a temporary file, so that it can be read twice. Raise `SourceError` and `UsageError`."""
    copy: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 # the stack closes it
    with ExitStack() as inner:
        for block in opened(name, inner).packed():
            copy.write(block)
    return copy
