"""The messages of a page in protobuf, as a scraper decodes them: Prometheus' public `io/prometheus/client/metrics.proto`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from magictel.sandbox.protobuf_classes import message_class

_MESSAGES = {
    "MetricFamily": ("string name = 1", "string help = 2", "uint32 type = 3", "*Metric metric = 4", "string unit = 5"),
    "Metric": (
        *(
            "*LabelPair label = 1",
            "Gauge gauge = 2",
            "Counter counter = 3",
            "Summary summary = 4",
            "Untyped untyped = 5",
        ),
        *("int64 timestamp_ms = 6", "Histogram histogram = 7"),
    ),
    "LabelPair": ("string name = 1", "string value = 2"),
    "Gauge": ("double value = 1",),
    "Counter": ("double value = 1", "Exemplar exemplar = 2", "Timestamp start_timestamp = 3"),
    "Untyped": ("double value = 1",),
    "Quantile": ("double quantile = 1", "double value = 2"),
    "Summary": ("uint64 sample_count = 1", "double sample_sum = 2", "*Quantile quantile = 3"),
    "Bucket": ("uint64 cumulative_count = 1", "double upper_bound = 2", "Exemplar exemplar = 3"),
    "BucketSpan": ("sint32 offset = 1", "uint32 length = 2"),
    "Histogram": (
        *("uint64 sample_count = 1", "double sample_sum = 2", "*Bucket bucket = 3", "sint32 schema = 5"),
        *("double zero_threshold = 6", "uint64 zero_count = 7", "*BucketSpan negative_span = 9"),
        *("*sint64 negative_delta = 10", "*BucketSpan positive_span = 12", "*sint64 positive_delta = 13"),
        *("Timestamp start_timestamp = 15", "*Exemplar exemplars = 16"),
    ),
    "Exemplar": ("*LabelPair label = 1", "double value = 2", "Timestamp timestamp = 3"),
    "Timestamp": ("int64 seconds = 1", "int64 nanos = 2"),
}

MetricFamily = message_class("io.prometheus.client", _MESSAGES, "MetricFamily", "proto2")
"""`io.prometheus.client.MetricFamily`."""


def families(body: bytes) -> Iterator[Any]:
    """Yield the messages of a page, each after its length. Raise `DecodeError`, `IndexError`."""
    at = 0
    while at < len(body):
        size = shift = 0
        while True:
            byte = body[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield MetricFamily.FromString(body[at : at + size])
        at += size
