"""Any request, as JSON or protobuf, against protobuf's own classes: the same points are read, and the others are counted.

Points that cannot be are found here by a few lines of their own, not by the rules that the readers share.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, Parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1 import metrics_pb2 as proto

from magictel.sources.batching import Part
from magictel.sources.errors import SourceError
from magictel.sources.otlp_json import OtlpJsonReader
from magictel.sources.otlp_protobuf import OtlpProtobuf
from magictel.sources.skips import Skips

TIME = 1_700_000_000_000_000_000
times = st.sampled_from([TIME, TIME, TIME + 1, 2**63 - 1, 1_700_000_000_000, 7, 0, 2**63, 2**64 - 1])
starts = st.sampled_from([0, TIME - 5, 2**64 - 1, 1])
flags = st.sampled_from([0, 0, 0, 1, 2, 3])
doubles = st.floats(width=64)
counts = st.integers(0, 5) | st.just(2**64 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
values = st.recursive(
    st.builds(AnyValue, string_value=texts)
    | st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1))
    | st.builds(AnyValue, double_value=doubles)
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=3))
    | st.builds(AnyValue),
    lambda inner: (
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=2)))
        | st.builds(
            AnyValue,
            kvlist_value=st.builds(
                KeyValueList, values=st.lists(st.builds(KeyValue, key=texts, value=inner), max_size=2)
            ),
        )
    ),
    max_leaves=3,
)
attributes = st.lists(st.builds(KeyValue, key=texts, value=values), max_size=2, unique_by=lambda pair: pair.key)
exemplars = st.lists(
    st.builds(
        proto.Exemplar,
        time_unix_nano=st.sampled_from([0, TIME]),
        as_double=doubles,
        trace_id=st.sampled_from([b"", b"\x01" * 16]),
        span_id=st.sampled_from([b"", b"\x02" * 8]),
    ),
    max_size=1,
)
around = {"attributes": attributes, "time_unix_nano": times, "start_time_unix_nano": starts, "flags": flags}
extremes = {"sum": st.none() | doubles, "min": st.none() | doubles, "max": st.none() | doubles}
chances = st.integers(0, 2**32 - 1).map(random.Random)
numbers = st.lists(
    st.builds(proto.NumberDataPoint, **around, as_double=doubles, exemplars=exemplars)
    | st.builds(proto.NumberDataPoint, **around, as_int=st.integers(-(2**63), 2**63 - 1))
    | st.builds(proto.NumberDataPoint, **around),
    max_size=3,
)


@st.composite
def histograms(draw: Any) -> Any:
    bounds = draw(st.lists(doubles, max_size=3).map(sorted) | st.lists(doubles, max_size=2))
    buckets = draw(st.lists(counts, min_size=len(bounds) + 1, max_size=len(bounds) + 1) | st.lists(counts, max_size=3))
    total = draw(st.sampled_from([sum(buckets) % 2**64, 3]))
    members = {name: draw(strategy) for name, strategy in {**around, **extremes, "exemplars": exemplars}.items()}
    return proto.HistogramDataPoint(count=total, bucket_counts=buckets, explicit_bounds=bounds, **members)


@st.composite
def exponentials(draw: Any) -> Any:
    sides = [draw(st.lists(st.integers(0, 3), max_size=3)) for _ in range(2)]
    zeros = draw(st.integers(0, 2))
    total = draw(st.sampled_from([sum(map(sum, sides)) + zeros, 3]))
    buckets = proto.ExponentialHistogramDataPoint.Buckets
    members = {name: draw(strategy) for name, strategy in {**around, **extremes}.items()}
    return proto.ExponentialHistogramDataPoint(
        count=total,
        zero_count=zeros,
        scale=draw(st.integers(-8, 20) | st.sampled_from([-11, 21, 2**31 - 1])),
        positive=buckets(offset=draw(st.integers(-1, 0)), bucket_counts=sides[0]),
        negative=buckets(offset=draw(st.integers(-1, 0)), bucket_counts=sides[1]),
        zero_threshold=draw(st.sampled_from([0.0, 1e-9, -1.0, math.nan])),
        **members,
    )


quantile = proto.SummaryDataPoint.ValueAtQuantile
summaries = st.builds(
    proto.SummaryDataPoint,
    **around,
    count=counts,
    sum=doubles,
    quantile_values=st.lists(
        st.builds(quantile, quantile=st.sampled_from([0.0, 0.5, 0.99, 1.0, 1.5, -0.1, math.nan]), value=doubles),
        max_size=2,
    ),
)
temporalities = st.integers(0, 2)
metrics = st.builds(
    proto.Metric,
    name=texts.map(lambda text: f"g{text}"),
    unit=texts,
    gauge=st.builds(proto.Gauge, data_points=numbers),
) | st.one_of(
    st.builds(
        proto.Metric,
        name=st.just("s"),
        sum=st.builds(
            proto.Sum, data_points=numbers, aggregation_temporality=temporalities, is_monotonic=st.booleans()
        ),
    ),
    st.builds(
        proto.Metric,
        name=st.just("h"),
        histogram=st.builds(
            proto.Histogram, data_points=st.lists(histograms(), max_size=3), aggregation_temporality=temporalities
        ),
    ),
    st.builds(
        proto.Metric,
        name=st.just("e"),
        exponential_histogram=st.builds(
            proto.ExponentialHistogram,
            data_points=st.lists(exponentials(), max_size=3),
            aggregation_temporality=temporalities,
        ),
    ),
    st.builds(
        proto.Metric, name=st.just("q"), summary=st.builds(proto.Summary, data_points=st.lists(summaries, max_size=3))
    ),
    st.builds(proto.Metric, name=st.just("nothing")),
)
requests = st.builds(
    ExportMetricsServiceRequest,
    resource_metrics=st.lists(
        st.builds(
            proto.ResourceMetrics,
            scope_metrics=st.lists(st.builds(proto.ScopeMetrics, metrics=st.lists(metrics, max_size=3)), max_size=2),
        ),
        max_size=2,
    ),
)


def possible(point: Any) -> bool:
    """Whether a point can be."""
    if not 0 < point.time_unix_nano < 2**63 or point.start_time_unix_nano >= 2**63:
        return False
    if isinstance(point, proto.NumberDataPoint):
        return point.WhichOneof("value") is not None
    if isinstance(point, proto.SummaryDataPoint):
        ranks = [quantile_value.quantile for quantile_value in point.quantile_values]
        return all(0 <= rank <= 1 for rank in ranks) and len(set(ranks)) == len(ranks)
    if point.count and point.HasField("min") and point.HasField("max") and point.min > point.max:
        return False
    if isinstance(point, proto.ExponentialHistogramDataPoint):
        total = point.zero_count + sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
        return -10 <= point.scale <= 20 and 0 <= point.zero_threshold < math.inf and total == point.count
    bounds, buckets = list(point.explicit_bounds), list(point.bucket_counts)
    if not bounds and not buckets:
        return True
    increasing = bounds == sorted(set(bounds)) and not any(map(math.isnan, bounds)) and math.inf not in bounds
    return increasing and len(buckets) == len(bounds) + 1 and sum(buckets) == point.count


def points_of(request: Any) -> Iterator[tuple[Any, Any]]:
    """Every metric's points, as protobuf's classes have them."""
    for resource_metrics in request.resource_metrics:
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                data = metric.WhichOneof("data")
                for point in getattr(metric, data).data_points if data else ():
                    yield metric, point


def plain(value: Any) -> Any:
    """An `AnyValue` as Python has it."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [plain(inner) for inner in value.array_value.values]
        case "kvlist_value":
            return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
        case member:
            return getattr(value, member)


