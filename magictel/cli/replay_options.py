"""Options of `magictel replay` that need more than a type: signed durations, the speed, and combinations."""

from __future__ import annotations

from magictel.errors import UsageError
from magictel.settings.units import parse_seconds

_FARTHEST = 100 * 365.25 * 86_400
"""Largest shift in seconds: a larger one would leave the range of 64-bit nanoseconds or of the calendar."""


def check_combination(
    *,
    verify: bool,
    no_verify: bool,
    within: float | None,
    verify_with: str | None,
    timing: bool,
    dry_run: bool,
    reported: bool,
) -> None:
    """Raise `UsageError` for options that contradict each other."""
    if verify and no_verify:
        raise UsageError("usage.run", "--verify and --no-verify exclude each other", "remove one of them")
    if within is not None and not verify:
        raise UsageError("usage.run", "--within has no effect without --verify", "add --verify")
    if verify_with is not None and not verify:
        raise UsageError("usage.run", "--verify-with has no effect without --verify", "add --verify")
    if dry_run and reported:
        raise UsageError("usage.report", "--dry-run has no result to report", "use --format json, or remove --report")
    if dry_run and (verify or timing):
        what = "--verify" if verify else "--timing"
        raise UsageError("usage.run", f"--dry-run sends nothing, so there is nothing to {what[2:]}", f"remove {what}")


def parse_shift(text: str) -> float | str:
    """Return `now`, `keep`, or seconds. Raise `UsageError` for other text."""
    if text in ("now", "keep"):
        return text
    sign = -1.0 if text.startswith("-") else 1.0
    try:
        seconds = parse_seconds(text.lstrip("+-"))
    except ValueError:
        raise UsageError("usage.shift", f"--shift {text}: use now, keep or a duration", "--shift now") from None
    if seconds > _FARTHEST:
        raise UsageError("usage.shift", f"--shift {text}: more than a hundred years", "--shift now")
    return sign * seconds


def parse_speed(text: str) -> float | None:
    """Return the factor of the recorded speed, or None for no limit. Raise `UsageError` for other text."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError("usage.speed", f"--speed {text}: use a factor of the recorded speed, or max", "--speed 10")
    return speed


def skips(text: str) -> bool:
    """Return whether `--on-error` skips lines that cannot be parsed. Raise `UsageError` for other text than stop and skip."""
    if text not in ("stop", "skip"):
        raise UsageError("usage.on-error", f"--on-error {text}: use stop or skip", "--on-error skip")
    return text == "skip"
