"""Documents: what stands in them, by rule; the template's bytes are the plain encoding's."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource

from magictel.encoding.chunks import Chunk, chunks
from magictel.encoding.layouts import Layouts
from magictel.exporters.elasticsearch.columns import Columns
from magictel.exporters.elasticsearch.encoding import attributes_column, attributes_json, encode, split
from magictel.model.metrics import groups
from tests.exporters.elasticsearch.collections_of_points import TIME, collection, gauge, histogram, metrics


def body(data: MetricsData, columns: Columns, layouts: Layouts | None) -> bytes:
    def encode_point(series: Any, point: Any) -> bytes:
        return encode(columns.stream_frame(series.stream), series, point)

    template = columns if layouts is not None else None
    pieces = chunks(groups(data), encode_point, template, layouts or Layouts(), 3)
    return b"".join(chunk.body for chunk in pieces if isinstance(chunk, Chunk))


def items(data: MetricsData) -> list[tuple[str, dict[str, Any]]]:
    """Id and document of each item; JSON without NaN, whole numbers and decimals as json tells them apart."""

    def never(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    entries = []
    for item in split(body(data, Columns(), None)):
        action, document = item.splitlines()
        entries.append((json.loads(action)["create"]["_id"], json.loads(document, parse_constant=never)))
    return entries


def document(data: MetricsData) -> dict[str, Any]:
    return items(data)[0][1]


@given(st.lists(st.lists(metrics(), min_size=1, max_size=2), min_size=1, max_size=3))
def test_the_template_gives_the_bytes_of_the_plain_encoding_warm_and_cold(runs: list[list[Any]]) -> None:
    columns, layouts = Columns(), Layouts()
    for run in [*runs, *runs]:
        assert body(collection(*run), columns, layouts) == body(collection(*run), Columns(), None)


@given(metrics())
def test_every_item_is_one_line_of_action_and_one_of_strict_json(metric: Any) -> None:
    entries = items(collection(metric))
    assert len(entries) == len(metric.data.data_points)
    for identity, _ in entries:
        assert re.fullmatch(r"[A-Za-z0-9_-]{22}[0-9a-f]{16}[dlthe][0-9a-f]{16}", identity)
        assert len(identity) <= 64


@given(st.floats())
def test_a_decimal_comes_back_bit_for_bit_or_as_text(value: float) -> None:
    fields = document(collection(gauge(value)))
    if "value_double" in fields:
        assert isinstance(fields["value_double"], float)
        assert math.copysign(1, fields["value_double"]) == math.copysign(1, value)
        assert fields["value_double"] == value
        assert abs(value) <= 3.4028234663852886e38
    else:
        assert float(fields["value_text"]) == value or math.isnan(value)
    assert len({"value_double", "value_text", "value_long"} & fields.keys()) == 1


@pytest.mark.parametrize(
    ("value", "field", "expected"),
    [
        (5, "value_long", 5),
        (True, "value_long", 1),
        (5.0, "value_double", 5.0),
        (-0.0, "value_double", -0.0),
        (2**63 - 1, "value_long", 2**63 - 1),
        (2**63, "value_text", "9223372036854775808"),
        (-(2**63) - 1, "value_text", "-9223372036854775809"),
        (1e300, "value_text", "1e+300"),
        (-1e39, "value_text", "-1e+39"),
        (3.4028234663852886e38, "value_double", 3.4028234663852886e38),
        (math.nan, "value_text", "NaN"),
        (math.inf, "value_text", "Infinity"),
        (-math.inf, "value_text", "-Infinity"),
    ],
)
def test_each_value_has_a_field_that_no_first_document_can_spoil(value: float, field: str, expected: Any) -> None:
    fields = document(collection(gauge(value)))
    assert fields[field] == expected
    assert type(fields[field]) is type(expected)


def test_a_decimal_is_written_with_a_point_or_an_exponent() -> None:
    for value in (5.0, 1e22, -0.0, 16777217.0):
        line = split(body(collection(gauge(value)), Columns(), None))[0]
        written = re.search(rb'"value_double":([^,]+)', line)
        assert written is not None
        assert re.search(rb"[.e]", written.group(1))


def test_times_are_text_with_milliseconds() -> None:
    fields = document(collection(histogram([1], [])))
    assert fields["@timestamp"] == "2026-11-25T02:20:30.174Z"
    assert fields["start_timestamp"] == "2026-11-25T02:20:29.174Z"
    assert "start_timestamp" not in document(collection(gauge(1)))


def test_swapped_bucket_counts_differ_after_sorting() -> None:
    fields = document(collection(histogram([4, 5, 0], [0.5, 1.0])))
    other = document(collection(histogram([5, 4, 0], [0.5, 1.0])))
    assert fields["cumulative_counts"] == [4, 9, 9]
    assert sorted(fields["cumulative_counts"]) != sorted(other["cumulative_counts"])


def test_an_empty_histogram_has_no_extremes() -> None:
    fields = document(collection(histogram([0, 0], [1.0], total=0.0, low=math.inf, high=-math.inf)))
    assert (fields["count"], fields["sum"], fields["cumulative_counts"]) == (0, 0.0, [0, 0])
    assert not {"min", "max", "min_text", "max_text"} & fields.keys()


def test_bounds_beyond_32_bits_stand_in_one_text() -> None:
    fields = document(collection(histogram([1, 2], [1e300])))
    assert fields["bounds_text"] == "[1e+300]"
    assert "bounds" not in fields


def test_a_whole_sum_is_written_as_a_decimal() -> None:
    assert isinstance(document(collection(histogram([1], [], total=7, low=7, high=7)))["sum"], float)


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("x" * 5000, "x" * 4096),
        ("\ud800", "\ufffd"),
        ("\ud83d\ude00", "😀"),
        (float("nan"), "NaN"),
        (2**64, "18446744073709551616"),
        (b"ab", "YWI="),
        ((1, 2.5), [1.0, 2.5]),
        ((True, "x"), [True, "x"]),
        (5.0, 5.0),
    ],
)
def test_each_attribute_has_a_rule(given_value: Any, expected: Any) -> None:
    assert document(collection(gauge(1, attributes={"k": given_value})))["attributes"]["k"] == expected


def test_ids_tell_apart_what_json_tells_apart() -> None:
    every = [
        collection(gauge(1)),
        collection(gauge(1.0)),
        collection(gauge(2)),
        collection(gauge(1, name="other")),
        collection(gauge(1, unit="s")),
        collection(gauge(1, attributes={"a": "1"})),
        collection(gauge(1, attributes={"a": 1})),
        collection(gauge(1, attributes={"a": True})),
        collection(gauge(0.0)),
        collection(gauge(-0.0)),
        collection(histogram([4, 5], [1.0])),
        collection(histogram([5, 4], [1.0])),
    ]
    assert len({items(data)[0][0] for data in every}) == len(every)


def test_attributes_in_another_order_are_the_same_series() -> None:
    first, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    assert items(collection(gauge(1, attributes=first)))[0][0] == items(collection(gauge(1, attributes=other)))[0][0]


def test_ids_are_the_same_in_another_process() -> None:
    program = (
        "import json; from tests.exporters.elasticsearch.test_encoding import items, collection, gauge;"
        "print(items(collection(gauge(1.5, attributes={'a': 'é', 'n': 3})))[0][0])"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    assert other.stdout.strip() == items(collection(gauge(1.5, attributes={"a": "é", "n": 3})))[0][0]


def test_the_time_in_the_id_has_all_its_nanoseconds() -> None:
    assert items(collection(gauge(1)))[0][0][22:38] == f"{TIME:016x}"


def test_a_point_without_attributes_is_encoded_by_template_and_plainly() -> None:
    metric = gauge(1)
    metric.data.data_points[0] = dataclasses.replace(metric.data.data_points[0], attributes=None)
    data = collection(metric)
    assert body(data, Columns(), Layouts()) == body(data, Columns(), None)
    assert "attributes" not in document(data)


def test_resources_that_differ_in_a_type_alone_are_told_apart() -> None:
    columns, layouts = Columns(), Layouts()
    for value in (1, True, 1.0, 1):
        data = collection(gauge(2.5), resource=Resource({"replicas": value}))
        assert body(data, columns, layouts) == body(data, Columns(), None)


everyday = st.one_of(
    st.booleans(), st.integers(-(2**65), 2**65), st.text(max_size=5), st.sampled_from(["},{", "\n", "x" * 5000])
)
odd = st.one_of(everyday, st.none(), st.floats(), st.sampled_from(["\ud800", [1, 2.5], {"k": "v"}, b"1"]))


@given(
    st.one_of(
        st.lists(st.dictionaries(st.text(max_size=2), values, max_size=3), min_size=1, max_size=9)
        for values in (everyday, odd)
    )
)
def test_many_attributes_are_written_as_each_one_is(given_attributes: list[dict[str, Any]]) -> None:
    given_attributes.append(MappingProxyType({"k": "a"}))  # type: ignore[arg-type] # as the SDK's own attributes: no dict
    assert attributes_column(given_attributes) == list(map(attributes_json, given_attributes))
