"""Queries to a backend about what it stores: a JSON object, or the meaning of its error by the backend's error table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from magictel.http.error_rules import BackendError, Rule, match
from magictel.http.reply_words import words_of
from magictel.http.wire import Reply, Wire
from magictel.model.verification import Unreadable

_DIGITS = 6
"""The most digits of seconds to wait; more are a time of the clock."""


def ask(
    wire: Wire,
    path: str,
    rules: Iterable[Rule],
    *,
    body: Mapping[str, Any] | None = None,
    accept: Callable[[Mapping[str, Any]], bool] = lambda answer: True,
    masked: bool = True,
    reason: Callable[[Reply], str] | None = None,
) -> Any | Unreadable:
    """Return the JSON object of a successful reply that `accept` accepts, otherwise the reply's meaning by the rules. Raise `WireError`.

    `body`: sent as JSON with POST. `masked=False`: for values that are compared and never shown. `reason`: reads the backend's own reason.
    """
    reply = wire.get(path) if body is None else wire.post(path, body)
    answer = reply.json(masked=masked)
    if reply.ok and isinstance(answer, dict) and accept(answer):
        return answer
    return unreadable(reply, wire, rules, reason(reply) if reason is not None else "")


def unreadable(reply: Reply, wire: Wire, rules: Iterable[Rule], reason: str = "") -> Unreadable:
    """Return why a reply does not show what is stored. The last of the rules must have no condition."""
    words = {
        "status": str(reply.status),
        "said": reason or (wire.first_bytes(reply) if reply.json() is None else wire.redact(words_of(reply))),
        "endpoint": str(wire.endpoint),
    }
    known = match(BackendError(reply.status, words=words), rules)
    assert known is not None
    return replace(known.unreadable(), retry_after=_retry_after(reply))


def _retry_after(reply: Reply) -> float | None:
    """Return the seconds that a 429 asks to wait, by Retry-After or by X-RateLimit-Reset."""
    given = (reply.headers.get(name, "").strip() for name in ("retry-after", "x-ratelimit-reset"))
    seconds = [float(text) for text in given if text.isdigit() and len(text) <= _DIGITS]
    return seconds[0] if reply.status == 429 and seconds else None
