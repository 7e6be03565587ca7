"""The progress line of a replay to several targets, in the columns there are."""

from __future__ import annotations

import io

import pytest

from magictel.model.events import ReplayMoved
from magictel.reporters.progress import Progress

TARGETS = ("elasticsearch", "opensearch", "prometheus-remote-write")


def line(width: int, targets: tuple[str, ...] = TARGETS, points: int = 44_000) -> str:
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding="utf-8", write_through=True)
    progress = Progress(stream, width)
    for number, target in enumerate(targets):
        progress.bar(ReplayMoved(target, points, 3 if number == 1 else 0, 6_200.0, 0.5, 18.0))
    return content.getvalue().decode().rpartition("\x1b[2K")[2]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_it_is_one_line_that_fits(width: int) -> None:
    assert len(line(width)) < width


@pytest.mark.parametrize("targets", [1, 2, 3])
def test_what_an_interrupt_types_behind_it_does_not_wrap(targets: int) -> None:
    """A line that wrapped is not cleared as a whole: `^C` has two columns."""
    for width in range(40, 100):
        assert len(line(width, tuple(f"target-{number}" * 3 for number in range(targets)))) + len("^C") < width


def test_where_there_is_room_every_target_has_points_and_rate() -> None:
    shown = line(200)
    assert shown.startswith("━━━━      50 %  18 s left  elasticsearch 44 k 6 k/s  opensearch 44 k 6 k/s rejected 3  ")


def test_in_90_columns_every_target_is_still_there() -> None:
    shown = line(90, (*TARGETS[:2], "prod"))
    assert all(name in shown for name in ("elasticsear", "opensearch 44 k rejected 3", "prod 44 k"))


def test_one_target_keeps_its_bar() -> None:
    assert line(80, TARGETS[:1]) == "elasticsearch  ━━━━━━━━          50 %  44 k points  6 k/s  18 s left"


@pytest.mark.parametrize("targets", [TARGETS[:1], TARGETS])
def test_no_time_is_left_before_the_first_point_is_settled(targets: tuple[str, ...]) -> None:
    assert " left" not in line(120, targets, points=0)
