"""The messages of Datadog's metrics intake (github.com/DataDog/agent-payload, proto/metrics/agent_payload.proto)."""

from __future__ import annotations

from magictel.sandbox.protobuf_classes import message_class

_SERIES = {
    "MetricPayload": ("*MetricSeries series = 1",),
    "MetricSeries": (
        *("*Resource resources = 1", "string metric = 2", "*string tags = 3", "*MetricPoint points = 4"),
        *("uint32 type = 5", "string unit = 6", "string source_type_name = 7", "int64 interval = 8"),
    ),
    "Resource": ("string type = 1", "string name = 2"),
    "MetricPoint": ("double value = 1", "int64 timestamp = 2"),
}
MetricPayload = message_class("datadog.agentpayload.series", _SERIES, "MetricPayload")
"""The body of `/api/v2/series`."""

_SKETCHES = {
    "SketchPayload": ("*Sketch sketches = 1",),
    "Sketch": ("string metric = 1", "string host = 2", "*string tags = 4", "*Dogsketch dogsketches = 7"),
    "Dogsketch": (
        *("int64 ts = 1", "int64 cnt = 2", "double min = 3", "double max = 4", "double avg = 5", "double sum = 6"),
        *("*sint32 k = 7", "*uint32 n = 8"),
    ),
}
SketchPayload = message_class("datadog.agentpayload.sketches", _SKETCHES, "SketchPayload")
"""The body of `/api/beta/sketches`."""
