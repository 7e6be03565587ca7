"""The only reader of replies to a delivery: 202 accepts a payload, and says nothing of its points."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from magictel.exporters.datadog.errors import RULES
from magictel.http.classify import by_status_alone, judge_status
from magictel.http.error_rules import match, read_error
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Rejected, Unavailable
from magictel.text import clipped


def judge(reply: Reply, now: float, products: Collection[str]) -> Outcome:
    """Return the outcome of a delivery. A 403 as a web page comes from the edge in front of the API, and passes."""
    errors = errors_of(reply)
    if reply.status == 202 and errors:
        return Delivered(warning=ItemVerdict("dd.write.warning", clipped("; ".join(errors), 200)))
    reply = _with_reset(reply)
    outcome = judge_status(reply, now, products, accepted)
    if reply.status == 403 and reply.looks_like_html and isinstance(outcome, Rejected):
        return Unavailable(
            "dd.edge", f"{outcome.message} (a web page from in front of Datadog's API: no key was checked)"
        )
    known = None if reply.ok or reply.looks_like_html else match(read_error(reply), RULES)
    if known is not None and by_status_alone(outcome, reply):
        return known.outcome(reply, now, clipped(reply.text, 200))
    return outcome


def accepted(reply: Reply) -> bool:
    """Return whether a success is one of Datadog's intake: 202 and JSON with `errors` or a status, or an empty body."""
    body = reply.json()
    known = not reply.body.strip() or (isinstance(body, dict) and ("errors" in body or body.get("status") == "ok"))
    return reply.status == 202 and known


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
