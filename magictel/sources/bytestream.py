"""A recording's bytes, plain or decompressed as they are read: nothing is ever unpacked further than what is asked for.

gzip and zstd are recognised by their first bytes. A stream that unpacks to more than a thousand times its size is refused:
memory is bounded anyway, but nobody's telemetry looks like that.
"""

from __future__ import annotations

import io
import re
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
from magictel.sources.errors import SourceError

_BLOCK = 256 * 1024
_FREE = 16 * 1024 * 1024
"""Bytes unpacked before the ratio counts."""
_RATIO = 1000
_GZIP = b"\x1f\x8b"
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
"""A frame, or one that is skipped (RFC 8878, section 3.1.2), which some tools write first."""
STDIN = "-"
SHIPPED = {"@node": "node.prom", "@gateway": "gateway.jsonl"}
"""Small recordings of our own making, by the names they are asked for."""


class Bytes:
    """One recording's bytes. `read` of the compressed bytes so far and `size` of all of them (None: unknown) tell how far it is."""

    def __init__(self, name: str, raw: IO[bytes], size: int | None) -> None:
        self.name = name
        self.size = size
        self.taken = 0
        self._raw = raw
        self._first = self._more()

    def blocks(self) -> Iterator[bytes]:
        """The recording in blocks of at most 256 KiB, decompressed. Raises `SourceError`."""
        if self._first.startswith(_GZIP):
            yield from self._gzip()
        elif _ZSTD.match(self._first):
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
        """The bytes as they are. Raises `SourceError`."""
        block = self._first
        while block:
            yield block
            block = self._more()

    def _gzip(self) -> Iterator[bytes]:
        unpack = zlib.decompressobj(wbits=31)
        made = 0
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
                made += len(out)
                rest = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
                self._bounded(made, len(rest))
                if out:
                    yield out
        while not unpack.eof:
            try:
                out = unpack.decompress(b"", _BLOCK)
            except zlib.error:
                raise self._damaged("gzip") from None
            if not out:
                raise self._truncated("gzip")
            made += len(out)
            self._bounded(made)
            yield out

    def _zstd(self) -> Iterator[bytes]:
        import zstandard

        # A window beyond 128 MiB is not what a tool writes by default, and would have to be held in memory.
        unpack = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        source: Any = _Readable(self.packed())
        made = 0
        try:
            # The reader's buffer bounds what is unpacked at a time; frames may follow one another.
            with unpack.stream_reader(source, read_across_frames=True, read_size=64 * 1024) as reader:
                while out := reader.read(_BLOCK):
                    made += len(out)
                    self._bounded(made)
                    yield out
        except zstandard.ZstdError:
            raise self._damaged("zstd") from None
        if not _zstd_ended(source.tail):
            raise self._truncated("zstd")

    def _bounded(self, made: int, unread: int = 0) -> None:
        if made > _FREE and made > _RATIO * max(1, self.taken - unread):
            message = f"{self.name} unpacks to more than {_RATIO} times its size: this is no recording"
            raise SourceError("source.bomb", message, "unpack it yourself if you know what it is", whole=True)

    def _truncated(self, kind: str) -> SourceError:
        message = f"{self.name} ends in the middle of its {kind} data: what was packed last is missing"
        return SourceError("source.truncated", message, "fetch the file again", whole=True)

    def _damaged(self, kind: str) -> SourceError:
        return SourceError("source.damaged", f"{self.name}: its {kind} data is damaged", "fetch it again", whole=True)


class _Readable:
    """An iterator of blocks as something with `read`."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._held = b""
        self.tail = _Frames()

    def read(self, size: int = -1) -> bytes:
        if not self._held:
            self._held = next(self._blocks, b"")
        out, self._held = self._held[:size], self._held[size:]
        self.tail.feed(out)
        return out


class _Frames:
    """Follows a second decompressor over the same bytes only as far as frame ends: whether the last frame is complete."""

    def __init__(self) -> None:
        self.headers = bytearray()
        self.need = 0
        self.state = "magic"
        self.checksum = False

    def feed(self, data: bytes) -> None:
        """Walk frame headers and block headers (RFC 8878 §3.1.1); contents are jumped over."""
        at = 0
        while at < len(data):
            if self.need:
                step = min(self.need, len(data) - at)
                self.need -= step
                at += step
                continue
            self.headers.append(data[at])
            at += 1
            self._step()

    def _step(self) -> None:
        held = self.headers
        if self.state == "magic":
            if len(held) < 5:
                return
            if held[0] & 0xF0 == 0x50 and held[1:4] == b"\x2a\x4d\x18":  # a skippable frame: its size follows
                if len(held) == 8:
                    self.need = int.from_bytes(held[4:8], "little")
                    held.clear()
                return
            flags = held[4]
            self.checksum = bool(flags & 4)
            content = (1 if flags & 0x20 else 0, 2, 4, 8)[flags >> 6]
            size = (0 if flags & 0x20 else 1) + (0, 1, 2, 4)[flags & 3] + content
            self.need, self.state = size, "block"
            held.clear()
        elif len(held) == 3:
            header = int.from_bytes(held, "little")
            last, kind, size = header & 1, (header >> 1) & 3, header >> 3
            self.need = 1 if kind == 1 else size
            held.clear()
            if last:
                self.need += 4 if self.checksum else 0
                self.state = "magic"

    @property
    def ended(self) -> bool:
        """True between frames."""
        return self.state == "magic" and not self.need and not self.headers


def _zstd_ended(frames: _Frames) -> bool:
    return frames.ended


def once_only(name: str) -> bool:
    """True for what cannot be read a second time: standard input, a pipe (`<(zcat …)`), a device."""
    if name == STDIN:
        return True
    try:
        return not name.startswith("@") and not stat.S_ISREG(Path(name).expanduser().stat().st_mode)
    except (OSError, ValueError, RuntimeError):
        return False  # said when it is opened


def opened(name: str, stack: ExitStack) -> Bytes:
    """Open a file, `-`, or a shipped recording. Raises `UsageError` for what is not there."""
    if name in SHIPPED:
        data = shipped(name).read_bytes()
        return Bytes(name, io.BytesIO(data), len(data))
    if name.startswith("@"):
        known = ", ".join(SHIPPED)
        raise UsageError("usage.recording", f"there is no recording {name} in magictel", f"it has {known}")
    if name == STDIN:
        return Bytes("standard input", sys.stdin.buffer, None)
    try:
        path = Path(name).expanduser()
        if name and path.is_dir():
            raise UsageError("usage.recording", f"{name} is a directory", "name the files in it")
        file = stack.enter_context(path.open("rb"))
        size = path.stat().st_size if path.is_file() else 0
    except (OSError, ValueError, RuntimeError) as failure:  # no such file, a NUL in the name, no such user
        why = (failure.strerror or "it cannot be read").lower() if name and isinstance(failure, OSError) else "no path"
        message = f"{name or repr(name)}: {why}"
        raise UsageError("usage.recording", message, "name a file that can be read") from None
    return Bytes(name, file, size or None)


def shipped(name: str) -> Path:
    """Where a shipped recording lies."""
    return Path(str(resources.files("magictel") / "recordings" / SHIPPED[name]))


def spooled(name: str, stack: ExitStack) -> IO[bytes]:
    """What can be read `once_only` in a temporary file, as it came, so that it can be read twice. Raises `SourceError`, `UsageError`."""
    held: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 # the stack closes it
    with ExitStack() as inner:
        for block in opened(name, inner).packed():
            held.write(block)
    return held
