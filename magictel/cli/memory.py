"""How the process handles memory while millions of points come and go."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Millions of points come and go, none of them in a cycle: looking for cycles among them takes a third of the time."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def keep_freed_memory() -> None:
    """The C library gives every freed block of more than 128 KiB back to the system until it has seen a larger one go (mallopt(3),
    M_MMAP_THRESHOLD). A slice's buffers would be mapped, zeroed and unmapped each time: a tenth of the time, and no byte less at the peak.
    """
    bytes(4 * 1024 * 1024)  # never touched: two system calls
