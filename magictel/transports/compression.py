"""Compression of request bodies and pages: isal's level 1 if available, otherwise zlib's level 1.

Never Python's default level 9: on histograms it reaches 3 MB/s, isal 770 MB/s (measured, see the project's benchmark).
"""

from __future__ import annotations

import gzip as _gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_zlib: Any = zlib
try:
    from isal import igzip as _igzip
    from isal import isal_zlib

    _compress: Callable[[bytes], bytes] = lambda body: _igzip.compress(body, 1)  # noqa: E731
    _zlib = isal_zlib
except ImportError:  # no wheel for this machine
    _compress = lambda body: _gzip.compress(body, 1, mtime=0)  # noqa: E731

_GZIP = 31
"""`wbits` of a gzip member."""


def gzip(body: bytes) -> bytes:
    """Return the body as a gzip member."""
    return _compress(body)


def gzip_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body as a gzip member, piece by piece."""
    packer = _zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


def zstd(body: bytes) -> bytes:
    """Return the body as a zstd frame."""
    from zstandard import ZstdCompressor  # imported where it is used: few exporters do

    return ZstdCompressor(1).compress(body)
