"""The options of `magictel replay` that need more than a type: durations with a sign, a pace, and what cannot be combined."""

from __future__ import annotations

from magictel.errors import UsageError
from magictel.settings.units import parse_seconds

_FARTHEST = 100 * 365.25 * 86_400
"""Seconds of a shift: farther, and times would leave what 64 bits of nanoseconds, or a calendar, can say."""


def check_combination(
    *, verify: bool, no_verify: bool, within: float | None, timing: bool, dry_run: bool, reported: bool
) -> None:
    """Raise `UsageError` for options that contradict each other."""
    if verify and no_verify:
        raise UsageError("usage.run", "--verify and --no-verify: only one of them can be", "leave one of them out")
    if within is not None and not verify:
        raise UsageError("usage.run", "--within: nothing is waited for unless it is verified", "add --verify")
    if dry_run and reported:
        raise UsageError(
            "usage.report", "--dry-run has no result to report", "use --format json, or leave --report out"
        )
    if dry_run and (verify or timing):
        what = "--verify" if verify else "--timing"
        raise UsageError(
            "usage.run", f"--dry-run sends nothing, so there is nothing to {what[2:]}", f"leave {what} out"
        )


def parse_shift(text: str) -> float | str:
    """Return `now`, `keep`, or seconds. Raises `UsageError`."""
    if text in ("now", "keep"):
        return text
    sign = -1.0 if text.startswith("-") else 1.0
    try:
        seconds = parse_seconds(text.lstrip("+-"))
    except ValueError:
        raise UsageError("usage.shift", f"--shift {text}: write now, keep or a duration", "--shift now") from None
    if seconds > _FARTHEST:
        raise UsageError("usage.shift", f"--shift {text}: that is more than a hundred years", "--shift now")
    return sign * seconds


def parse_speed(text: str) -> float | None:
    """Return how many times the recorded pace; None: as fast as it goes. Raises `UsageError`."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(
            "usage.speed", f"--speed {text}: write a number of times the recorded pace, or max", "--speed 10"
        )
    return speed
