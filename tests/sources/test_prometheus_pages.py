"""Pages read by name: metadata, families, times, start times, histograms, exemplars, wherever their lines stand."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from magictel.model.metrics import PROMETHEUS_TYPE
from magictel.sources.batching import Part
from magictel.sources.errors import SourceError
from magictel.sources.prometheus_text import PrometheusText
from magictel.sources.recording import Recordings
from tests.sources.test_prometheus_grammar import NOW, read

SECOND = 1_000_000_000


def point(part: Part) -> Any:
    """The one point of a part."""
    (only,) = part.points
    return only


def heads(parts: list[Part]) -> list[tuple[str, str, str, str]]:
    """Name, kind, type on the page and help of each part."""
    return [
        (part.head.name, str(part.head.kind), dict(part.head.metadata)[PROMETHEUS_TYPE], part.head.description)
        for part in parts
    ]


def test_metadata_holds_for_its_name_wherever_the_samples_stand() -> None:
    parts = read(
        b"# HELP a_total A\n# TYPE a_total counter\n# HELP b_total B\n# TYPE b_total counter\n"
        b'a_total 1\nb_total 2\na_total{x="1"} 3\nc 4\n# TYPE c counter\n# TYPE d gauge\n# TYPE d counter\nd 5\n'
    )
    assert heads(parts) == [
        ("a_total", "sum", "counter", "A"),
        ("b_total", "sum", "counter", "B"),
        ("c", "sum", "counter", ""),
        ("d", "sum", "counter", ""),
    ]
    assert [getattr(point, "value", None) for point in parts[0].points] == [1.0, 3.0]


def test_quoted_names_have_metadata_as_others_have() -> None:
    (part,) = read(b'# HELP "my metric" text\n# TYPE "my metric" counter\n{"my metric","my label"="v"} 3\n')
    assert heads([part]) == [("my metric", "sum", "counter", "text")]


def test_a_histogram_is_one_wherever_its_lines_stand() -> None:
    histogram, gauge = read(
        b'h_count{p="a"} 2\n# TYPE h histogram\nh_bucket{le="+Inf",p="a"} 2\n# TYPE g gauge\ng 3\n# TYPE h histogram\n'
        b'h_bucket{p="a",le="0.1"} 1\nh_sum{p="a"} 4.5\n'
    )
    converted = point(histogram)
    assert (
        converted.attributes,
        converted.count,
        converted.sum,
        converted.bucket_counts,
        converted.explicit_bounds,
    ) == (
        {"p": "a"},
        2,
        4.5,
        [1, 1],
        [0.1],
    )
    assert gauge.head.name == "g"


@pytest.mark.parametrize(
    ("lines", "place", "why"),
    [
        (
            'h_bucket{le="1"} 0.5\nh_bucket{le="+Inf"} 2',
            "line 2, column 18",
            'h_bucket{le="1"} is 0.5: a count is whole',
        ),
        (
            'h_bucket{le="1"} -3\nh_bucket{le="+Inf"} -1',
            "line 2, column 18",
            'h_bucket{le="1"} is -3, expected a count',
        ),
        ('h_bucket{le="1"} NaN\nh_bucket{le="+Inf"} 1', "line 2, column 18", "expected a count"),
        ('h_bucket{le="+Inf"} 3\nh_bucket{le="1"} 5', "line 2, column 21", 'h_bucket{le="+Inf"} is 3, less than'),
        ('h_bucket{le="+Inf"} 2\nh_count 7', "line 3, column 9", 'h_count is 7, but h_bucket{le="+Inf"} is 2'),
        ('h_bucket{le="1"} 2\nh_count 1', "line 3, column 9", 'h_count is 1, but h_bucket{le="1"} is 2'),
        ('h_bucket{le="1"} 2\nh_sum 1', "line 2, column 18", 'h has neither a bucket of le="+Inf" nor h_count'),
        ('h_bucket{le="+Inf"} 2\nh_count 2.5', "line 3, column 9", "h_count is 2.5: a count is whole"),
        (
            'h_bucket{le="1"} 1\nh_bucket{le="1.0"} 2',
            "line 3, column 1",
            "expected one value of h_bucket with these labels",
        ),
        ("h_sum 1\nh_sum 2", "line 3, column 1", "expected one value of h_sum with these labels"),
        ("h_bucket 1", "line 2, column 10", "expected a bound, le, that is a number"),
        ('h_bucket{le="x"} 1', "line 2, column 10", "expected a bound, le, that is a number"),
    ],
)
def test_a_histogram_that_cannot_be_is_told_at_the_sample_that_shows_it(lines: str, place: str, why: str) -> None:
    with pytest.raises(SourceError) as raised:
        read(f"# TYPE h histogram\n{lines}\n".encode())
    assert f"p, {place}:" in raised.value.message
    assert why in raised.value.message


def test_histograms_that_are_not_whole_are_no_more_than_the_page_says() -> None:
    numbers = read(b'# TYPE h histogram\n# TYPE k histogram\nh_count 3\nh_sum 4\nk_bucket{le="1"} 1\nk_count 3\n')
    assert [part.head.name for part in numbers] == ["h_count", "h_sum", "k"]
    assert (point(numbers[2]).bucket_counts, point(numbers[2]).sum) == ([1, 2], None)


def test_a_gauge_histogram_is_its_gauges() -> None:
    parts = read(
        b'# TYPE g gaugehistogram\ng_bucket{le="1.0"} 3\ng_bucket{le="+Inf"} 2\ng_gsum -1\ng_gcount 2\n# EOF\n'
    )
    assert [(part.head.name, str(part.head.kind)) for part in parts] == [
        ("g_bucket", "gauge"),
        ("g_gsum", "gauge"),
        ("g_gcount", "gauge"),
    ]


def test_types_of_openmetrics_are_gauges_under_their_own_names() -> None:
    parts = read(b'# TYPE i info\ni_info{v="1"} 1\n# TYPE s stateset\ns{s="on"} 1\n# TYPE u unknown\nu 2\n# EOF\n')
    assert heads(parts) == [
        ("i_info", "gauge", "info", ""),
        ("s", "gauge", "stateset", ""),
        ("u", "gauge", "unknown", ""),
    ]


def test_a_quantile_is_written_as_prometheus_stores_it() -> None:
    parts = read(
        b'# TYPE s summary\ns{quantile="0"} 1\ns{quantile="0.50"} 2\ns_sum 3\ns_count 2\nplain{quantile="0"} 1\n'
    )
    assert [point.attributes for point in parts[0].points] == [{"quantile": "0.0"}, {"quantile": "0.5"}]
    assert point(parts[-1]).attributes == {"quantile": "0"}


def test_the_two_formats_are_told_apart_by_their_end() -> None:
    text = read(b"a 1 1700000000\n")
    openmetrics = read(b"a 1 1700000000\n# EOF\n")
    assert point(text[0]).time_unix_nano == 1_700_000_000_000_000
    assert point(openmetrics[0]).time_unix_nano == 1_700_000_000 * SECOND


def test_samples_without_a_time_have_the_newest_of_their_page() -> None:
    parts = read(b"a 1\nb 1 5\nc 1 9000\nd 1 7\ne 1\n")
    assert [point(part).time_unix_nano // 1_000_000 for part in parts] == [9000, 5, 9000, 7, 9000]
    assert [point(part).time_unix_nano for part in read(b"a 1\nb 1\n")] == [NOW, NOW]
    two = read(b"a 1 5\nb 1\n# EOF\nb 2\nc 1 7\n# EOF\n")
    assert [point.time_unix_nano // SECOND for part in two if part.head.name == "b" for point in part.points] == [5, 7]


@pytest.mark.parametrize("first", [True, False])
def test_created_lines_are_start_times_in_any_order_exact_to_the_millisecond(first: bool) -> None:
    created = b'c_created{x="1"} 1700000000.123\nh_created 1700000001.457\ns_created 1.7e9\n'
    others = (
        b'c_total{x="1"} 3\nc_total{x="2"} 4\n# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_count 2\n# TYPE s summary\ns_count 1\n'
        b's{quantile="0.5"} 1\n# TYPE c counter\n'
    )
    parts = read((created + others if first else others + created) + b"# EOF\n")
    starts = {
        (part.head.name, *(point.attributes or {}).values()): point.start_time_unix_nano
        for part in parts
        for point in part.points
    }
    assert starts == {
        ("c_total", "1"): 1_700_000_000_123_000_000,
        ("c_total", "2"): 0,
        ("h",): 1_700_000_001_457_000_000,
        ("s_count",): 1_700_000_000 * SECOND,
        ("s", "0.5"): 0,
    }


def test_created_lines_that_nothing_began_with_are_numbers() -> None:
    parts = read(b"# TYPE c counter\nc_created 1.5e9\n# TYPE d counter\nd_total 1\nd_created NaN\n# EOF\n")
    assert sorted(part.head.name for part in parts) == ["c_created", "d_created", "d_total"]
    (text,) = read(b"# TYPE c counter\nc_created 1.5e9\n")
    assert (text.head.name, str(text.head.kind)) == ("c_created", "gauge")


def test_units_stand_where_the_name_ends_in_them() -> None:
    assert read(b"# UNIT a_seconds seconds\n# TYPE a_seconds gauge\na_seconds 1\n# EOF\n")[0].head.unit == "seconds"
    assert read(b"# UNIT a_seconds seconds\na_seconds 1\n")[0].head.unit == "seconds"
    assert read(b"# UNIT a_seconds bytes\na_seconds 1\n")[0].head.unit == ""


def test_exemplars_are_kept_with_their_traces() -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    parts = read(
        f'# TYPE c counter\nc_total 3 5 # {{trace_id="{trace}",span_id="{span}",u="1"}} 0.5 4.25\n# TYPE h histogram\n'
        f'h_bucket{{le="1"}} 1 5 # {{trace_id="a"}} 0.7\nh_bucket{{le="+Inf"}} 1 5\n# EOF\n'.encode()
    )
    histogram, counter = parts
    (exemplar,) = point(counter).exemplars
    assert (exemplar.filtered_attributes, exemplar.value, exemplar.time_unix_nano) == ({"u": "1"}, 0.5, 4_250_000_000)
    assert (exemplar.trace_id, exemplar.span_id) == (int(trace, 16), int(span, 16))
    (plain,) = point(histogram).exemplars
    assert (plain.filtered_attributes, plain.time_unix_nano, plain.trace_id) == ({"trace_id": "a"}, 5 * SECOND, None)


def test_a_large_page_is_read_as_a_small_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (
        b"".join(b'c_total{n="%d"} %d\n' % (number, number) for number in range(3_000))
        + b"# TYPE c_total counter\nx 1 9000\n"
    )
    small = [part._replace(head=part.head._replace(resource=None)) for part in read(page)]  # type: ignore[arg-type]
    monkeypatch.setattr("magictel.sources.prometheus_text._READ_ONCE", 100)
    monkeypatch.setattr("magictel.sources.prometheus_text._IN_MEMORY", 100)
    large = [part._replace(head=part.head._replace(resource=None)) for part in read(page)]  # type: ignore[arg-type]
    assert [(part.head.name, part.keys, [point.time_unix_nano for point in part.points]) for part in small] == [
        (part.head.name, part.keys, [point.time_unix_nano for point in part.points]) for part in large
    ]
    assert {str(part.head.kind) for part in large if part.head.name == "c_total"} == {"sum"}


def test_a_page_that_no_temporary_file_can_hold_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("magictel.sources.prometheus_text.SpooledTemporaryFile", lambda _: Full())
    with pytest.raises(SourceError, match=r"^p: it cannot be stored in a temporary file: no space left on device$"):
        read(b"a 1\n")


@pytest.mark.parametrize(
    "page",
    [
        b'{"a:b"} 1\n',
        b'{ "a b" , x="1" } 1\n',
        b'{"a",r="resourceMetrics"} 1\n',
        b'{"say \\"hi\\": {}"} 1\n',
        b'{x="1","a"} 1\n',
        b'{"my label"="1","a"} 1\n',
        b'\n\t{"a"}1\n',
        b'a{x="\0"} 1\n',
        b'# HELP a \0\na{x="\0"} 1\n',
        b"a\t1\n",
        b"# a comment of a page\na 1\n",
    ],
)
def test_a_page_is_known_by_its_first_line(tmp_path: Path, page: bytes) -> None:
    (tmp_path / "p").write_bytes(page)
    with Recordings((str(tmp_path / "p"),), now=NOW) as recordings:
        assert sum(len(part.points) for batch in recordings.batches() for part in batch) == 1


def test_labels_that_come_again_are_the_same_objects() -> None:
    reader = PrometheusText("p", NOW)
    page = b'a{x="1"} 1\n# TYPE h histogram\nh_bucket{x="1",le="+Inf"} 1\n# EOF\n' * 2
    parts = [part for batch in reader.read([page], lambda error: pytest.fail(str(error))) for part in batch]
    by_name: dict[str, list[Any]] = {}
    for part in parts:
        by_name.setdefault(part.head.name, []).extend(point.attributes for point in part.points)
    assert all(first is second for first, second in by_name.values())
