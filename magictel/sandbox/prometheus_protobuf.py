"""The messages of remote write 1.0 and 2.0.

The field numbers are those of Prometheus' public `prompb/remote.proto`, `prompb/types.proto` and `io/prometheus/write/v2/types.proto`
(also in the remote-write specifications). Of 1.0, exemplars and native histograms are left out: the runtime skips unknown fields.
"""

from __future__ import annotations

from magictel.sandbox.protobuf_classes import message_class

_MESSAGES = {
    "WriteRequest": ("*TimeSeries timeseries = 1", "*MetricMetadata metadata = 3"),
    "TimeSeries": ("*Label labels = 1", "*Sample samples = 2"),
    "Label": ("string name = 1", "string value = 2"),
    "Sample": ("double value = 1", "int64 timestamp = 2"),
    "MetricMetadata": ("uint32 type = 1", "string metric_family_name = 2", "string help = 4", "string unit = 5"),
}

WriteRequest = message_class("prometheus", _MESSAGES, "WriteRequest")
"""`prometheus.WriteRequest`: the decompressed body of a remote-write 1.0 request."""

_MESSAGES_2 = {
    "Request": ("*string symbols = 4", "*TimeSeries timeseries = 5"),
    "TimeSeries": (
        *("*uint32 labels_refs = 1", "*Sample samples = 2", "*Histogram histograms = 3"),
        *("*Exemplar exemplars = 4", "Metadata metadata = 5"),
    ),
    "Exemplar": ("*uint32 labels_refs = 1", "double value = 2", "int64 timestamp = 3"),
    "Sample": ("double value = 1", "int64 timestamp = 2", "int64 start_timestamp = 3"),
    "Metadata": ("uint32 type = 1", "uint32 help_ref = 3", "uint32 unit_ref = 4"),
    "Histogram": (
        *("uint64 count_int = 1", "double count_float = 2", "double sum = 3", "sint32 schema = 4"),
        *("double zero_threshold = 5", "uint64 zero_count_int = 6", "double zero_count_float = 7"),
        *("*BucketSpan negative_spans = 8", "*sint64 negative_deltas = 9", "*double negative_counts = 10"),
        *("*BucketSpan positive_spans = 11", "*sint64 positive_deltas = 12", "*double positive_counts = 13"),
        *("uint32 reset_hint = 14", "int64 timestamp = 15", "*double custom_values = 16", "int64 start_timestamp = 17"),
    ),
    "BucketSpan": ("sint32 offset = 1", "uint32 length = 2"),
}

Request2 = message_class("io.prometheus.write.v2", _MESSAGES_2, "Request")
"""`io.prometheus.write.v2.Request`: the decompressed body of a remote-write 2.0 request."""
