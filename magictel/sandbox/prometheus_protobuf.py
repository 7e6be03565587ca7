"""Remote write 1.0's messages.

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

WriteRequest = message_class("prometheus", _MESSAGES, "WriteRequest")
"""`prometheus.WriteRequest`: the decompressed body of a remote-write 1.0 request."""