def expected(request: Any) -> list[str]:
    """What is to be read: a text for each point, a summary's without its quantiles."""
    texts = []
    for metric, point in points_of(request):
        if point.flags & 1 or not possible(point):
            continue
        attributes = {pair.key: plain(pair.value) for pair in point.attributes}
        around = (metric.name, attributes, point.start_time_unix_nano, point.time_unix_nano)
        if isinstance(point, proto.NumberDataPoint):
            texts.append(repr((*around, getattr(point, point.WhichOneof("value")), len(point.exemplars))))
        elif isinstance(point, proto.SummaryDataPoint):
            texts.append(repr((metric.name + "_count", *around[1:], point.count)))
        else:
            least, most = (getattr(point, name) if point.HasField(name) else None for name in ("min", "max"))
            total = point.sum if point.HasField("sum") else None
            shape: tuple[Any, ...]
            if isinstance(point, proto.HistogramDataPoint):
                shape = list(point.bucket_counts), list(point.explicit_bounds), len(point.exemplars)
            else:
                sides = (point.positive, point.negative)
                shape = point.scale, point.zero_count, *((side.offset, list(side.bucket_counts)) for side in sides)
            texts.append(repr((*around, point.count, total, least, most, *shape)))
    return texts


def read(parts: list[Part]) -> list[str]:
    """What was read, in the same texts."""
    texts = []
    for part in parts:
        name = part.head.name
        if name == "q" or name.endswith("_sum"):
            continue
        for point in part.points:
            any_point: Any = point
            around = (name, dict(any_point.attributes), any_point.start_time_unix_nano, any_point.time_unix_nano)
            if hasattr(any_point, "value"):
                texts.append(
                    repr((*around, any_point.value) + ((len(any_point.exemplars),) if name != "q_count" else ()))
                )
                continue
            shape: tuple[Any, ...]
            if hasattr(any_point, "explicit_bounds"):
                shape = list(any_point.bucket_counts), list(any_point.explicit_bounds), len(any_point.exemplars)
            else:
                sides = (any_point.positive, any_point.negative)
                shape = (
                    any_point.scale,
                    any_point.zero_count,
                    *((side.offset, list(side.bucket_counts)) for side in sides),
                )
            texts.append(repr((*around, any_point.count, any_point.sum, any_point.min, any_point.max, *shape)))
    return texts


