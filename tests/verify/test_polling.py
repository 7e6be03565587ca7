"""The one polling loop: when it asks again, when it stops, and how long it waits."""

from __future__ import annotations

import math
from typing import Any

import pytest

from magictel.errors import WireError
from magictel.model.verification import Unreadable
from magictel.verify.polling import Patience, Poll, patience, poll
from tests.fake_clock import FakeClock

BUSY = Unreadable("x.busy", "later", final=False)
NEVER = Unreadable("x.never", "no")


def polled(
    answers: list[int | Unreadable], *, unsure: bool = False, within: float = 2.0
) -> tuple[Poll[int], FakeClock, int]:
    """Poll for the number 3; the last answer is repeated."""
    clock = FakeClock()
    asked: list[int | Unreadable] = []

    def question() -> int | Unreadable:
        asked.append(answers[min(len(asked), len(answers) - 1)])
        return asked[-1]

    wait = Patience(clock, clock.monotonic(), within, 1.0, 0.25)
    states = list(poll(question, int, lambda number: number == 3, lambda _: unsure, wait))
    assert [state.end for state in states[-1:]] == [True]
    return states[-1], clock, len(asked)


@pytest.mark.parametrize(
    ("answers", "unsure", "best", "asked", "waits"),
    [
        ([3], False, 3, 1, []),
        ([1, 2, 3], False, 3, 3, [0.25, 0.25]),
        ([3], True, 3, 2, [1.0]),
        ([1, 3], True, 3, 3, [0.25, 1.0]),
        ([BUSY, 3], False, 3, 2, [0.25]),
        ([NEVER], False, None, 1, []),
        ([1, NEVER, 3], False, 3, 3, [0.25, 0.25]),
    ],
)
def test_what_is_asked_again(
    answers: list[int | Unreadable], unsure: bool, best: int | None, asked: int, waits: list[float]
) -> None:
    state, clock, questions = polled(answers, unsure=unsure)
    assert (state.best, questions, clock.waits) == (best, asked, waits)
    assert (state.visible is not None) == (best == 3)


def test_it_stops_when_time_is_over() -> None:
    state, clock, questions = polled([1], within=1.1)
    assert (state.best, state.visible, questions) == (1, None, 6)
    assert sum(clock.waits) == pytest.approx(1.1)


def test_a_backend_that_never_answers_is_the_trouble() -> None:
    state, _, _ = polled([BUSY], within=0.5)
    assert (state.best, state.trouble) == (None, BUSY)


class Slow:
    def __init__(self, delay: Any, every: float = 0.25) -> None:
        self._delay, self._every = delay, every
        self.readback = self

    def visible_delay(self) -> Any:
        if isinstance(self._delay, Exception):
            raise self._delay
        return self._delay

    def poll_every(self) -> float:
        return self._every


def waits(delay: Any, within: float | None = None) -> Patience | Unreadable:
    return patience(Slow(delay, 3.0), FakeClock(), within, "magictel x")  # type: ignore[arg-type]


def test_the_wait_is_three_times_the_delay_and_at_least_five_seconds() -> None:
    patiences = [waits(1.0), waits(30.0), waits(1.0, 2.0)]
    assert [(patience.within, patience.every) for patience in patiences if isinstance(patience, Patience)] == [
        (5.0, 3.0),
        (90.0, 3.0),
        (2.0, 3.0),
    ]


@pytest.mark.parametrize(("delay", "remedy"), [(9.0, "magictel x --within 27s"), (math.inf, None)])
def test_a_delay_beyond_the_wait_is_said_with_the_option_that_helps(delay: float, remedy: str | None) -> None:
    why = waits(delay, 4.0)
    assert isinstance(why, Unreadable)
    assert (why.code, why.remedy) == ("verify.delay-beyond-within", remedy)


def test_a_delay_that_cannot_be_asked_is_the_reason() -> None:
    why = waits(WireError("net.tcp.refused", "refused", None, phase="connect"))
    assert isinstance(why, Unreadable)
    assert why.code == "net.tcp.refused"
