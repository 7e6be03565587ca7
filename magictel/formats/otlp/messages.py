"""The messages of OTLP JSON (opentelemetry/proto/metrics/v1/metrics.proto) with all their members, and their decoders.

Attributes, resources and scopes stay undecoded within a request, because most are repeated. An unknown member is an error here, so
that `members` checks whether it contains data points.
"""

# ruff: noqa: N815, D101 # OTLP JSON's own names, which say what they are
from __future__ import annotations

import base64
import re
from contextlib import suppress
from sys import intern
from typing import Annotated, Any

import msgspec
import opentelemetry.sdk.resources as sdk
from msgspec import UNSET, Raw, Struct, UnsetType
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model.metrics import Kind
from magictel.model.validity import LATEST

KINDS = {
    Kind.GAUGE: "gauge",
    Kind.SUM: "sum",
    Kind.HISTOGRAM: "histogram",
    Kind.EXPONENTIAL_HISTOGRAM: "exponentialHistogram",
}
"""The members of a metric for each type of points; a summary is another one."""
TEMPORALITY: dict[int | str, str | None] = {
    number: temporality
    for value, name, temporality in (
        (0, "UNSPECIFIED", None),
        (1, "DELTA", "delta"),
        (2, "CUMULATIVE", "cumulative"),
    )
    for number in (value, str(value), f"AGGREGATION_TEMPORALITY_{name}")
}
_HEX = re.compile("[0-9a-fA-F]+")
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=LATEST)]


class AnyValue(Struct, gc=False, forbid_unknown_fields=True):
    stringValue: str | UnsetType = UNSET
    boolValue: bool | UnsetType = UNSET
    intValue: int | UnsetType = UNSET
    doubleValue: float | UnsetType = UNSET
    bytesValue: str | UnsetType = UNSET
    arrayValue: Array | UnsetType = UNSET
    kvlistValue: Pairs | UnsetType = UNSET


class Array(Struct, forbid_unknown_fields=True):
    values: list[AnyValue] = []


class Pair(Struct, gc=False, forbid_unknown_fields=True):
    key: str = ""
    value: AnyValue | None = None


class Pairs(Struct, forbid_unknown_fields=True):
    values: list[Pair] = []


class Exemplar(Struct, forbid_unknown_fields=True):
    filteredAttributes: list[Pair] = []
    timeUnixNano: int = 0
    asDouble: float | None = None
    asInt: Int64 | None = None
    spanId: str = ""
    traceId: str = ""


class Point(Struct, gc=False, forbid_unknown_fields=True):
    attributes: Raw = Raw(b"")
    startTimeUnixNano: int = 0
    timeUnixNano: int = 0
    asDouble: float | None = None
    asInt: Int64 | None = None
    exemplars: list[Exemplar] | None = None
    flags: int = 0


class Histogram(Struct, gc=False, forbid_unknown_fields=True):
    attributes: Raw = Raw(b"")
    startTimeUnixNano: int = 0
    timeUnixNano: int = 0
    count: int = 0
    sum: float | None = None
    bucketCounts: list[int] = []
    explicitBounds: list[float] = []
    min: float | None = None
    max: float | None = None
    exemplars: list[Exemplar] | None = None
    flags: int = 0


class Buckets(Struct, gc=False, forbid_unknown_fields=True):
    offset: int = 0
    bucketCounts: list[int] = []


class Exponential(Struct, gc=False, forbid_unknown_fields=True):
    attributes: Raw = Raw(b"")
    startTimeUnixNano: int = 0
    timeUnixNano: int = 0
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


class Quantile(Struct, gc=False, forbid_unknown_fields=True):
    quantile: float = 0.0
    value: float = 0.0


class Summary(Struct, gc=False, forbid_unknown_fields=True):
    attributes: Raw = Raw(b"")
    startTimeUnixNano: int = 0
    timeUnixNano: int = 0
    count: int = 0
    sum: float = 0.0
    quantileValues: list[Quantile] = []
    flags: int = 0


class Gauges(Struct, forbid_unknown_fields=True):
    dataPoints: list[Point] = []


class Sums(Struct, forbid_unknown_fields=True):
    dataPoints: list[Point] = []
    aggregationTemporality: int | str = 0
    isMonotonic: bool = False