def check(parts: list[Part], skips: Skips, request: Any) -> None:
    """The same points, and read + ended + impossible is all there is."""
    assert read(parts) == expected(request)
    everything = [point for _, point in points_of(request)]
    ended = sum(point.flags & 1 for point in everything)
    assert (skips.ended, len(read(parts)) + skips.ended + skips.impossible) == (ended, len(everything))


def rewritten(value: Any, chance: random.Random, key: str = "") -> Any:
    """A JSON value that means the same: nulls and unknown members more, numbers as text and texts as numbers."""
    if isinstance(value, dict):
        members = {name: rewritten(inner, chance, name) for name, inner in value.items()}
        if "timeUnixNano" in members or "dataPoints" in members or "scopeMetrics" in members:
            for name, more in (("exemplars", None), ("resource", None), ("neverHeardOf", {"a": [1]})):
                allowed = more is not None or (name == "resource") == ("scopeMetrics" in members)
                if chance.random() < 0.2 and allowed and "dataPoints" not in members:
                    members.setdefault(name, more)
        pairs = list(members.items())
        chance.shuffle(pairs)
        return dict(pairs)
    if isinstance(value, list):
        return [rewritten(inner, chance, key) for inner in value]
    if isinstance(value, str) and key in ("timeUnixNano", "asInt", "count", "intValue") and chance.random() < 0.3:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and key in ("scale", "offset") and chance.random() < 0.3:
        return str(value)
    return value


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests)
def test_any_request_in_protobuf_is_read_as_protobuf_reads_it(request: Any) -> None:
    decoder = OtlpProtobuf("p", 0, Skips(go_on=True))
    check(decoder.message(request.SerializeToString(), 1), decoder.skips, request)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests, chances, st.booleans(), st.sampled_from([None, 1]))
