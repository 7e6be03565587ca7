"""The only reader of replies to a delivery: 202 accepts a payload, and says nothing of its points."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from magictel.exporters.datadog.errors import RULES
from magictel.http.classify import judge_status
from magictel.http.error_rules import match, read_error
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Unavailable
from magictel.text import clipped


def judge(reply: Reply, now: float, products: Collection[str]) -> Outcome:
    """Return the outcome of a delivery. A 403 as a web page comes from the edge in front of the API, and passes."""
    if reply.status == 403 and reply.looks_like_html:
        return Unavailable("dd.edge", "403 as a web page: from the edge in front of Datadog's API, which checks no key")
    reply = _with_reset(reply)
    known = None if reply.ok or reply.looks_like_html else match(read_error(reply), RULES)
    if known is not None:
        return known.outcome(reply, now, clipped(reply.text, 200))
    errors = errors_of(reply)
    if reply.status == 202 and errors:
        return Delivered(warning=ItemVerdict("dd.write.warning", clipped("; ".join(errors), 200)))
    return judge_status(reply, now, products, accepted)


def accepted(reply: Reply) -> bool:
    """Return whether a success is one of Datadog's intake: JSON with `errors` or a status, or an empty body."""
    body = reply.json()
    return not reply.body.strip() or (isinstance(body, dict) and ("errors" in body or body.get("status") == "ok"))


def errors_of(reply: Reply) -> tuple[str, ...]:
    """Return the texts of `errors` in a reply."""
    body = reply.json()
    errors = body.get("errors") if isinstance(body, dict) else None
    return tuple(map(str, errors)) if isinstance(errors, list) else ()


def _with_reset(reply: Reply) -> Reply:
    """Return a 429 with Datadog's own header of the time to wait as Retry-After."""
    seconds = reply.headers.get("x-ratelimit-reset", "")
    if reply.status != 429 or "retry-after" in reply.headers or not seconds.isdigit():
        return reply
    return replace(reply, headers={**reply.headers, "retry-after": seconds})