class Histograms(Struct, forbid_unknown_fields=True):
    dataPoints: list[Histogram] = []
    aggregationTemporality: int | str = 0


class Exponentials(Struct, forbid_unknown_fields=True):
    dataPoints: list[Exponential] = []
    aggregationTemporality: int | str = 0


class Summaries(Struct, forbid_unknown_fields=True):
    dataPoints: list[Summary] = []


class Metric(Struct, forbid_unknown_fields=True):
    name: str = ""
    description: str = ""
    unit: str = ""
    gauge: Gauges | None = None
    sum: Sums | None = None
    histogram: Histograms | None = None
    exponentialHistogram: Exponentials | None = None
    summary: Summaries | None = None
    metadata: Raw = Raw(b"")


class ScopeMetrics(Struct, forbid_unknown_fields=True):
    scope: Raw = Raw(b"")
    metrics: list[Metric] = []
    schemaUrl: str = ""


class ResourceMetrics(Struct, forbid_unknown_fields=True):
    resource: Raw = Raw(b"")
    scopeMetrics: list[ScopeMetrics] = []
    schemaUrl: str = ""


class Request(Struct, forbid_unknown_fields=True):
    resourceMetrics: list[ResourceMetrics] = []


class Resource(Struct, forbid_unknown_fields=True):
    attributes: list[Pair] = []
    droppedAttributesCount: Raw = Raw(b"")
    entityRefs: Raw = Raw(b"")


class Scope(Struct, forbid_unknown_fields=True):
    name: str = ""
    version: str = ""
    attributes: list[Pair] = []
    droppedAttributesCount: Raw = Raw(b"")


REQUEST = msgspec.json.Decoder(Request, strict=False)  # 64-bit integers are text in OTLP JSON
REQUESTS = msgspec.json.Decoder(list[Request], strict=False)
_ATTRIBUTES = msgspec.json.Decoder(list[Pair], strict=False)
RESOURCE = msgspec.json.Decoder(Resource, strict=False)
SCOPE = msgspec.json.Decoder(Scope, strict=False)
_NEGATIVE_ZERO = re.compile(rb'-0(?<=[A-Za-z]":-0)(?=[,}])')
"""The literal comes first: it is what the expression is searched by."""


def with_signs(text: bytes) -> bytes:
    """Return a line whose negative zeros keep their sign: Go writes -0 for them, which decoders take for an integer."""
    return _NEGATIVE_ZERO.sub(b"-0.0", text)


def attributes(raw: bytes) -> tuple[dict[str, Any], int]:
    """Decode a message's attributes or metadata, and count their pairs."""
    pairs = _ATTRIBUTES.decode(raw) if raw else []
    return dictionary(pairs), len(pairs)


def resource(raw: bytes) -> sdk.Resource:
    """Decode a resource."""
    return sdk.Resource(dictionary(RESOURCE.decode(raw).attributes) if raw else {})


def scope(raw: bytes) -> InstrumentationScope:
    """Decode a scope."""
    scope = SCOPE.decode(raw) if raw else Scope()
    return InstrumentationScope(scope.name, scope.version, None, dictionary(scope.attributes))


def dictionary(pairs: list[Pair]) -> dict[str, Any]:
    """Return pairs as a dictionary of plain values."""
    values: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        if value is None:
            values[intern(pair.key)] = None
        else:
            text = value.stringValue
            values[intern(pair.key)] = text if text is not UNSET else _plain(value)
    return values


def _plain(value: AnyValue) -> Any:
    for plain in (value.stringValue, value.intValue, value.boolValue, value.doubleValue):
        if plain is not UNSET:
            return plain
    if isinstance(value.arrayValue, Array):
        return [_plain(element) for element in value.arrayValue.values]
    if isinstance(value.kvlistValue, Pairs):
        return dictionary(value.kvlistValue.values)
    return base64.b64decode(value.bytesValue) if isinstance(value.bytesValue, str) else None


def identifier(text: str, size: int) -> int | None:
    """Return a trace or span id of so many bytes, from hex as in OTLP, or from base64 as other protobuf encoders write it."""
    if not text:
        return None
    if len(text) <= 2 * size and _HEX.fullmatch(text):
        return int(text, 16)
    with suppress(ValueError):
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        if len(raw) == size:
            return int.from_bytes(raw, "big")
    return None
