"""The only reader of replies to a delivery: 202 accepts a payload unread; what is wrong with it comes as an event later."""

from __future__ import annotations

from collections.abc import Collection

from magictel.exporters.newrelic.errors import RULES
from magictel.http.classify import by_status_alone, judge_status
from magictel.http.error_rules import match, read_error
from magictel.http.wire import Reply
from magictel.model.outcome import Outcome
from magictel.text import clipped


def judge(reply: Reply, now: float, products: Collection[str]) -> Outcome:
    """Return the outcome of a delivery."""
    outcome = judge_status(reply, now, products, accepted)
    known = None if reply.ok or reply.looks_like_html else match(read_error(reply), RULES)
    if known is not None and by_status_alone(outcome, reply):
        return known.outcome(reply, now, clipped(reply.text, 200))
    return outcome


def accepted(reply: Reply) -> bool:
    """Return whether a success is one of the Metric API: 202 with the id of the request."""
    body = reply.json()
    return isinstance(body, dict) and "requestId" in body
