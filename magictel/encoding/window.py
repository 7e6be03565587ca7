"""The window of time that a backend accepts: points outside it are left out, each with its reason, where it would drop them in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import compress

from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Group, Series, times_of


def within(
    groups: Iterable[Group], now: float, window: tuple[float, float], code: str, rule: str
) -> Iterator[Group | Withheld]:
    """Yield the groups with the points inside the window, and the reason for each other point.

    `now`: Unix seconds. `window`: seconds before and after it. `rule`: what the backend does with such points, as a sentence.
    """
    earliest, latest = int((now - window[0]) * 1e9), int((now + window[1]) * 1e9)
    for group in groups:
        times = times_of(group.points)
        if earliest <= min(times) and max(times) <= latest:
            yield group
            continue
        inside = [earliest <= time <= latest for time in times]
        for point, time, is_inside in zip(group.points, times, inside, strict=True):
            if not is_inside:
                message = f"its time is {_distance(time / 1e9 - now)}: {rule}"
                yield Withheld(code, message, str(Series(group.stream, point.attributes or {})))
        if any(inside):
            yield replace(group, points=list(compress(group.points, inside)), attributes=None)


def _distance(seconds: float) -> str:
    hours = abs(seconds) / 3600
    amount = f"{hours:.0f} hours" if hours >= 10 else f"{hours * 60:.0f} minutes"
    return f"{amount} {'ahead' if seconds > 0 else 'ago'}"
