"""The one loop that asks a backend again until it shows what was sent, or time is over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from magictel.clock import Clock
from magictel.model.verification import Unreadable
from magictel.plugin.exporter import Exporter
from magictel.verify.asking import ask

A = TypeVar("A")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often to ask: until `within` seconds after `accepted`, at intervals of `every`; `delay` is the backend's own."""

    clock: Clock
    accepted: float
    within: float
    delay: float
    every: float

    @property
    def waited(self) -> float:
        """Seconds since the points were accepted."""
        return self.clock.monotonic() - self.accepted

    @property
    def over(self) -> bool:
        """True when the time is over."""
        return self.waited >= self.within


def patience(exporter: Exporter[Any], clock: Clock, within: float | None, command: str) -> Patience | Unreadable:
    """Return how to poll this backend from now on: `within` seconds, by default three times its own delay and at least five.

    `Unreadable`: its delay is unknown, or longer than the wait; `command` takes a longer one.
    """
    accepted = clock.monotonic()
    delay = ask(exporter.visible_delay)
    if isinstance(delay, Unreadable):
        return delay
    within = max(5.0, 3 * delay) if within is None else within
    if delay <= within and math.isfinite(delay):
        return Patience(clock, accepted, within, delay, exporter.poll_every())
    return Unreadable(
        "verify.delay-beyond-within",
        f"the backend shows points after {delay:g} s, beyond the {within:g} s that were waited",
        f"{command} --within {math.ceil(3 * delay)}s" if math.isfinite(delay) else None,
    )


@dataclass(slots=True)
class Poll(Generic[V]):
    """What polling has come to: the last verdict on an answer, why the last question had none, when it was first complete, and after
    how many pauses.
    """

    best: V | None = None
    trouble: Unreadable | None = None
    waited: float = 0.0
    pauses: int = 0
    visible: float | None = None
    end: bool = False


def poll(
    question: Callable[[], A | Unreadable],
    verdict: Callable[[A], V],
    complete: Callable[[V], bool],
    unsure: Callable[[V], bool],
    patience: Patience,
) -> Iterator[Poll[V]]:
    """Ask until the verdict on an answer is complete; yield before each wait, for progress, and at the `end`.

    Where the first complete verdict is `unsure`, ask once more: a point may be shown before all of it is, and its second copy after
    the first. A question asked after the time was over is the last; one asked before it may have come too early, however late its
    answer.
    """
    state: Poll[V] = Poll()
    while True:
        last = patience.over
        shown = ask(question)
        state.waited = patience.waited
        pause = min(patience.every, max(0.01, patience.within - state.waited))
        if isinstance(shown, Unreadable):
            state.trouble = shown
        else:
            state.trouble, state.best = None, verdict(shown)
            if complete(state.best):
                if state.visible is not None:
                    break
                state.visible = state.waited
                if last or not unsure(state.best):
                    break
                patience.clock.wait(max(patience.delay, patience.every))
                continue
        if last or (state.trouble is not None and state.trouble.final and state.best is None):
            break
        state.pauses += 1
        yield state
        patience.clock.wait(pause)
    state.end = True
    yield state
