"""Cumulative points become deltas that add up to what was counted, whatever order, restarts, scales and drops come between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import NumberDataPoint

from magictel.encoding import deltas, intervals
from magictel.encoding.deltas import Deltas
from magictel.encoding.identity import identity
from magictel.encoding.intervals import FIRST, LATE, Intervals
from magictel.encoding.prepared import Prepared
from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Group, Kind, NumberPoints
from tests.encoding.cumulative import BOUNDS, COARSEST, KINDS, Source, counted, expected, group, point, stream

STEP = 10


@st.composite
def steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Steps of time: which of four series report, what they counted, which restart before, and what is dropped of the collection."""
    series = st.integers(0, 3)
    step = st.fixed_dictionaries(
        {
            "events": st.dictionaries(series, st.lists(st.integers(-31, 31), max_size=4), min_size=1),
            "restarted": st.sets(series, max_size=1),
            "coarser": st.sets(series, max_size=1),
            "new_objects": st.booleans(),
            "joined": st.booleans(),
            "dropped": st.sets(st.integers(0, 7)),
        }
    )
    return draw(st.lists(step, min_size=1, max_size=8))


def converted(stage: Deltas, batch: int, *groups: Group) -> Prepared:
    prepared = Prepared.of(stage.convert(groups), 0, batch)
    stage.remember(prepared)
    return prepared


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(steps=steps())
def test_the_deltas_that_are_not_given_back_add_up_to_the_events(kind: Kind, steps: list[dict[str, Any]]) -> None:
    stage = Deltas(0, lambda: range(1, 100))
    sources = [Source({"n": number}, kind, 1) for number in range(4)]
    events: list[int] = []
    arrived: dict[int, list[Any]] = defaultdict(list)
    time, points, batch = 1, [], 0
    last = {
        "events": {number: [] for number in range(4)},
        "restarted": (),
        "coarser": (),
        "new_objects": True,
        "dropped": (),
    }
    for step in [*steps, {**last, "joined": False}]:
        time += STEP
        for number in step["restarted"]:
            # What it counted before its restart was collected: a source that dies takes the rest with it.
            if sources[number].events and number in step["events"]:
                sources[number].restart(time - 5)
        for number in step["coarser"]:
            sources[number].scale = max(COARSEST, sources[number].scale - 1)
        for number, more in step["events"].items():
            sources[number].events += more
            events += more
            if step["new_objects"]:
                sources[number].attributes = dict(sources[number].attributes)
            points.append(sources[number].point(time))
        if step["joined"]:
            continue
        batch += 1
        prepared = converted(stage, batch, group(kind, points))
        assert not prepared.withheld
        dropped = [at for at in step["dropped"] if at < len(points)]
        stage.give_back(batch, dropped)
        for at, (series, delta) in enumerate(prepared.points()):
            assert series.stream.temporality == "delta"
            if at not in dropped:
                arrived[series.attributes["n"]].append(delta)
        points = []
    assert counted(delta for of_series in arrived.values() for delta in of_series) == expected(kind, events)
    for of_series in arrived.values() if not any(step["dropped"] for step in steps) else ():
        for earlier, later in pairwise(of_series):
            assert earlier.start_time_unix_nano < earlier.time_unix_nano <= later.start_time_unix_nano


