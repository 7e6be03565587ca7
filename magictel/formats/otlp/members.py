"""Normalisation of OTLP JSON, member by member, for lines that are not canonical: legal members are converted, lost ones reported.

`null` is an unset field (ProtoJSON). An unknown member is ignored, as OTLP requires of receivers, unless it contains data points.
A field's original name (`data_points`) is not a valid member: "The keys of JSON objects are field names converted to lowerCamelCase.
Original field names are not valid" (OTLP, "JSON Protobuf Encoding").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from math import isinf
from typing import Any, get_args, get_type_hints

import msgspec

from magictel.formats.otlp import messages as otlp

OTLP_KEY = b'"resourceMetrics"'
"""The member of every OTLP metrics request in JSON."""
OTHER_SIGNALS = ("resourceSpans", "resourceLogs", "resourceProfiles")
_POINTS = frozenset({"datapoints", "timeunixnano"})
_OLDER = {
    "instrumentationLibraryMetrics": "OTLP has scopeMetrics since 0.16",
    **dict.fromkeys(("intGauge", "doubleGauge"), "OTLP has gauge since 0.9"),
    **dict.fromkeys(("intSum", "doubleSum"), "OTLP has sum since 0.9"),
    **dict.fromkeys(("intHistogram", "doubleHistogram"), "OTLP has histogram since 0.9"),
}
_UNDECODED = {"resource": otlp.Resource, "scope": otlp.Scope, "attributes": otlp.Pair, "metadata": otlp.Pair}
"""The messages within members that stay undecoded within a request."""


class MemberError(ValueError):
    """A line is invalid because of the value at a path."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path


class _Twice(dict[str, Any]):
    """An object with a duplicate member."""

    member = ""


def canonical(text: bytes, other_signal: Callable[[str], None]) -> bytes:
    """Return a line's request, or array of requests, with canonical members; `other_signal` collects the names of other signals.

    Raise `MemberError`, and `ValueError` if the line is not JSON.
    """
    tree = json.loads(text, object_pairs_hook=_object, parse_float=_float, parse_int=_int)
    several = isinstance(tree, list)
    if several and not tree:
        raise MemberError("", "expected an OTLP request, got an empty array")
    requests = []
    for at, request in enumerate(tree if several else [tree]):
        path = f"[{at}]" if several else ""
        if not isinstance(request, dict):
            raise MemberError(path, "expected an OTLP request (an object)")
        _once(request, path)
        others = [name for name in OTHER_SIGNALS if name in request]
        for name in others:
            other_signal(name)
        members = {key: value for key, value in request.items() if key not in others}
        requests.append(_message(members, otlp.Request, path, request))
    return msgspec.json.encode(requests if several else requests[0])


def _message(given: dict[str, Any], kind: type, path: str, whole: dict[str, Any] | None = None) -> dict[str, Any]:
    _once(given, path)
    fields: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined] # of a msgspec struct
    inner = _inner(kind)
    known: dict[str, Any] = {}
    strange: dict[str, Any] = {}
    for key, value in given.items():
        if key not in fields:
            strange[key] = value
        elif value is not None:
            member = inner.get(key)
            known[key] = value if member is None else _member(value, member, f"{path}.{key}" if path else key)
    _lost(strange, fields, path)
    if kind is otlp.Metric:
        _one_kind(known, strange, path)
    if kind is otlp.Request and strange and not known and (whole is None or len(whole) == len(given)):
        raise MemberError(path, f"expected the member resourceMetrics, got {', '.join(strange)[:80]}")
    return known


@cache
def _inner(message: type) -> dict[str, type]:
    """Return the messages within a message by their members; other members are plain values."""
    inner = {
        name: _UNDECODED.get(name) if type_ is msgspec.Raw else _message_in(type_)
        for name, type_ in get_type_hints(message).items()
    }
    return {name: type_ for name, type_ in inner.items() if type_ is not None}


def _message_in(type_: Any) -> type | None:
    if isinstance(type_, type):
        return type_ if issubclass(type_, msgspec.Struct) else None
    return next(filter(None, map(_message_in, get_args(type_))), None)


def _once(given: dict[str, Any], path: str) -> None:
    """Raise `MemberError` for an object with a duplicate member."""
    if isinstance(given, _Twice):
        raise MemberError(path, f"duplicate member {given.member}")


def _member(value: Any, kind: type, path: str) -> Any:
    if isinstance(value, dict):
        return _message(value, kind, path)
    if not isinstance(value, list):
        return value  # of an unexpected type: reported by the decoder
    members = []
    for at, element in enumerate(value):
        if element is None:
            raise MemberError(f"{path}[{at}]", "expected an element, got null")
        members.append(_message(element, kind, f"{path}[{at}]") if isinstance(element, dict) else element)
    return members


def _lost(strange: dict[str, Any], fields: tuple[str, ...], path: str) -> None:
    """Raise `MemberError` for an unknown member that is a known field's original name, or that contains data points."""
    for key, value in strange.items():
        where = f"{path}.{key}" if path else key
        meant = next((field for field in fields if _plain(field) == _plain(key)), None)
        if meant is not None:
            raise MemberError(where, f"unknown member {key}: OTLP JSON has {meant}")
        if any(map(_POINTS.__contains__, map(_plain, _names(value)))):
            raise MemberError(where, f"unknown member {key}, with data points in it" + _hint(key))


def _one_kind(known: dict[str, Any], strange: dict[str, Any], path: str) -> None:
    kinds = [kind for kind in (*otlp.KINDS.values(), "summary") if kind in known]
    name = str(known.get("name", ""))
    if len(kinds) > 1:
        raise MemberError(path, f"the metric {name} is {' and '.join(kinds)}, expected one of them")
    odd = next((key for key, value in strange.items() if isinstance(value, dict)), None)
    if not kinds and odd is not None:
        raise MemberError(f"{path}.{odd}", f"unknown kind of metric {odd}, of {name}" + _hint(odd))


def _hint(key: str) -> str:
    return f" ({_OLDER[key]})" if key in _OLDER else ""


def _names(value: Any) -> Iterator[str]:
    """Yield the names of all members in a value."""
    open_values = [value]
    while open_values:
        value = open_values.pop()
        if isinstance(value, dict):
            yield from value
            open_values += value.values()
        elif isinstance(value, list):
            open_values += value


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    twice = _Twice(members)
    names: set[str] = set()
    twice.member = next(name for name, _ in pairs if name in names or names.add(name))  # type: ignore[func-returns-value]
    return twice


def _float(text: str) -> float | str:
    """Return a number beyond a double as text, so that the decoder rejects it."""
    value = float(text)
    return text if isinf(value) else value


def _int(text: str) -> int | str:
    return int(text) if len(text) < 400 else text
