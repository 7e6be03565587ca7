"""The window of time that a backend accepts: points outside it are left out, each with its reason, where it would drop them in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import compress

from magictel.encoding.payload import Payload, Split
from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Group, Series, times_of
from magictel.model.outcome import Outcome, Rejected, TooLarge

_MOST_BATCHES = 1_000


class Window:
    """`past` and `future`: seconds before and after now. `rule`: what the backend does with other points, as a sentence.

    `seconds_of` reads the time of an encoded item, in Unix seconds.
    """

    def __init__(self, past: float, future: float, code: str, rule: str, seconds_of: Callable[[bytes], float]) -> None:
        self._past, self._future = past, future
        self._code, self._rule = code, rule
        self._seconds_of = seconds_of
        self._oldest: dict[int, int] = {}
        """The oldest time of each collection, which shows cheaply that none of its points became too old in the outbox."""

    def inside(self, groups: Iterable[Group], now: float, batch: int) -> Iterator[Group | Withheld]:
        """Yield the groups of a collection with the points inside the window, and the reason for each other point."""
        earliest, latest = int((now - self._past) * 1e9), int((now + self._future) * 1e9)
        oldest = latest
        for group in groups:
            times = times_of(group.points)
            first = min(times)
            if earliest <= first and max(times) <= latest:
                oldest = min(oldest, first)
                yield group
                continue
            are_inside = [earliest <= time <= latest for time in times]
            for point, time, is_inside in zip(group.points, times, are_inside, strict=True):
                if not is_inside:
                    message = f"its time is {_distance(time / 1e9 - now)}: {self._rule}"
                    yield Withheld(self._code, message, str(Series(group.stream, point.attributes or {})))
            if any(are_inside):
                oldest = min(oldest, *compress(times, are_inside))
                yield replace(group, points=list(compress(group.points, are_inside)), attributes=None)
        if len(self._oldest) >= _MOST_BATCHES:
            self._oldest.clear()  # what is not known is read from the payload
        self._oldest[batch] = oldest

    def expired(self, payload: Payload, now: float, split: Split) -> Outcome | None:
        """Return the outcome of a payload whose points became too old: rejected, or split if some did not; None: send it."""
        earliest = now - self._past
        if self._oldest.get(payload.batch, 0) >= earliest * 1e9:
            return None
        times = list(map(self._seconds_of, payload.cut(split).items()))
        old = sum(time < earliest for time in times)
        message = f"it became too old while it waited: {self._rule}"
        return None if not old else (Rejected if old == len(times) else TooLarge)(self._code, message)


def _distance(seconds: float) -> str:
    hours = abs(seconds) / 3600
    amount = f"{hours:.0f} hours" if hours >= 10 else f"{hours * 60:.0f} minutes"
    return f"{amount} {'ahead' if seconds > 0 else 'ago'}"