def run(
    points: Iterable[tuple[int, int, int]], kind: Kind = Kind.SUM, since: int | None = 0, *, same_objects: bool = False
) -> list[Any]:
    """Return (start, delta) or the code of each (start, time, count), in collections of one point."""
    attributes = {"a": 1}
    stage, out = Deltas(since), list[Any]()
    for batch, (start, time, count) in enumerate(points):
        prepared = converted(
            stage,
            batch,
            group(kind, [point(kind, attributes if same_objects else dict(attributes), start, time, [1] * count, 0)]),
        )
        out += [left_out.code for left_out in prepared.withheld]
        for _, delta in prepared.points():
            out.append((delta.start_time_unix_nano, delta.value if kind is Kind.SUM else delta.count))
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("points", "deltas"),
    [
        ([(5, 6, 10), (5, 7, 15), (5, 8, 15), (5, 9, 18)], [(5, 10), (6, 5), (7, 0), (8, 3)]),
        ([(0, 6, 10), (0, 7, 15)], [FIRST, (6, 5)]),
        ([(6, 6, 10), (6, 7, 15)], [FIRST, (6, 5)]),
        ([(6, 6, 10), (7, 7, 15)], [FIRST, (6, 5)]),  # a source that gives each point its own time as start
        ([(3, 6, 10), (3, 7, 15)], [FIRST, (6, 5)]),  # older than the exporter
        ([(5, 6, 10), (5, 7, 3), (5, 8, 4)], [(5, 10), (6, 3), (7, 1)]),
        ([(5, 6, 10), (7, 8, 30), (7, 9, 31)], [(5, 10), (7, 30), (8, 1)]),  # began anew, and counts more than before
        (
            [(0, 6, 10), (7, 7, 3), (7, 8, 7)],
            [FIRST, (6, 3), (7, 4)],
        ),  # as the Collector's Prometheus receiver tells a reset
        ([(5, 7, 10), (5, 6, 9), (5, 8, 12)], [(5, 10), LATE, (7, 2)]),
        ([(5, 7, 10), (5, 7, 10), (5, 8, 12)], [(5, 10), LATE, (7, 2)]),
        ([(5, 7, 10), (5, 6, 12), (5, 8, 13)], [(5, 10), (6, 2), (6, 1)]),  # the source's clock was set back
        ([(5, 8, 10), (6, 9, 12)], [(5, 10), (8, 2)]),  # a start that is computed and jitters
        ([(5, 8, 10), (6, 9, 2), (6, 10, 3)], [(5, 10), FIRST, (9, 1)]),  # counts since before the latest point
    ],
)
@pytest.mark.parametrize("same_objects", [False, True])
def test_a_series_in_each_situation(
    kind: Kind, points: list[tuple[int, int, int]], deltas: list[Any], same_objects: bool
) -> None:
    assert run(points, kind, since=4, same_objects=same_objects) == deltas


def test_a_recording_is_read_from_its_beginning() -> None:
    second, instant = 10**9, 10**6
    first, later = 100 * second, 110 * second
    assert run([(90 * second, first, 10), (90 * second, later, 15)], since=None) == [FIRST, (first, 5)]
    assert run([(first - instant, first, 10)], since=None) == [(first - instant, 10)]
    assert run([(first - instant - 1, first, 10)], since=None) == [FIRST]
    stage = Deltas()
    old, new = {"n": "old"}, {"n": "new"}
    converted(stage, 1, group(Kind.SUM, [point(Kind.SUM, old, 90, 100, [1], 0)]))
    prepared = converted(stage, 2, group(Kind.SUM, [point(Kind.SUM, new, 101, 110, [1, 1], 0)]))
    assert [delta.value for _, delta in prepared.points()] == [2]


def test_a_restart_forgets_everything() -> None:
    stage = Deltas(0)
    data = group(Kind.SUM, [point(Kind.SUM, {}, 5, 6, [1], 0)])
    before = converted(stage, 1, data)
    stage.give_back(1, [0])
    stage.restart(0)
    assert converted(stage, 1, data) == before


