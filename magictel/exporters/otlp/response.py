"""The only reader of replies to an OTLP export: partial success in both encodings, `google.rpc.Status`, and the retry table of OTLP."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import orjson

from magictel.encoding.protobuf import MALFORMED, Fields
from magictel.exporters.otlp import grpc_status
from magictel.exporters.otlp.errors import RETRIED, RULES
from magictel.http.classify import judge_status
from magictel.http.error_rules import BackendError, KnownError, match
from magictel.http.wire import Reply
from magictel.model.outcome import (
    Delivered,
    ItemVerdict,
    Outcome,
    Partial,
    Rejected,
    Throttled,
    Unavailable,
    Unconfirmed,
)
from magictel.text import clipped

_LONGEST = 300
_COUNT = re.compile("[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class PartialSuccess:
    """What a success says: the number of rejected points, and a message about them or, without any, a warning."""

    rejected: int
    message: str


def judge(points: int, reply: Reply, now: float, products: Collection[str]) -> Outcome:
    """Return the outcome of an export of so many points. `products`: the backend's names in `magictel.http.products`."""
    if grpc_status.is_status(reply):
        return grpc_status.judge(reply, _retry_delay(reply.body))
    known = refusal(reply)
    reply = _with_retry_info(reply)
    if known is not None:
        return known.outcome(reply, now, clipped(sentence(reply), 200))
    success = partial_success(reply) if reply.ok else None
    if success is not None and (success.rejected or success.message):
        verdict = ItemVerdict(
            "otlp.partial" if success.rejected else "otlp.partial-warning", success.message or "no reason is given"
        )
        if success.rejected:
            return Partial(unnamed=min(success.rejected, points), why=verdict)
        return Delivered(warning=verdict)
    if reply.headers.get("grpc-status") == "0":
        what = "OK, but the message is not an ExportMetricsServiceResponse"
        return Delivered() if success is not None else Unconfirmed("http.unconfirmed", what, clipped(reply.text, 200))
    shown = reply if reply.ok or not _is_protobuf(reply) else _status_as_json(reply)
    outcome = judge_status(shown, now, products, lambda _: success is not None)
    if isinstance(outcome, Throttled | Unavailable) and reply.status not in RETRIED:
        return Rejected("otlp.not-retried", f"{outcome.message} (OTLP does not retry {reply.status})")
    return outcome


def refusal(reply: Reply) -> KnownError | None:
    """Return what a refusal means, or None if status and headers decide."""
    if reply.ok or reply.looks_like_html:
        return None
    text = sentence(reply)
    words = {"status": str(reply.status), "said": clipped(text, 200)}
    return match(BackendError(reply.status, texts=(text,), words=words), RULES)


def sentence(reply: Reply) -> str:
    """Return the message of an error: of a `google.rpc.Status` in either encoding, or the text of the body."""
    body = reply.json()
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        text = body["message"]
    else:
        text = _status_message(reply.body) if _is_protobuf(reply) else reply.text[:2_000]
    return " ".join(text.split())


def unverified_code(reply: Reply) -> str | None:
    """Return the code of what a success leaves open, or None."""
    success = partial_success(reply) if reply.ok else None
    return None if success is None or success.rejected or success.message else "verify.unsupported"


def partial_success(reply: Reply) -> PartialSuccess | None:
    """Return what an `ExportMetricsServiceResponse` says; None: the body is none."""
    if not reply.body.strip():
        return PartialSuccess(0, "")
    body = reply.json()
    if isinstance(body, dict):
        return _from_json(body)
    if not _is_protobuf(reply) and reply.headers.get("content-type", ""):
        return None
    try:
        response = Fields(reply.body)
        if response.keys() - {1}:
            return None
        inner = Fields(response.merged(1))
        rejected, message = inner.number(1), inner.content(2).decode()
    except MALFORMED:
        return None
    return PartialSuccess(rejected, clipped(message, _LONGEST)) if rejected < 1 << 63 else None  # else it is negative


def _from_json(body: dict[str, Any]) -> PartialSuccess | None:
    if body.keys() - {"partialSuccess", "partial_success"}:
        return None
    inner = _member(body, "partialSuccess", "partial_success", {})
    if not isinstance(inner, dict):
        return None
    rejected = str(_member(inner, "rejectedDataPoints", "rejected_data_points", 0))  # a number, or text
    message = _member(inner, "errorMessage", "error_message", "")
    if not isinstance(message, str) or not _COUNT.fullmatch(rejected):
        return None
    return PartialSuccess(int(rejected), clipped(message, _LONGEST))


def _member(members: dict[str, Any], name: str, other: str, default: object) -> object:
    """Return a member by either of its names; null means the default."""
    value = members.get(name, members.get(other))
    return default if value is None else value


def _is_protobuf(reply: Reply) -> bool:
    return any(name in reply.headers.get("content-type", "") for name in ("protobuf", "grpc"))


def _status_as_json(reply: Reply) -> Reply:
    """Return the message of a `google.rpc.Status` in protobuf as JSON, for readers that do not know protobuf; without one, the reply."""
    message = sentence(reply)
    if not message:
        return reply
    body = orjson.dumps({"message": message})
    return replace(reply, headers={**reply.headers, "content-type": "application/json"}, body=body)


def _with_retry_info(reply: Reply) -> Reply:
    """Return a refusal with the delay of a `google.rpc.RetryInfo` in protobuf as its Retry-After, unless it has that header."""
    if reply.ok or not _is_protobuf(reply) or "retry-after" in reply.headers:
        return reply
    delay = _retry_delay(reply.body)
    return reply if delay is None else replace(reply, headers={**reply.headers, "retry-after": f"{delay:g}"})


def _retry_delay(status: bytes) -> float | None:
    """Return the seconds of the `google.rpc.RetryInfo` in a `google.rpc.Status`, or None without one."""
    try:
        packed = [Fields(detail) for detail in Fields(status).get(3, ())]
        infos = [Fields(detail.content(2)) for detail in packed if detail.text(1).endswith("/google.rpc.RetryInfo")]
        durations = [Fields(info.merged(1)) for info in infos]
    except MALFORMED:
        return None
    return next(
        (seconds + duration.number(2) / 1e9 for duration in durations if (seconds := duration.number(1)) < 1 << 63),
        None,
    )


def _status_message(body: bytes) -> str:
    try:
        return Fields(body).content(2).decode()
    except MALFORMED:
        return ""