def test_any_request_in_json_is_read_as_protobuf_reads_it(
    request: Any, chance: random.Random, enums: bool, indent: int | None
) -> None:
    tree = rewritten(MessageToDict(request, use_integers_for_enums=enums), chance)
    text = json.dumps(tree, ensure_ascii=chance.random() < 0.5, indent=indent)
    assert Parse(text, ExportMetricsServiceRequest(), ignore_unknown_fields=True) == request or "NaN" in text
    decoder = OtlpJsonReader("j", 0, Skips(go_on=True))
    check(decoder.line(text.encode(), 1), decoder.skips, request)


def timed(request: Any) -> bool:
    """Whether there are points, all with a time: without any, they are not missed."""
    points = [point for _, point in points_of(request)]
    return bool(points) and all(point.time_unix_nano for point in points)


CONTAINERS = ("resourceMetrics", "scopeMetrics", "metrics", "dataPoints", "gauge", "sum", "histogram", "summary")
SPELLINGS = [
    lambda name: "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name),
    str.lower,
    str.upper,
    lambda name: f"{name}s",
    lambda name: f"int{name.title()}",
    lambda name: "instrumentationLibraryMetrics",
]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests.filter(lambda request: any(True for _ in points_of(request))), chances)
def test_a_list_under_another_name_is_never_lost_in_silence(request: Any, chance: random.Random) -> None:
    tree = MessageToDict(request)
    places = [place for place in _objects(tree) if any(name in place for name in CONTAINERS)]
    place = chance.choice(places)
    name = chance.choice([name for name in CONTAINERS if name in place])
    other = chance.choice(SPELLINGS)(name)
    lost = sum("timeUnixNano" in inner for inner in _objects(place[name]))
    place[other] = place.pop(name)
    decoder = OtlpJsonReader("j", 0, Skips(go_on=True))
    try:
        parts = decoder.line(json.dumps(tree).encode(), 1)
    except SourceError as failure:
        assert other in failure.message  # noqa: PT017 # where it is refused, by name
    else:
        assert other == name or not lost
        assert parts is not None


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests.filter(timed), chances)
def test_a_member_that_stands_twice_loses_no_points(request: Any, chance: random.Random) -> None:
    text = json.dumps(MessageToDict(request))
    name = chance.choice([name for name in CONTAINERS if f'"{name}": ' in text])
    at = text.index(f'"{name}": ')
    after = json.JSONDecoder().raw_decode(text, at + len(name) + 4)[1]
    empty = f'"{name}": ' + ("[]" if name in CONTAINERS[:4] else "{}")
    for twice in (f"{text[:at]}{empty}, {text[at:]}", f"{text[:after]}, {empty}{text[after:]}"):
        decoder = OtlpJsonReader("j", 0, Skips(go_on=True))
        try:
            check(decoder.line(twice.encode(), 1), decoder.skips, request)
        except SourceError as failure:
            assert f"duplicate member {name}" in failure.message  # noqa: PT017 # where it is refused, by name


@pytest.mark.parametrize("spaces", [(",", ":"), (", ", ": "), (" , ", " : ")])
@pytest.mark.parametrize("value", ['"asDouble": 2', '"asInt": "2"'])
@pytest.mark.parametrize("kind", ["gauge", "sum"])
def test_a_value_that_stands_twice_in_a_point_is_broken_by_name(kind: str, value: str, spaces: tuple[str, str]) -> None:
    exemplar = {"timeUnixNano": "1700000000000000000", "asDouble": 1.5}
    points = [{"timeUnixNano": "1700000000000000000", "asDouble": 1.5, "exemplars": [exemplar]} for _ in range(3)]
    request = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", kind: {"dataPoints": points}}]}]}]}
    text = json.dumps(request, separators=spaces)
    assert sum(len(part.points) for part in OtlpJsonReader("j").line(text.encode(), 1)) == 3
    with pytest.raises(SourceError, match=r"duplicate member|a point has one value"):
        OtlpJsonReader("j").line(text.replace('{"timeUnixNano"', f'{{{value}, {value}, "timeUnixNano"', 1).encode(), 1)
    with pytest.raises(SourceError, match=r"duplicate member|a point has one value"):
        OtlpJsonReader("j").line(text.replace('{"timeUnixNano"', f'{{{value}, "timeUnixNano"', 1).encode(), 1)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)