def test_what_does_not_count_events_and_deltas_pass_as_they_are() -> None:
    number = [point(Kind.SUM, {}, 5, 6, [1], 0)]
    passed = [
        Group(stream(Kind.GAUGE, None, False), number),
        Group(stream(Kind.SUM, "cumulative", False), number),
        Group(stream(Kind.SUM, None), number),
        Group(stream(Kind.SUM, "delta"), number),
    ]
    assert all(after is before for after, before in zip(Deltas(0).convert(passed), passed, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_deltas_of_the_source_get_back_what_was_dropped(kind: Kind) -> None:
    stage = Deltas(0)

    def collection(batch: int, events: list[int]) -> Any:
        prepared = converted(stage, batch, group(kind, [point(kind, {"a": 1}, batch, batch + 1, events, 2)], "delta"))
        ((_, delta),) = prepared.points()
        return delta

    collection(1, [3, 5])
    stage.give_back(1, [0])
    dropped_again = collection(2, [4])
    assert dropped_again.start_time_unix_nano == 1
    stage.give_back(2, [0])
    arrived = collection(3, [])
    assert counted([arrived]) == expected(kind, [3, 5, 4])
    assert (arrived.start_time_unix_nano, arrived.time_unix_nano) == (1, 4)
    assert not counted([collection(4, [])])


def test_a_batch_that_is_settled_gives_nothing_back() -> None:
    unsettled = {1}
    stage = Deltas(0, lambda: unsettled)
    for batch in range(1, 6):
        converted(stage, batch, group(Kind.SUM, [point(Kind.SUM, {}, batch, batch + 1, [0], 0)], "delta"))
    stage.give_back(2, [0])
    assert [len(known.groups) for known in stage._prepared.values()] == [1, 1, 1]
    stage.give_back(1, [0])
    (last,) = stage.convert([group(Kind.SUM, [point(Kind.SUM, {}, 6, 7, [0], 0)], "delta")])
    assert isinstance(last, Group)
    assert [delta.value for delta in last.points] == [2]


def test_a_value_that_is_no_number_changes_nothing() -> None:
    stage = Deltas(0)
    values = [3, float("nan"), float("inf"), 5]
    out = []
    for batch, value in enumerate(values, 1):
        data = group(Kind.SUM, [NumberDataPoint({}, 5, 5 + batch, value)])
        prepared = converted(stage, batch, data)
        stage.give_back(batch, [0] if value != value or value == float("inf") else [])
        out += [(delta.start_time_unix_nano, delta.value) for _, delta in prepared.points()]
    assert [out[0], out[3]] == [(5, 3), (6, 2)]
    assert [start for start, _ in out[1:3]] == [6, 6]


def test_of_two_points_of_a_series_and_time_the_second_is_left_out() -> None:
    stage, attributes = Deltas(0), [{"a": 1}, {"a": 1}]
    for batch in range(1, 4):
        points = [
            point(Kind.SUM, given, 1, 1 + batch, [1] * size * batch, 0)
            for given, size in zip(attributes, (2, 5), strict=True)
        ]
        prepared = converted(stage, batch, group(Kind.SUM, points))
        assert [delta.value for _, delta in prepared.points()] == [2]
        assert [left_out.code for left_out in prepared.withheld] == [LATE]


def test_a_histogram_with_other_bounds_begins_anew() -> None:
    before = point(Kind.HISTOGRAM, {}, 5, 6, [1, 15], 0)
    after = replace(before, time_unix_nano=7, explicit_bounds=(1.0, 2.0), count=3, bucket_counts=[1, 1, 1])
    stage = Deltas(0)
    converted(stage, 1, group(Kind.HISTOGRAM, [before]))
    assert [left_out.code for left_out in converted(stage, 2, group(Kind.HISTOGRAM, [after])).withheld] == [FIRST]
    later = replace(after, time_unix_nano=8, count=4, bucket_counts=[1, 2, 1])
    ((_, delta),) = converted(stage, 3, group(Kind.HISTOGRAM, [later])).points()
    assert (delta.bucket_counts, delta.explicit_bounds) == ([0, 1, 0], (1.0, 2.0))


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("same_objects", [False, True])
def test_a_bucket_that_shrinks_while_the_count_grows_is_never_a_difference(kind: Kind, same_objects: bool) -> None:
    stage, attributes = Deltas(0), {"a": 1}
    out = []
    for batch, events in enumerate(([3, 3], [15, 15, 15], [15, 15, 15, 3])):
        given = point(kind, attributes if same_objects else dict(attributes), 5, 6 + batch, events, 4)
        prepared = converted(stage, batch, group(kind, [given]))
        out += [counted([delta]) for _, delta in prepared.points()]
        assert [left_out.code for left_out in prepared.withheld] == [FIRST] * (batch == 1)
    assert out == [expected(kind, [3, 3]), expected(kind, [3])]


def test_histograms_without_buckets_have_counts_and_sums() -> None:
    stage, attributes, out = Deltas(0), {"a": 1}, []
    for time, count in ((6, 2), (7, 5), (8, 1)):
        given = point(Kind.HISTOGRAM, attributes, 5, time, [1] * count, 0)
        prepared = converted(stage, time, group(Kind.HISTOGRAM, [replace(given, bucket_counts=[], explicit_bounds=())]))
        out += [(delta.count, delta.sum) for _, delta in prepared.points()]
    assert out == [(2, 2), (3, 3), (1, 1)]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_points_of_the_source_are_not_changed(kind: Kind) -> None:
    stage = Deltas(0)
    for step, count in enumerate((1, 2, 1)):  # a first value, a difference, and one of a series that began anew
        given = point(kind, {"a": 1}, 5, 10 * step + 6, [3] * count, 4)
        before = replace(given)
        converted(stage, step, group(kind, [given]))
        assert given == before


def test_a_minimum_and_a_maximum_are_those_of_a_whole_value_only() -> None:
    stage = Deltas(0)
    source = Source({}, Kind.HISTOGRAM, 1, [3, 7])
    ((_, first),) = converted(stage, 1, group(Kind.HISTOGRAM, [source.point(2)])).points()
    ((_, second),) = converted(stage, 2, group(Kind.HISTOGRAM, [source.point(3)])).points()
    assert [(delta.min, delta.max) for delta in (first, second)] == [(3, 7), (None, None)]
    assert first.explicit_bounds == BOUNDS


def test_exemplars_are_kept() -> None:
    exemplar = Exemplar({}, 1, 6)
    stage = Deltas(0)
    numbers = [NumberDataPoint({"n": n}, 5, 6, n, [exemplar] if n == 2 else []) for n in range(3)]
    older = replace(numbers[0], start_time_unix_nano=0)
    prepared = converted(stage, 1, group(Kind.SUM, [older, *numbers[1:]]))
    assert [list(delta.exemplars) for _, delta in prepared.points()] == [[], [exemplar]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_objects_in_the_same_order_are_converted_by_column(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Deltas(0)
    sources = [Source({"n": number}, kind, 1, [number]) for number in range(5)]

    def collection(*times: int) -> list[Any]:
        points = [source.point(time) for time in times for source in sources]
        parts = list(stage.convert([group(kind, points)]))
        assert all(isinstance(part, Group) for part in parts)
        return [(delta.time_unix_nano, delta.start_time_unix_nano) for part in parts for delta in part.points]

    collection(2)
    monkeypatch.setattr(Intervals, "_one_by_one", None)
    assert collection(3) == [(3, 2)] * 5
    assert collection(4, 5) == [(4, 3)] * 5 + [(5, 4)] * 5
    for part in (sources[:2], sources[2:]):  # a slice may end anywhere
        (deltas_of_part,) = stage.convert([group(kind, [source.point(6) for source in part])])
        assert isinstance(deltas_of_part, Group)
        assert len(deltas_of_part.points) == len(part)
    assert collection(7) == [(7, 6)] * 5


def test_the_attributes_of_the_same_series_are_the_same_list_so_that_layouts_need_not_compare_them() -> None:
    stage, attributes = Deltas(0), [{"n": 1}, {"n": 2}]
    lists = []
    for time in range(6, 9):
        data = Group(stream(Kind.SUM), NumberPoints(list(attributes), [5, 5], [time] * 2, [time] * 2))
        (part,) = stage.convert([data])
        assert isinstance(part, Group)
        lists.append(part.attributes)
    assert lists[1] is lists[2]
    assert lists[2] == attributes


def test_a_series_that_was_forgotten_is_never_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (deltas, intervals):
        monkeypatch.setattr(module, "MOST_ABSENT", 3)
    for others in ("of the metric", "of another metric"):
        stage = Deltas(4)

        def collection(name: str, time: int, stage: Deltas = stage, others: str = others) -> list[Group | Withheld]:
            data = group(Kind.SUM, [point(Kind.SUM, {"n": name}, 5, time, [1] * time, 0)])
            if name != "rare" and others == "of another metric":
                data = replace(data, stream=replace(data.stream, name="other"))
            return list(stage.convert([data]))

        collection("rare", 6)
        for time in range(7, 9):
            collection("often", time)
        (kept,) = collection("rare", 10)
        assert isinstance(kept, Group)
        assert [delta.value for delta in kept.points] == [4], others
        for time in range(11, 15):
            collection("often", time)
        assert sum(map(len, stage._streams.values())) == stage._series == 1
        (forgotten,) = collection("rare", 15)
        assert isinstance(forgotten, Withheld), others
        assert forgotten.code == FIRST


@pytest.mark.parametrize("module", [deltas, intervals])
def test_the_number_of_series_is_bounded(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_SERIES", 10)
    stage = Deltas(0)
    for turn in range(30):
        data = group(Kind.SUM, [point(Kind.SUM, {"n": turn}, turn + 1, turn + 2, [1], 0)])
        if module is deltas:
            data = replace(data, stream=replace(data.stream, name=str(turn)))
        (part,) = stage.convert([data])
        assert isinstance(part, Group), "a series that starts later has a first delta"
    assert sum(map(len, stage._streams.values())) == stage._series <= 11


def test_series_are_distinguished_by_the_types_of_values_and_not_by_the_order_of_keys() -> None:
    assert identity({"a": 1, "b": "x"}) == identity({"b": "x", "a": 1})
    assert identity({"a": [1, {"b": 2}]}) == identity({"a": (1, {"b": 2})})
    assert identity({"b": 1, "a": "\ud800"}) == identity({"a": "\ud800", "b": 1}) != identity({"a": "\ud801", "b": 1})
    assert len({identity({"a": value}) for value in (1, 1.0, True, "1", (1,), (True,), None)}) == 7
    assert identity(None) == identity({})
