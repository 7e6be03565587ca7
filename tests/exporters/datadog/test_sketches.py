"""Sketches encoded bucket by bucket, decoded with protobuf's own classes, have the bins of the vendor's rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from magictel.encoding.protobuf import field
from magictel.exporters.datadog import sketch, sketch_encoding
from magictel.sandbox.datadog_protobuf import SketchPayload
from tests.exporters.datadog.test_encoding import SECOND

BOUNDS = st.lists(st.floats(-1e3, 1e6), min_size=1, max_size=6, unique=True).map(sorted)
COUNTS = st.integers(0, 3) | st.integers(0, 300) | st.integers(0, 70_000)


@given(BOUNDS, st.data())
def test_sketches_encoded_by_bucket_are_those_of_the_vendors_code(bounds: list[float], data: st.DataObject) -> None:
    rows = data.draw(
        st.lists(st.lists(COUNTS, min_size=len(bounds) + 1, max_size=len(bounds) + 1), min_size=1, max_size=3)
    )
    edge = st.sampled_from([None, 0.5, float("inf")])
    points = [
        HistogramDataPoint({}, 0, at * SECOND, sum(row), 2.5, row, bounds, data.draw(edge), data.draw(edge))
        for at, row in enumerate(rows, 1)
    ]
    expected = [sketch.of_histogram(point) for point in points]
    for point, bins in zip(points, expected, strict=True):
        encoded = sketch_encoding.encoded(point)
        assert (bins is None) == (encoded is None)
        if bins is not None and encoded is not None:
            (shown,) = SketchPayload.FromString(field(1, field(7, encoded))).sketches[0].dogsketches
            assert (shown.ts, shown.cnt, shown.min, shown.max) == (
                point.time_unix_nano // SECOND,
                bins.total,
                bins.smallest,
                bins.largest,
            )
            assert (shown.avg, shown.sum, list(shown.k), list(shown.n)) == (
                bins.average,
                bins.sum,
                bins.keys,
                bins.counts,
            )
    column = sketch_encoding.encoded_column(points)
    assert column is None or column == [sketch_encoding.encoded(point) for point in points]
    assert column is not None or not all(0 < point.count < 65_536 for point in points) or close(bounds)


def close(bounds: list[float]) -> bool:
    keys = list(map(sketch.key, bounds))
    return len(set(keys)) < len(keys) or keys[-1] - keys[0] >= 4096
