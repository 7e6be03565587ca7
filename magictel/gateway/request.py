"""A request as a gateway records it: what `GatewayMetrics` measures, read from the gateway's own record.

Contents, users and ids of requests have no field here: they are never attributes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec


class RecordError(ValueError):
    """A record is invalid at a path (empty: the whole): `expected` says what was expected there."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: {expected}" if path else expected)
        self.path, self.expected = path, expected


class GatewayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request. Durations are in seconds, sizes in bytes, `cost` in US dollars; None means unknown.

    `route` is the template of the path, as in `/v1/models/{model}`; without it, `path` is matched against the known templates.
    `status_code` is what the client got, `provider_status_code` what the gateway got. `first_token`: seconds to the first token
    of a stream. `fields` are further numbers, for custom metrics.
    """

    provider: str = ""
    model: str = ""
    response_model: str = ""
    operation: str = ""
    method: str = ""
    scheme: str = ""
    route: str = ""
    path: str = ""
    server_address: str = ""
    server_port: int = 443
    status_code: int = 0
    provider_status_code: int = 0
    duration: float | None = None
    provider_duration: float | None = None
    first_token: float | None = None
    request_size: float | None = None
    response_size: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    cache_read_tokens: float | None = None
    cache_write_tokens: float | None = None
    reasoning_tokens: float | None = None
    cost: float | None = None
    errors: int = 0
    error_type: str = ""
    provider_error_type: str = ""
    retries: int = 0
    fallbacks: int = 0
    cache: str = ""
    """`hit` or `miss`; empty if the gateway has no cache."""
    rate_limited: bool = False
    org_id: str = ""
    project_id: str = ""
    project_name: str = ""
    fields: Mapping[str, Any] = msgspec.field(default_factory=dict)


_NUMBERS = {
    "duration": ("latency",),
    "provider_duration": ("provider_latency",),
    "first_token": ("ttfb",),
    "input_tokens": ("tokens", "input"),
    "output_tokens": ("tokens", "output"),
    "cache_read_tokens": ("tokens", "cache_read"),
    "cache_write_tokens": ("tokens", "cache_write"),
    "reasoning_tokens": ("tokens", "reasoning"),
    "cost": ("cost",),
    "request_size": ("request_size",),
    "response_size": ("response_size",),
}
"""The fields with numbers, and their places in a record's metadata."""
_LARGEST = 1e300
_MILLISECONDS = ("duration", "provider_duration", "first_token")
_WHOLE = {
    "status_code": "status_code",
    "provider_status_code": "provider_status_code",
    "retries": "retry_count",
    "fallbacks": "fallback_count",
}
_TEXTS = {
    **{name: name for name in ("path", "method", "scheme", "error_type", "provider_error_type", "project_name")},
    "cache": "cache_status",
    "route": "route",
    "operation": "operation",
}
_OF_RECORD = ("provider", "model", "org_id", "project_id")


def read_request(record: Mapping[str, Any]) -> GatewayRequest:
    """Return a gateway's record of a request, in camel or snake case. Raise `RecordError`.

    A record has `attributes` with `provider`, `model` and a `metadata` object: latencies in milliseconds, `tokens`, sizes, `cost`.
    """
    attributes = record.get("attributes")
    if not isinstance(attributes, dict):
        raise RecordError("", "expected a record with attributes")
    inner = "metadata" in attributes or "metadata" not in record
    given = attributes.get("metadata") if inner else record["metadata"]
    above = "attributes." if inner else ""
    metadata, top = _snake(given or {}), _snake(attributes)
    values: dict[str, Any] = {"fields": {**top, **metadata}}
    measured = False
    tokens = metadata.get("tokens")
    for field, path in _NUMBERS.items():
        if len(path) > 1:
            value = tokens.get(path[1]) if type(tokens) is dict else _at(metadata, path, given, above)
        else:
            value = metadata.get(path[0])
        if value is None:
            continue
        if type(value) not in (int, float) or not 0 <= value <= _LARGEST:  # anything else is looked at closely
            value = _at(metadata, path, given, above)
        if value is not None:
            measured = True
            values[field] = value / 1000 if field in _MILLISECONDS else value
    if not measured:
        why = "expected a record with latency, tokens, sizes or cost in its metadata"
        raise RecordError(f"{above}metadata" if metadata else "", why)
    for field, key in _WHOLE.items():
        if isinstance(metadata.get(key), int):
            values[field] = metadata[key]
    for field, key in _TEXTS.items():
        if isinstance(metadata.get(key), str):
            values[field] = metadata[key]
    for key in _OF_RECORD:
        text = top.get(key) or metadata.get(key)
        if isinstance(text, str):
            values[key] = text
    values["errors"] = sum(
        count
        for key in ("error_count", "provider_error_count")
        if type(count := metadata.get(key)) is int and count > 0
    )
    if isinstance(hit := metadata.get("cache_hit"), bool):
        values["cache"] = "hit" if hit else "miss"
    return GatewayRequest(**values)


def _at(metadata: Mapping[str, Any], path: tuple[str, ...], given: Any, above: str) -> float | None:
    """Return the number at a path of the metadata; None where there is none."""
    value: Any = metadata
    for key in path:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            break
        value = value.get(key)
    else:
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if 0 <= number < math.inf:
                return value
            why = ", got too many digits" if number == math.inf else ", got a negative one" if number < 0 else ""
            raise _not_a_number(path, given, above, why)
    raise _not_a_number(path, given, above, "")


def _not_a_number(path: tuple[str, ...], given: Mapping[str, Any], above: str, why: str) -> RecordError:
    place = ".".join((f"{above}metadata", *_as_written(given, path)))
    return RecordError(place, f"expected a number for {'.'.join(path)}{why}")


def _as_written(metadata: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Yield a path's names in the record's spelling; only the first has two spellings."""
    yield next(key for key in metadata if _snake_name(key) == path[0])
    yield from path[1:]


def _snake(given: Any) -> dict[str, Any]:
    return {_snake_name(key): value for key, value in given.items()} if isinstance(given, dict) else {}


@lru_cache(1_000)
def _snake_name(name: str) -> str:
    """Return `threadId` as `thread_id`."""
    return "".join(f"_{character.lower()}" if character.isupper() else character for character in name)
