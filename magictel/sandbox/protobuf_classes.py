"""Messages as classes of Google's own protobuf runtime, from a table of their fields: decoding that shares nothing with our encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "sint64": _Field.TYPE_SINT64,
    "fixed64": _Field.TYPE_FIXED64,
    "sfixed64": _Field.TYPE_SFIXED64,
    "sint32": _Field.TYPE_SINT32,
    "uint32": _Field.TYPE_UINT32,
    "string": _Field.TYPE_STRING,
}


def message_class(
    package: str,
    messages: Mapping[str, Sequence[str]],
    name: str,
    syntax: Literal["proto2", "proto3"] = "proto3",
) -> Any:
    """Return the class of message `name`; each message's fields are written as "[*]type name = number", a star for repeated.

    With `proto2` every field tells whether it is set.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"magictel/{package}.proto", package=package, syntax=syntax)
    for title, lines in messages.items():
        message = file.message_type.add(name=title)
        for line in lines:
            kind, field, _, number = line.split()
            repeated, kind = kind.startswith("*"), kind.lstrip("*")
            added = message.field.add(name=field, number=int(number))
            added.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type = _Field.TYPE_MESSAGE
                added.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
