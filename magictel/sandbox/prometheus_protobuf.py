"""The messages of remote write 1.0, and of a page in protobuf.

The field numbers are those of Prometheus' public `prompb/remote.proto` and `prompb/types.proto` (also in the remote-write
specification). Exemplars and native histograms, which no exporter sends, are left out: the runtime skips unknown fields.
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

_PAGE = {
    "MetricFamily": ("string name = 1", "string help = 2", "uint32 type = 3", "*Metric metric = 4", "string unit = 5"),
    "Metric": (
        *("*LabelPair label = 1", "Number gauge = 2", "Counter counter = 3", "Number untyped = 5"),
        *("Histogram histogram = 7", "int64 timestamp_ms = 6"),
    ),
    "LabelPair": ("string name = 1", "string value = 2"),
    "Number": ("double value = 1",),
    "Counter": ("double value = 1", "Exemplar exemplar = 2", "Timestamp start_timestamp = 3"),
    "Histogram": (
        *("uint64 sample_count = 1", "double sample_sum = 2", "*Bucket bucket = 3", "sint32 schema = 5"),
        *("double zero_threshold = 6", "uint64 zero_count = 7", "*BucketSpan negative_span = 9"),
        *("*sint64 negative_delta = 10", "*BucketSpan positive_span = 12", "*sint64 positive_delta = 13"),
        *("Timestamp start_timestamp = 15", "*Exemplar exemplars = 16"),
    ),
    "Bucket": ("uint64 cumulative_count = 1", "double upper_bound = 2", "Exemplar exemplar = 3"),
    "BucketSpan": ("sint32 offset = 1", "uint32 length = 2"),
    "Exemplar": ("*LabelPair label = 1", "double value = 2", "Timestamp timestamp = 3"),
    "Timestamp": ("int64 seconds = 1", "int64 nanos = 2"),
}

MetricFamily = message_class("io.prometheus.client", _PAGE, "MetricFamily")
"""`io.prometheus.client.MetricFamily` (prometheus/client_model): a page in protobuf is these, each behind its length."""
WriteRequest = message_class("prometheus", _MESSAGES, "WriteRequest")
"""`prometheus.WriteRequest`: the decompressed body of a remote-write 1.0 request."""
