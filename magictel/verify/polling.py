"""The polling loop of all read-backs: query until the backend shows the sent points, or the time is over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec

from magictel.clock import Clock
from magictel.model.verification import Unreadable
from magictel.plugin.any_exporter import AnyExporter
from magictel.verify.asking import ask

A = TypeVar("A")
V = TypeVar("V")


class Patience(msgspec.Struct, frozen=True):
    """The schedule of queries: until `within` seconds after `accepted`, at intervals of `every`; `delay` is the backend's own."""

    clock: Clock
    accepted: float
    within: float
    delay: float
    every: float

    @property
    def waited(self) -> float:
        """Return the seconds since the points were accepted."""
        return self.clock.monotonic() - self.accepted

    @property
    def over(self) -> bool:
        """Return whether the time is over."""
        return self.waited >= self.within


def patience(exporter: AnyExporter, clock: Clock, within: float | None, command: str) -> Patience | Unreadable:
    """Return how to poll this backend from now on: `within` seconds, by default three times its own delay and at least five.

    `Unreadable`: its delay is unknown, or longer than the wait; `command` accepts a longer one.
    """
    accepted = clock.monotonic()
    delay = ask(exporter.readback.visible_delay)
    if isinstance(delay, Unreadable):
        return delay
    within = max(5.0, 3 * delay) if within is None else within
    if delay <= within and math.isfinite(delay):
        return Patience(clock, accepted, within, delay, exporter.readback.poll_every())
    return Unreadable(
        "verify.delay-beyond-within",
        f"the backend shows points only after {delay:g} s, later than the wait of {within:g} s",
        f"{command} --within {math.ceil(3 * delay)}s" if math.isfinite(delay) else None,
    )


class Poll(msgspec.Struct, Generic[V]):
    """The state of polling: the last verdict, why the last query failed, when the result was first complete, and after how many pauses."""

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
    """Query until the verdict is complete; yield before each wait, for progress, and at the `end`.

    If the first complete verdict is `unsure`, query once more: a point may be shown before all of it is stored, or before its
    second copy. A query sent after the time is over is the last; one sent before may have come too early, however late its reply.
    """
    state: Poll[V] = Poll()
    while True:
        last = patience.over
        shown = ask(question)
        state.waited = patience.waited
        pause = min(patience.every, max(0.01, patience.within - state.waited))
        if isinstance(shown, Unreadable):
            state.trouble = shown
            if shown.retry_after is not None:
                pause = max(pause, shown.retry_after)
                last = last or state.waited + pause > patience.within
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
