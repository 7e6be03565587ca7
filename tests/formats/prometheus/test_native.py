"""What is compared of an exponential histogram: that the server has the same buckets, and no others."""

from __future__ import annotations

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint as Message
from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint

from magictel.formats.prometheus.native import seen_numbers, sent_numbers
from magictel.sandbox import otlp_series, prometheus_query


def point(
    scale: int, offset: int, counts: list[int], *, zeros: int = 0, below: int = 0
) -> ExponentialHistogramDataPoint:
    return ExponentialHistogramDataPoint(
        {},
        0,
        1,
        sum(counts) + zeros + below,
        12.5,
        scale,
        zeros,
        Buckets(offset, counts),
        Buckets(offset, [below]),
        0,
        0,
        0,
    )


def shown(sent: ExponentialHistogramDataPoint) -> dict[str, object]:
    """Return what the emulator shows of a point; it computes bounds in another way than the comparison."""
    sides = {
        side: Message.Buckets(offset=buckets.offset, bucket_counts=buckets.bucket_counts)
        for side, buckets in (("positive", sent.positive), ("negative", sent.negative))
    }
    message = Message(count=sent.count, sum=sent.sum, scale=sent.scale, zero_count=sent.zero_count, **sides)
    return prometheus_query._histogram(otlp_series._native(message))


@pytest.mark.parametrize("scale", [-4, -1, 0, 3, 7, 8, 11, 20])
@pytest.mark.parametrize("offset", [-37, -1, 0, 1, 30])
def test_a_stored_histogram_is_equal(scale: int, offset: int) -> None:
    sent = point(scale, offset, [1, 0, 2, 5], zeros=3, below=4)
    assert seen_numbers(shown(sent)) == sent_numbers(sent)


@pytest.mark.parametrize("scale", [-4, 0, 3, 8])
def test_buckets_at_another_place_differ(scale: int) -> None:
    sent = point(scale, 1, [1, 0, 2])
    assert seen_numbers(shown(point(scale, 2, [1, 0, 2]))) != sent_numbers(sent)
    assert seen_numbers(shown(point(scale, 1, [1, 2]))) != sent_numbers(sent)
    if scale > -4:
        assert seen_numbers(shown(point(scale - 1, 1, [1, 0, 2]))) != sent_numbers(sent)


def test_a_negative_bucket_is_no_positive_one() -> None:
    assert sent_numbers(point(0, 1, [], below=1)) == (1.0, 12.5, -4.0, 1.0)
    assert sent_numbers(point(0, 1, [1])) == (1.0, 12.5, 4.0, 1.0)
    assert sent_numbers(point(0, 1, [], zeros=1)) == (1.0, 12.5, 0.0, 1.0)


def test_the_last_digit_of_a_bound_does_not_matter_and_neither_does_the_threshold_of_the_zero_bucket() -> None:
    sent = point(3, 0, [1], zeros=2)
    buckets = [[3, "-1e-128", "1e-128", "2"], [0, "1", "1.0905077326652579", "1"]]
    assert seen_numbers({"count": "3", "sum": "12.5", "buckets": buckets}) == sent_numbers(sent)


def test_the_largest_bucket_ends_at_infinity() -> None:
    sent = point(-4, 63, [1])
    shown = {"count": "1", "sum": "12.5", "buckets": [[0, "1e+300", "+Inf", "1"]]}
    assert seen_numbers(shown) == sent_numbers(sent)
