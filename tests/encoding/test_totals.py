"""Deltas become cumulative points that count every event once; a late delta, or the same again, is left out."""

from __future__ import annotations

from typing import Any

import pytest

from magictel.encoding import totals
from magictel.encoding.totals import LATE, Totals
from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Group, Kind
from tests.encoding.cumulative import KINDS, counted, expected, group, point


def converted(stage: Totals, kind: Kind, *points: Any) -> list[Any]:
    """Return the cumulative points, and the codes of those that are left out."""
    out: list[Any] = []
    for part in stage.convert([group(kind, points, "delta")]):
        if isinstance(part, Withheld):
            out.append(part.code)
            continue
        assert part.stream.temporality == "cumulative"
        out += part.points
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_every_point_counts_all_events_since_the_first_start(kind: Kind) -> None:
    stage, events = Totals(), list[int]()
    for step, (more, scale) in enumerate([([3, 5], 4), ([], 2), ([-7, 31, 0], 3)]):
        events += more
        (total,) = converted(stage, kind, point(kind, {"a": 1}, 10 * step + 1, 10 * step + 11, more, scale))
        assert counted([total]) == expected(kind, events)
        assert (total.start_time_unix_nano, total.time_unix_nano) == (1, 10 * step + 11)


def test_series_are_added_up_each_for_itself_and_in_the_order_of_their_times() -> None:
    points = [
        point(Kind.SUM, {"n": n}, time - 1, time, [1] * count, 0)
        for n, time, count in [(1, 3, 2), (1, 2, 5), (2, 2, 7)]
    ]
    totals = converted(Totals(), Kind.SUM, *points)
    assert [(total.attributes["n"], total.value) for total in totals] == [(1, 5), (2, 7), (1, 7)]


def test_a_late_delta_and_the_same_again_are_left_out() -> None:
    stage = Totals()
    of = [
        point(Kind.SUM, {}, time - 1, time, [1] * count, 0) for time, count in [(5, 5), (6, 3), (6, 3), (5, 1), (9, 2)]
    ]
    shown = [converted(stage, Kind.SUM, given)[0] for given in of]
    assert [total if total == LATE else total.value for total in shown] == [5, 8, LATE, LATE, 10]


def test_a_histogram_with_other_bounds_begins_anew() -> None:
    stage = Totals()
    converted(stage, Kind.HISTOGRAM, point(Kind.HISTOGRAM, {}, 1, 2, [3], 0))
    other = point(Kind.HISTOGRAM, {}, 2, 3, [3, 15], 0)
    object.__setattr__(other, "explicit_bounds", (1.0, 2.0))
    (total,) = converted(stage, Kind.HISTOGRAM, other)
    assert (total.count, total.start_time_unix_nano) == (2, 2)


def test_a_value_that_is_no_number_is_passed_on_and_not_added() -> None:
    stage, values = Totals(), []
    for time, value in ((2, 1.0), (3, float("nan")), (4, 2.0)):
        given = point(Kind.SUM, {}, time - 1, time, [], 0)
        object.__setattr__(given, "value", value)
        values += [total.value for total in converted(stage, Kind.SUM, given)]
    assert (values[0], values[2]) == (1.0, 3.0)
    assert values[1] != values[1]


def test_cumulative_points_pass_as_they_are_and_a_restart_forgets_all() -> None:
    stage, given = Totals(), point(Kind.SUM, {}, 1, 2, [1, 1], 0)
    cumulative = group(Kind.SUM, [given])
    assert next(iter(stage.convert([cumulative]))) is cumulative
    converted(stage, Kind.SUM, given)
    stage.restart()
    (total,) = converted(stage, Kind.SUM, given)
    assert total.value == 2


def test_the_number_of_series_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "_MOST_SERIES", 3)
    stage = Totals()
    for turn in range(9):
        for name in ("kept", turn):
            (total,) = converted(stage, Kind.SUM, point(Kind.SUM, {"n": name}, turn + 1, turn + 2, [1], 0))
            assert isinstance(total, Group) is False
            assert total.value == (turn + 1 if name == "kept" else 1)
    assert len(stage._totals) == 3
