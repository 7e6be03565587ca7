"""Writing to an open descriptor that may let us wait: a pipe whose reader sleeps, a terminal that is held."""

from __future__ import annotations

import errno
import os
import select
import stat

from magictel.clock import SystemClock

_AT_ONCE = getattr(select, "PIPE_BUF", 512)
"""Bytes that a pipe that says it can be written takes whole, without waiting."""
_PAUSE = 0.005


def write(number: int, lines: bytes, seconds: float) -> tuple[int, OSError | None]:
    """Write all of it within so many seconds; gives how many bytes were taken, and what took no more (None: all were taken).

    A pipe gets whole lines at a time where they fit, so that those of several writers stay apart.
    """
    clock = SystemClock()
    end = clock.monotonic() + seconds
    taken = 0
    try:
        waits = hasattr(select, "poll") and not stat.S_ISREG(os.fstat(number).st_mode)
        while taken < len(lines):
            if waits and not _ready(number, end - clock.monotonic()):
                return taken, TimeoutError(errno.ETIMEDOUT, "nobody reads it")
            part = lines[taken : _piece(lines, taken)] if waits else lines[taken:]
            try:
                taken += os.write(number, part)
            except BlockingIOError as full:
                if clock.monotonic() >= end:
                    return taken, full
                clock.wait(_PAUSE)
    except OSError as failure:
        return taken, failure
    return taken, None


def _ready(number: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return bool(poll.poll(max(0, round(seconds * 1000))))


def _piece(lines: bytes, start: int) -> int:
    """Where the piece ends that begins at `start`."""
    most = start + _AT_ONCE
    if most >= len(lines):
        return len(lines)
    return lines.rfind(b"\n", start, most) + 1 or most
