"""On a terminal rungs appear as they are climbed, and a line on stderr says what is awaited and for how long."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

import pytest

from magictel.model.events import CheckFinished, CheckStarted, ClimbStarted, Event, RungClimbed, TargetChecked, Ticked
from magictel.model.finding import Finding, Rung
from magictel.operations import target_run as jobs
from magictel.operations.target_run import Job, side_by_side
from magictel.reporters.layout import Sheet
from magictel.reporters.progress import Progress
from magictel.reporters.terminal import TerminalReporter
from tests.reporters.cases import EXPIRED, GOOD
from tests.reporters.test_terminal import Screen, text


class Times:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def screen() -> io.StringIO:
    return Screen()


def reporter(screen: io.StringIO, width: int | None = 80) -> TerminalReporter:
    return TerminalReporter(Sheet(screen, width=width))


def begun(*, final: bool = True) -> list[Event]:
    start = ClimbStarted(EXPIRED.target, EXPIRED.exporter, EXPIRED.endpoint, final)
    return [CheckStarted((EXPIRED.target,)), start]


def test_each_rung_stands_on_the_terminal_before_the_next_is_climbed(screen: io.StringIO) -> None:
    page = reporter(screen)
    for event in begun():
        page.on(event)
    assert screen.getvalue().startswith("prod-es  elasticsearch  https://es.example.net:9243\n")
    for finding in EXPIRED.rungs[:4]:
        page.on(RungClimbed(EXPIRED.target, finding))
        assert f" {finding.rung} " in screen.getvalue()
    for finding in EXPIRED.rungs[4:]:
        page.on(RungClimbed(EXPIRED.target, finding))
    page.on(TargetChecked(EXPIRED))
    page.on(CheckFinished((EXPIRED,), 0.125))
    page.finish()
    finished: list[Event] = [CheckStarted((EXPIRED.target,)), TargetChecked(EXPIRED), CheckFinished((EXPIRED,), 0.125)]
    assert screen.getvalue() == text(finished, 80)


def test_after_an_interrupt_the_missing_rungs_follow_once(screen: io.StringIO) -> None:
    page = reporter(screen)
    for event in [*begun(), RungClimbed(EXPIRED.target, EXPIRED.rungs[0])]:
        page.on(event)
    page.on(CheckFinished((EXPIRED,), 0.125, interrupted=True))
    page.finish()
    for finding in EXPIRED.rungs[:4]:
        assert screen.getvalue().count(f" {finding.rung}  ") == 1


@pytest.mark.parametrize(("width", "final"), [(None, True), (80, False)])
def test_a_pipe_and_a_climb_that_may_be_repeated_wait_for_the_result(
    screen: io.StringIO, width: int | None, final: bool
) -> None:
    page = reporter(screen, width)
    for event in [*begun(final=final), RungClimbed(EXPIRED.target, EXPIRED.rungs[0])]:
        page.on(event)
    assert screen.getvalue() == ""


def test_what_is_awaited_is_said_with_its_seconds(screen: io.StringIO) -> None:
    times = Times()
    progress = Progress(screen, 80, times)
    progress.climb("es")
    progress.tick()
    assert screen.getvalue() == ""  # nothing moves in the first second
    progress.climbed("es", Rung.CLOCK)
    times.now += 4
    progress.tick()
    assert screen.getvalue().endswith("es  health …  4 s")
    progress.climb("vm")
    times.now += 12
    progress.tick()
    assert screen.getvalue().endswith("es  health   vm  config …  12 s")
    progress.climbed("es", Rung.ROUND_TRIP)
    progress.climbed("vm", Rung.ROUND_TRIP)
    before = screen.getvalue()
    times.now += 5
    progress.tick()
    assert screen.getvalue() == before


def test_while_nothing_happens_there_are_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_TICK", 0.01)
    ticked = threading.Event()

    def work(_job: Job, _tell: Callable[[Event], None]) -> int:
        assert ticked.wait(100)
        return 7

    def broken(_job: Job, _finding: Finding) -> int:
        return -1

    seen: list[Event] = []
    results: dict[str, int] = {}
    job = Job(GOOD.target, GOOD.exporter, lambda: pytest.fail("not built"))
    for item in side_by_side([job], work, 1, broken, results, lambda _: Ticked()):
        seen.append(item)
        if isinstance(item, Ticked):
            ticked.set()
    assert results == {GOOD.target: 7}
    assert isinstance(seen[0], Ticked)
