"""Remote write 1.0's messages as classes of Google's own protobuf runtime: decoding that shares nothing with our encoder.

The field numbers are those of Prometheus' public `prompb/remote.proto` and `prompb/types.proto` (also in the remote-write
specification). Exemplars and native histograms, which no exporter sends, are left out: the runtime skips unknown fields.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.text_format import Parse

_PACKAGE = "prometheus"
_MESSAGES = {  # name: fields as "label type name number"
    "WriteRequest": ("REPEATED TimeSeries timeseries 1", "REPEATED MetricMetadata metadata 3"),
    "TimeSeries": ("REPEATED Label labels 1", "REPEATED Sample samples 2"),
    "Label": ("OPTIONAL STRING name 1", "OPTIONAL STRING value 2"),
    "Sample": ("OPTIONAL DOUBLE value 1", "OPTIONAL INT64 timestamp 2"),
    "MetricMetadata": (
        "OPTIONAL UINT32 type 1", "OPTIONAL STRING metric_family_name 2", "OPTIONAL STRING help 4", "OPTIONAL STRING unit 5",
    ),
}  # fmt: skip


def _write_request() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="magictel/remote_write_1.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for label, kind, field, number in map(str.split, fields):
            typed = f'type_name: ".{_PACKAGE}.{kind}"' if kind in _MESSAGES else f"type: TYPE_{kind}"
            Parse(f'name: "{field}" number: {number} label: LABEL_{label} {typed}', message.field.add())
    pool = descriptor_pool.DescriptorPool()  # of its own: other packages may register the same names
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.WriteRequest"))


WriteRequest = _write_request()
"""`prometheus.WriteRequest`: the body of a remote-write 1.0 request, decompressed."""
