"""The messages of OTLP JSON (opentelemetry/proto/metrics/v1/metrics.proto), as far as they are read, and their decoders.

Attributes, resources and scopes stay undecoded within a request, since most come again.
"""

# ruff: noqa: N815, D101 # OTLP JSON's own names, which say what they are
from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from magictel.sources.parts import LATEST

Time = Annotated[int, msgspec.Meta(ge=0, le=LATEST)]
"""Unix nanoseconds, to the year 2262: what lies beyond is a mistake that would carry every other point away with it."""
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=LATEST)]


class Value(Struct, gc=False):
    stringValue: str | UnsetType = UNSET
    boolValue: bool | UnsetType = UNSET
    intValue: int | UnsetType = UNSET
    doubleValue: float | UnsetType = UNSET
    bytesValue: str | UnsetType = UNSET
    arrayValue: Array | UnsetType = UNSET
    kvlistValue: Pairs | UnsetType = UNSET


class Array(Struct):
    values: list[Value] = []


class Pair(Struct, gc=False):
    key: str = ""
    value: Value | None = None


class Pairs(Struct):
    values: list[Pair] = []


class Exemplar(Struct):
    filteredAttributes: list[Pair] = []
    timeUnixNano: Time = 0
    asDouble: float | None = None
    asInt: Int64 | None = None
    spanId: str = ""
    traceId: str = ""


class Point(Struct, gc=False):
    attributes: Raw = Raw(b"")
    startTimeUnixNano: Time = 0
    timeUnixNano: Time = 0
    asDouble: float | None = None
    asInt: Int64 | None = None
    exemplars: list[Exemplar] | None = None
    flags: int = 0


class Histogram(Struct, gc=False):
    attributes: Raw = Raw(b"")
    startTimeUnixNano: Time = 0
    timeUnixNano: Time = 0
    count: int = 0
    sum: float | None = None
    bucketCounts: list[int] = []
    explicitBounds: list[float] = []
    min: float | None = None
    max: float | None = None
    exemplars: list[Exemplar] | None = None
    flags: int = 0


class Buckets(Struct, gc=False):
    offset: int = 0
    bucketCounts: list[int] = []


class Exponential(Struct, gc=False):
    attributes: Raw = Raw(b"")
    startTimeUnixNano: Time = 0
    timeUnixNano: Time = 0
    count: int = 0
    sum: float | None = None
    scale: int = 0
    zeroCount: int = 0
    positive: Buckets | None = None
    negative: Buckets | None = None
    min: float | None = None
    max: float | None = None
    zeroThreshold: float = 0.0
    exemplars: list[Exemplar] | None = None
    flags: int = 0


class Quantile(Struct, gc=False):
    quantile: float = 0.0
    value: float = 0.0


class Summary(Struct, gc=False):
    attributes: Raw = Raw(b"")
    startTimeUnixNano: Time = 0
    timeUnixNano: Time = 0
    count: int = 0
    sum: float = 0.0
    quantileValues: list[Quantile] = []
    flags: int = 0


class Gauges(Struct):
    dataPoints: list[Point] = []


class Sums(Struct):
    dataPoints: list[Point] = []
    aggregationTemporality: int | str = 0
    isMonotonic: bool = False


class Histograms(Struct):
    dataPoints: list[Histogram] = []
    aggregationTemporality: int | str = 0


class Exponentials(Struct):
    dataPoints: list[Exponential] = []
    aggregationTemporality: int | str = 0


class Summaries(Struct):
    dataPoints: list[Summary] = []


class Metric(Struct):
    name: str = ""
    description: str = ""
    unit: str = ""
    gauge: Gauges | None = None
    sum: Sums | None = None
    histogram: Histograms | None = None
    exponentialHistogram: Exponentials | None = None
    summary: Summaries | None = None
    metadata: Raw = Raw(b"")


class ScopeMetrics(Struct):
    scope: Raw = Raw(b"")
    metrics: list[Metric] = []
    schemaUrl: str = ""


class ResourceMetrics(Struct):
    resource: Raw = Raw(b"")
    scopeMetrics: list[ScopeMetrics] = []
    schemaUrl: str = ""


class Request(Struct):
    resourceMetrics: list[ResourceMetrics]


class Resource(Struct):
    attributes: list[Pair] = []


class Scope(Struct):
    name: str = ""
    version: str = ""
    attributes: list[Pair] = []


REQUEST = msgspec.json.Decoder(Request, strict=False)  # 64-bit integers are text in OTLP JSON
ATTRIBUTES = msgspec.json.Decoder(list[Pair], strict=False)
RESOURCE = msgspec.json.Decoder(Resource, strict=False)
SCOPE = msgspec.json.Decoder(Scope, strict=False)
