"""Points in the same second: what columns prove at once is what a comparison one by one finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import NumberDataPoint

from magictel.encoding.withheld import Withheld
from magictel.exporters.datadog.collisions import SecondCollisions
from magictel.exporters.datadog.names import tags_of, tags_of_key
from magictel.model.metrics import Group, Kind
from tests.exporters.datadog.test_encoding import SECOND, stream

VALUES = st.one_of(
    st.sampled_from(["a", "A", "a ", "a_", "b:c", "", "x" * 300, "é", "\ud800", "1\n2", "a__b"]), st.text()
)
KEYS = st.sampled_from(["k", "K", "k_", "k:b", "1", "", "key" * 80, "k" * 198 + "::y"])
ATTRIBUTES = st.dictionaries(KEYS, st.one_of(VALUES, st.sampled_from([1, True, 1.0, None])), max_size=3)
SETS = [{"k": "a"}, {"k": "A"}, {"k": "b"}, {}, {"z": "b", "k": "a"}, {"k": "a", "z": "b"}]
POINTS = st.lists(
    st.tuples(st.sampled_from(SETS), st.sampled_from([0, 1, SECOND]), st.sampled_from([1.0, 2.0])), min_size=1
)


@given(
    KEYS,
    st.one_of(st.lists(VALUES, min_size=1), st.lists(st.integers(), min_size=1), st.lists(st.booleans(), min_size=1)),
)
@example("k" * 198 + "::y", ["1", "2"])
def test_tags_by_key_are_those_of_each_point(key: str, values: list[Any]) -> None:
    assert tags_of_key(key, values) == ["".join(tags_of({key: value})) for value in values]


def group(points: list[Any], *, delta: bool) -> Group:
    about = stream(Kind.SUM, "delta", monotonic=True) if delta else stream()
    rows = [NumberDataPoint(attributes, 0, 100 * SECOND + time, value) for attributes, time, value in points]
    return Group(about, rows, (ABOUT,))


ABOUT = object()


@given(st.lists(st.lists(POINTS, min_size=1, max_size=2), min_size=1, max_size=3), st.booleans())
def test_columns_leave_out_and_move_the_same_points(given_collections: list[Any], delta: bool) -> None:
    fast, slow = (SecondCollisions(lambda stream: stream.name) for _ in range(2))
    slow._all_free = lambda group, shared: None  # type: ignore[method-assign,assignment]
    for collection in given_collections:
        parts = [list(each.deduplicate(group(points, delta=delta) for points in collection)) for each in (fast, slow)]
        assert list(map(shown, parts[0])) == list(map(shown, parts[1]))


def shown(part: Group | Withheld) -> Any:
    return part if isinstance(part, Withheld) else (part.stream, part.points)


@given(st.lists(ATTRIBUTES, min_size=1, max_size=4))
def test_points_of_a_second_are_different_series_only_if_their_tags_differ(attributes: list[dict[str, Any]]) -> None:
    collisions = SecondCollisions(lambda stream: stream.name)
    points = [(given_attributes, 0, float(at)) for at, given_attributes in enumerate(attributes)]
    parts = list(collisions.deduplicate([group(points, delta=False)]))
    left_out = sum(isinstance(part, Withheld) for part in parts)
    assert left_out == len(attributes) - len({frozenset(tags_of(given_attributes)) for given_attributes in attributes})


@pytest.mark.parametrize("delta", [False, True])
def test_the_usual_collection_is_not_compared_one_by_one(delta: bool) -> None:
    collisions = SecondCollisions(lambda stream: stream.name)
    collisions._one_by_one = None  # type: ignore[method-assign,assignment]
    for time in (0, SECOND):
        (kept,) = collisions.deduplicate([group([(SETS[0], time, 1.0), (SETS[2], time, 1.0)], delta=delta)])
        assert isinstance(kept, Group)
        assert kept.attributes == [SETS[0], SETS[2]]
