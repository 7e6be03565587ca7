"""Points as the read-back looks for them: what series share is remembered, and nothing comes out otherwise for it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.exporters.prometheus_remote_write.encoding import Encoder
from magictel.model.metrics import Kind, Point, Series, Stream, number_point
from magictel.model.verification import Expected, Seen, verify
from magictel.promql import points
from magictel.promql.points import Identities
from magictel.promql.victoriametrics import decimal, without_nan

STREAM = Stream("m", "", "", Kind.GAUGE, None, False, {"service.name": "s"}, "", "scope", "", {}, "")
SECOND = 1_000_000_000


def number(attributes: Any, value: float = 1.5, time: int = SECOND) -> Point:
    return number_point(attributes, 0, time, value)


def histogram(attributes: Any, bounds: tuple[float, ...], time: int = SECOND) -> Point:
    return HistogramDataPoint(attributes, 0, time, 3, 1.5, [1] * (len(bounds) + 1), bounds, 0.0, 1.0)


HISTOGRAM = replace(STREAM, name="h", kind=Kind.HISTOGRAM, temporality="cumulative")
A, B = {"k": "a", "empty": ""}, {"k": "b"}
POINTS = [
    (stream, make(attributes, time=time))
    for time in (SECOND, 2 * SECOND)
    for stream, make in (
        (STREAM, number),
        (HISTOGRAM, lambda attributes, time: histogram(attributes, (0.5,), time)),
        (HISTOGRAM, lambda attributes, time: histogram(attributes, (0.25, 2.0), time)),
    )
    for attributes in (A, B)
]


@pytest.mark.parametrize("most", [0, 1, 5_000])
def test_a_point_is_looked_for_the_same_whatever_came_before(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(points, "_MOST_SERIES", most)
    encoder = Encoder()
    together = Identities(encoder, encoder.carries)
    for _ in range(2):
        for stream, point in POINTS:
            alone = Identities(encoder, encoder.carries).of(Series(stream, point.attributes or {}), point)
            assert alone is not None
            assert together.of(Series(replace(stream), point.attributes or {}), point) == alone


def test_each_series_and_time_has_a_key_of_its_own_and_every_sample_is_looked_for() -> None:
    identities = Identities(encoder := Encoder(), encoder.carries)
    expectations = [identities.of(Series(stream, point.attributes or {}), point) for stream, point in POINTS[:4]]
    assert len({expectation.key for expectation in expectations if expectation}) == 4
    assert expectations[0] is not None
    assert expectations[2] is not None
    assert dict(expectations[0].fields) == {"m{job=s, k=a, otel_scope_name=scope}": 1.5}
    assert sorted(expectations[2].fields) == [
        "h_bucket{job=s, k=a, le=+Inf, otel_scope_name=scope}",
        "h_bucket{job=s, k=a, le=0.5, otel_scope_name=scope}",
        "h_count{job=s, k=a, otel_scope_name=scope}",
        "h_sum{job=s, k=a, otel_scope_name=scope}",
    ]


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize(
    ("stream", "point"),
    [
        pytest.param(STREAM, number(A, 10**400), id="a number beyond a double"),
        pytest.param(HISTOGRAM, replace(histogram(A, (0.5,)), bucket_counts=[1]), id="buckets that do not fit"),
        pytest.param(replace(STREAM, name="?"), number(A), id="no name is left"),
        pytest.param(replace(STREAM, kind=Kind.SUM, temporality="delta"), number(A), id="delta"),
    ],
)
def test_what_is_not_sent_is_not_looked_for(stream: Stream, point: Point, remembered: bool) -> None:
    identities = Identities(encoder := Encoder(), encoder.carries)
    if remembered:
        good = number(A) if stream.kind is not Kind.HISTOGRAM else histogram(A, (0.5,))
        identities.of(Series(stream, A), good)
    assert identities.of(Series(stream, A), point) is None


def test_resources_that_are_equal_and_of_other_types_are_told_apart() -> None:
    identities = Identities(encoder := Encoder(), encoder.carries)
    streams = [replace(STREAM, resource={"service.name": value}) for value in (1, True, 1.5)]
    expectations = [identities.of(Series(stream, A), number(A)) for stream in streams]
    assert [
        next(iter(expectation.fields)).split("job=")[1].split(",")[0] for expectation in expectations if expectation
    ] == ["1", "true", "1.5"]


def test_a_point_of_nothing_but_nan_is_a_declared_loss_at_victoriametrics() -> None:
    """Measured with 1.79 and 1.151: 204, and the sample is dropped. A point that is shown, or has a number, is judged as it is."""
    fields = [{"a{}": math.nan}, {"b{}": math.nan}, {"c_sum{}": math.nan, "c_count{}": 0.0}, {"d{}": 1.0}]
    expected = [Expected(key, key, field) for key, field in zip("abcd", fields, strict=True)]
    seen = without_nan(expected, [Seen("b", fields[1]), Seen("c", {"c_count{}": 0.0})])
    verification = verify(expected, seen, decimal)
    assert (verification.found, verification.missing_points) == (3, ("d",))
    declared = {(difference.point, difference.declared) for difference in verification.differences}
    assert declared == {("a", "VictoriaMetrics stores no NaN"), ("c", "VictoriaMetrics stores no NaN")}
