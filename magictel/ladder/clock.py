"""The clock rung: the difference between this machine's clock and the backend's, compared with the window of accepted points."""

from __future__ import annotations

import email.utils
import math

from magictel.http.wire import Reply
from magictel.model.finding import Finding, Rung

DRIFT = 5.0
"""Difference in seconds that causes a warning: NTP keeps machines within milliseconds, and alerts look back a minute or less."""

_RESOLUTION = 1.0


def clock(
    backend: float | None, now: float, window: tuple[float, float], *, resolution: float = _RESOLUTION
) -> Finding:
    """Return the finding of the clock rung.

    `backend` and `now`: Unix seconds of the same moment on both sides; `window`: seconds of past and future that the backend accepts;
    `resolution`: that of the backend's time (a Date header: 1 s). An unreadable clock only causes a warning.
    """
    past, future = window
    accepts = {"accepts_past_seconds": _finite(past), "accepts_future_seconds": _finite(future)}
    if backend is None:
        return Finding.warned(
            Rung.CLOCK,
            "clock.unreadable",
            "the backend does not report its time, so the clocks cannot be compared",
            "timedatectl status",
            **accepts,
        )
    ahead = now - backend - resolution / 2
    apart = max(0.0, abs(ahead) - resolution / 2)
    evidence = {"ahead_seconds": round(ahead, 3), "backend_time": backend, **accepts}
    side = "ahead of" if ahead > 0 else "behind"
    sentence = f"this machine's clock is {_span(apart)} {side} the backend's"
    if (ahead > 0 and apart > future) or (ahead < 0 and apart > past):
        limit = future if ahead > 0 else past
        return Finding.failed(
            Rung.CLOCK,
            "clock.skew",
            f"{sentence}: the backend accepts points only up to {_span(limit)} {'ahead' if ahead > 0 else 'old'}",
            "set the clock on the side that is wrong: timedatectl status",
            **evidence,
        )
    if apart > DRIFT:
        return Finding.warned(Rung.CLOCK, "clock.drift", sentence, "timedatectl status", **evidence)
    if apart < resolution:
        return Finding.passed(Rung.CLOCK, f"less than {_span(resolution)} apart", **evidence)
    return Finding.passed(Rung.CLOCK, f"{_span(apart)} apart", **evidence)


def time_of(reply: Reply) -> float | None:
    """Return the time of a reply's Date header in Unix seconds, or None."""
    try:
        return email.utils.parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None


def _span(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"
