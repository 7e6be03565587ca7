"""Remote write 1.0's messages as classes of Google's own protobuf runtime: decoding that shares nothing with our encoder.

The field numbers are those of Prometheus' public `prompb/remote.proto` and `prompb/types.proto` (also in the remote-write
specification); the descriptors are made here at import, in a pool of their own.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "sint64": _Field.TYPE_SINT64,
    "sint32": _Field.TYPE_SINT32,
    "uint32": _Field.TYPE_UINT32,
    "string": _Field.TYPE_STRING,
}
_MESSAGES = {  # name: fields as "[*]type name = number", a star for repeated
    "WriteRequest": ("*TimeSeries timeseries = 1", "*MetricMetadata metadata = 3"),
    "TimeSeries": ("*Label labels = 1", "*Sample samples = 2", "*Exemplar exemplars = 3", "*Histogram histograms = 4"),
    "Label": ("string name = 1", "string value = 2"),
    "Sample": ("double value = 1", "int64 timestamp = 2"),
    "Exemplar": ("*Label labels = 1", "double value = 2", "int64 timestamp = 3"),
    "MetricMetadata": ("uint32 type = 1", "string metric_family_name = 2", "string help = 4", "string unit = 5"),
    "BucketSpan": ("sint32 offset = 1", "uint32 length = 2"),
    "Histogram": (
        "uint64 count_int = 1", "double count_float = 2", "double sum = 3", "sint32 schema = 4",
        "double zero_threshold = 5", "uint64 zero_count_int = 6", "double zero_count_float = 7",
        "*BucketSpan negative_spans = 8", "*sint64 negative_deltas = 9", "*double negative_counts = 10",
        "*BucketSpan positive_spans = 11", "*sint64 positive_deltas = 12", "*double positive_counts = 13",
        "uint32 reset_hint = 14", "int64 timestamp = 15",
    ),
}  # fmt: skip


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"prometheus.{name}"))


def _file() -> descriptor_pb2.FileDescriptorProto:
    file_descriptor = descriptor_pb2.FileDescriptorProto(
        name="magictel/remote_write_1.proto", package="prometheus", syntax="proto3"
    )
    for name, lines in _MESSAGES.items():
        message = file_descriptor.message_type.add(name=name)
        for line in lines:
            kind, field, _, number = line.split()
            repeated, kind = kind.startswith("*"), kind.lstrip("*")
            added = message.field.add(name=field, number=int(number))
            added.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type = _Field.TYPE_MESSAGE
                added.type_name = f".prometheus.{kind}"
    return file_descriptor


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())

WriteRequest = _class("WriteRequest")
"""`prometheus.WriteRequest`: the body of a remote-write 1.0 request once the snappy block is undone."""
