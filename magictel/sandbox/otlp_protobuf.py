"""OTLP's messages for metrics, with the field numbers of opentelemetry-proto's `metrics.proto`, `common.proto` and `resource.proto`."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf import json_format

from magictel.sandbox.protobuf_classes import message_class

_MESSAGES = {
    "ExportMetricsServiceRequest": ("*ResourceMetrics resource_metrics = 1",),
    "ResourceMetrics": ("Resource resource = 1", "*ScopeMetrics scope_metrics = 2", "string schema_url = 3"),
    "Resource": ("*KeyValue attributes = 1", "uint32 dropped_attributes_count = 2"),
    "ScopeMetrics": ("Scope scope = 1", "*Metric metrics = 2", "string schema_url = 3"),
    "Scope": ("string name = 1", "string version = 2", "*KeyValue attributes = 3"),
    "Metric": (
        "string name = 1", "string description = 2", "string unit = 3", "Numbers gauge = 5", "Numbers sum = 7",
        "Histogram histogram = 9", "ExponentialHistogram exponential_histogram = 10", "*KeyValue metadata = 12",
    ),
    "Numbers": ("*NumberDataPoint data_points = 1", "uint32 aggregation_temporality = 2", "bool is_monotonic = 3"),
    "Histogram": ("*HistogramDataPoint data_points = 1", "uint32 aggregation_temporality = 2"),
    "ExponentialHistogram": ("*ExponentialPoint data_points = 1", "uint32 aggregation_temporality = 2"),
    "NumberDataPoint": (
        "fixed64 start_time_unix_nano = 2", "fixed64 time_unix_nano = 3", "double as_double = 4", "*Exemplar exemplars = 5",
        "sfixed64 as_int = 6", "*KeyValue attributes = 7", "uint32 flags = 8",
    ),
    "HistogramDataPoint": (
        "fixed64 start_time_unix_nano = 2", "fixed64 time_unix_nano = 3", "fixed64 count = 4", "double sum = 5",
        "*fixed64 bucket_counts = 6", "*double explicit_bounds = 7", "*Exemplar exemplars = 8", "*KeyValue attributes = 9",
        "uint32 flags = 10", "double min = 11", "double max = 12",
    ),
    "ExponentialPoint": (
        "*KeyValue attributes = 1", "fixed64 start_time_unix_nano = 2", "fixed64 time_unix_nano = 3", "fixed64 count = 4",
        "double sum = 5", "sint32 scale = 6", "fixed64 zero_count = 7", "Buckets positive = 8", "Buckets negative = 9",
        "uint32 flags = 10", "*Exemplar exemplars = 11", "double min = 12", "double max = 13", "double zero_threshold = 14",
    ),
    "Buckets": ("sint32 offset = 1", "*uint64 bucket_counts = 2"),
    "Exemplar": ("fixed64 time_unix_nano = 2", "double as_double = 3", "bytes span_id = 4", "bytes trace_id = 5", "sfixed64 as_int = 6"),
    "KeyValue": ("string key = 1", "AnyValue value = 2"),
    "AnyValue": (
        "string string_value = 1", "bool bool_value = 2", "int64 int_value = 3", "double double_value = 4",
        "Array array_value = 5", "Map kvlist_value = 6", "bytes bytes_value = 7",
    ),
    "Array": ("*AnyValue values = 1",),
    "Map": ("*KeyValue values = 1",),
}  # fmt: skip

MetricsRequest = message_class("otlp", _MESSAGES, "ExportMetricsServiceRequest", "proto2")
"""`ExportMetricsServiceRequest`: the body of an OTLP request for metrics."""


def from_json(body: bytes) -> Any:
    """Return the message of a request in OTLP JSON, where ids are hexadecimal. Raise `ValueError` or `json_format.ParseError`."""
    tree = json.loads(body, object_hook=_with_ids_in_base64)
    return json_format.ParseDict(tree, MetricsRequest(), ignore_unknown_fields=True)


def _with_ids_in_base64(members: dict[str, Any]) -> dict[str, Any]:
    ids = {key: members[key] for key in ("traceId", "spanId") if key in members}
    return members | {key: base64.b64encode(bytes.fromhex(value)).decode() for key, value in ids.items()}
