"""Writing with a timeout to a descriptor that may block: a pipe without an active reader, a paused terminal."""

from __future__ import annotations

import errno
import os
import select
import stat

from magictel.clock import SystemClock

_AT_ONCE = getattr(select, "PIPE_BUF", 512)
"""Bytes that a writable pipe accepts at once."""
_PAUSE = 0.005


def write(number: int, lines: bytes, seconds: float) -> tuple[int, OSError | None]:
    """Write everything within `seconds`; return the number of written bytes and the error (None: everything was written).

    A pipe gets whole lines if they fit, so that lines of several writers do not mix.
    """
    clock = SystemClock()
    end = clock.monotonic() + seconds
    taken = 0
    try:
        waits = hasattr(select, "poll") and not stat.S_ISREG(os.fstat(number).st_mode)
        while taken < len(lines):
            if waits and not _ready(number, end - clock.monotonic()):
                return taken, TimeoutError(errno.ETIMEDOUT, "no process reads it")
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
    """Return the end of the piece that begins at `start`."""
    most = start + _AT_ONCE
    if most >= len(lines):
        return len(lines)
    return lines.rfind(b"\n", start, most) + 1 or most
