"""Memory settings of the process for runs with millions of points."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Disable the cycle collector: points form no cycles, and searching them for cycles takes a third of the time."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def keep_freed_memory() -> None:
    """Raise the C library's mmap threshold (mallopt(3), M_MMAP_THRESHOLD) by freeing a large block once.

    Otherwise a slice's buffers are mapped, zeroed and unmapped each time: a tenth of the time, without a lower peak.
    """
    bytes(4 * 1024 * 1024)  # never touched: two system calls
