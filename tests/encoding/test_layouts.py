"""Layouts: the bytes of a template equal the plain encoding, warm and cold, whatever the source hands over."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.encoding.chunks import Chunk, chunks
from magictel.encoding.layouts import Layouts
from magictel.encoding.templates import Column, Constant, Filled, Pieces
from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Attributes, Point, Series, Stream, groups

RESOURCE, SCOPE = Resource({"service.name": "s"}), InstrumentationScope("scope")


def encode(series: Series, point: Point) -> bytes | Withheld:
    if point.value != point.value:  # type: ignore[union-attr]
        return Withheld("test.nan", "NaN is left out", series.stream.name)
    kind = type(point.value).__name__  # type: ignore[union-attr]
    return f"{series.stream.name};{sorted(series.attributes.items())};{kind}={point.value};{point.time_unix_nano}\n".encode()  # type: ignore[union-attr]


class Lines:
    """A template for `encode`: two holes, value and time; refuses mixed types and NaN."""

    def __init__(self) -> None:
        self.encoded = 0

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        values = [point.value for point in points]  # type: ignore[union-attr]
        kinds = set(map(type, values))
        if len(kinds) != 1 or any(value != value for value in values):
            return None
        times = [str(point.time_unix_nano).encode() for point in points]
        columns = [[str(value).encode() for value in values], times]
        widths = {len(value) + len(time) for value, time in zip(*columns, strict=True)}
        width = widths.pop() if len(widths) == 1 else None
        return Filled((kinds.pop().__name__, width), columns, width)

    def constants(
        self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]
    ) -> Sequence[Column | bytes]:
        assert isinstance(variant, tuple)
        self.encoded += len(attributes)
        return (
            [f"{stream.name};{sorted(attribute.items())};{variant[0]}=".encode() for attribute in attributes],
            b";",
            b"\n",
        )


def data(*series: tuple[dict[str, str], float, int]) -> MetricsData:
    points = [NumberDataPoint(attributes, 0, time, value) for attributes, value, time in series]
    return MetricsData([ResourceMetrics(RESOURCE, [ScopeMetrics(SCOPE, [Metric("m", "", "", Gauge(points))], "")], "")])


def body(collected: MetricsData, template: Lines | None, layouts: Layouts, slice_points: int = 100) -> bytes:
    pieces = chunks(groups(collected), encode, template, layouts, slice_points)
    return b"".join(chunk.body for chunk in pieces if isinstance(chunk, Chunk))


values = st.one_of(st.integers(-5, 5), st.floats(allow_nan=True, width=32))
exports = st.lists(
    st.lists(st.tuples(st.integers(0, 5), values, st.integers(0, 9)), min_size=1, max_size=9), max_size=6
)


@given(exports, st.integers(1, 4))
def test_every_export_of_a_changing_source_is_encoded_as_if_it_were_the_first(
    runs: list[list[tuple[int, float, int]]], slice_points: int
) -> None:
    attributes = [{"k": str(number)} for number in range(6)]
    layouts, template = Layouts(max_series=4), Lines()
    for run in runs:
        collected = data(*((attributes[which], value, time) for which, value, time in run))
        pieces = list(chunks(groups(collected), encode, template, layouts, slice_points))
        lines = [line for piece in pieces if isinstance(piece, Chunk) for line in piece.body.splitlines(keepends=True)]
        assert b"".join(lines) == body(collected, None, Layouts())
        item_sizes = [
            piece.sizes or map(len, piece.body.splitlines(keepends=True))
            for piece in pieces
            if isinstance(piece, Chunk)
        ]
        assert [size for sizes in item_sizes for size in sizes] == list(map(len, lines))


def test_the_same_attribute_objects_are_not_encoded_again() -> None:
    attributes = [{"k": "a"}, {"k": "b"}]
    layouts, template = Layouts(), Lines()
    for export in range(3):
        body(data(*((attrs, 1.5 + export, export) for attrs in attributes)), template, layouts)
    assert template.encoded == 2


def test_the_first_of_the_known_series_need_no_new_layout_and_lose_none() -> None:
    attributes = [{"k": "a"}, {"k": "b"}, {"k": "c"}]
    layouts, template = Layouts(), Lines()
    for count in (3, 2, 1, 3):
        collected = data(*((attribute, 1.5, 7) for attribute in attributes[:count]))
        assert body(collected, template, layouts) == body(collected, None, Layouts())
    assert template.encoded == 3


def test_series_that_come_several_times_in_a_collection_are_encoded_once() -> None:
    attributes = [{"k": "a"}, {"k": "b"}]
    template = Lines()
    collected = data(*((attribute, 1.5, time) for time in range(4) for attribute in attributes))
    assert body(collected, template, Layouts()) == body(collected, None, Layouts())
    assert template.encoded == 2


def test_a_change_of_value_type_makes_the_layout_anew() -> None:
    attributes = {"k": "a"}
    layouts, template = Layouts(), Lines()
    for value in (1, 1.5, 2):
        collected = data((attributes, value, 0))
        assert body(collected, template, layouts) == body(collected, None, Layouts())


def test_equal_attributes_of_other_types_are_encoded_anew() -> None:
    layouts, template = Layouts(), Lines()
    for value in (1, True, 1.0):
        collected = data(({"k": value}, 1, 0))  # type: ignore[dict-item]
        assert body(collected, template, layouts) == body(collected, None, Layouts())
    assert template.encoded == 3


class Tight(Lines):
    """The same lines, in which the pieces before, between and behind the holes are empty, but the one that holds the separator."""

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        filled = super().columns(stream, points)
        if filled is None:
            return None
        heads = [encode(Series(stream, point.attributes or {}), point).rpartition(b"=")[0] + b"=" for point in points]  # type: ignore[union-attr]
        values, times = filled.columns
        return Filled(filled.variant, [heads, values, [time + b"\n" for time in times]])

    def constants(
        self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]
    ) -> Sequence[Column | bytes]:
        return b"", b"", b";", b""


def test_pieces_that_are_empty_everywhere_take_no_place() -> None:
    layouts, attributes = Layouts(), [{"k": "a"}, {"k": "b"}]
    for export in range(2):
        collected = data(*((attrs, 1 + export, export) for attrs in attributes))
        assert body(collected, Tight(), layouts) == body(collected, None, Layouts())
    (layout,) = layouts._layouts.values()
    assert (layout.holes, layout.stride) == ((0, 1, 3), 4)


class InPieces(Lines):
    """The same lines, whose first constant comes in three pieces."""

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        heads, *others = super().constants(stream, variant, attributes)
        name = f"{stream.name};".encode()
        return [Pieces((name, [head[len(name) : -1] for head in heads], b"=")), *others]  # type: ignore[index,misc]


def test_pieces_are_joined_once_their_layout_is_used_again() -> None:
    layouts, attributes = Layouts(), [{"k": "a"}, {"k": "bc"}, {"k": "a"}]
    strides = []
    for export in range(3):
        collected = data(*((attrs, 1.5 + export, export) for attrs in attributes))
        assert body(collected, InPieces(), layouts) == body(collected, None, Layouts())
        strides += [layout.stride for layout in layouts._layouts.values()]
    assert strides == [7, 5, 5]


def test_streams_of_one_name_in_two_scopes_do_not_share_a_layout() -> None:
    attributes = {"k": "a"}
    layouts, template = Layouts(), Lines()
    first = data((attributes, 1, 0))
    inner = first.resource_metrics[0]
    other = dataclasses.replace(
        inner, scope_metrics=[dataclasses.replace(inner.scope_metrics[0], scope=InstrumentationScope("other"))]
    )
    body(first, template, layouts)
    body(MetricsData([other]), template, layouts)
    assert template.encoded == 2


def test_withheld_points_come_out_named() -> None:
    pieces = list(chunks(groups(data(({}, float("nan"), 0), ({}, 1.0, 0))), encode, Lines(), Layouts(), 10))
    assert [type(piece) for piece in pieces] == [Withheld, Chunk]
