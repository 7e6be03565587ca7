"""The window of time that a backend accepts: points outside it are left out, each with its reason, where it would drop them in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import compress

from magictel.encoding.payload import Payload
from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Group, Series, times_of
from magictel.model.outcome import Outcome, Rejected, TooLarge

_MOST_BATCHES = 1_000


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


class Expiry:
    """The oldest time of each collection, which shows cheaply that none of its points became too old in the outbox."""

    def __init__(self) -> None:
        self._oldest: dict[int, int] = {}

    def noting(self, parts: Iterable[Group | Withheld], batch: int) -> Iterator[Group | Withheld]:
        """Pass on a collection, and remember its oldest time."""
        if len(self._oldest) >= _MOST_BATCHES:
            self._oldest.clear()  # what is not known is read from the payload
        for part in parts:
            if isinstance(part, Group):
                oldest = min(times_of(part.points))
                self._oldest[batch] = min(oldest, self._oldest.get(batch, oldest))
            yield part

    def outcome(
        self, payload: Payload, earliest: float, seconds: Callable[[], Sequence[float]], code: str, rule: str
    ) -> Outcome | None:
        """Return the outcome of a payload with points older than `earliest`: rejected, or split if others are not; None without such
        points. `seconds`: reads the points' times from the payload.
        """
        if self._oldest.get(payload.batch, 0) >= earliest * 1e9:
            return None
        times = seconds()
        old = sum(time < earliest for time in times)
        message = f"it became too old while it waited: {rule}"
        return None if not old else (Rejected if old == len(times) else TooLarge)(code, message)


def _distance(seconds: float) -> str:
    hours = abs(seconds) / 3600
    amount = f"{hours:.0f} hours" if hours >= 10 else f"{hours * 60:.0f} minutes"
    return f"{amount} {'ahead' if seconds > 0 else 'ago'}"
