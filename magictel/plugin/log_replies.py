"""Find the reply quoted in a line of a log, for backends whose logs need no special parser."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from magictel.encoding.payload import Payload
from magictel.http.embedded import values_in
from magictel.http.messages import MISREAD
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Outcome, Partial

Judge = Callable[[Payload, Reply], Outcome]
_GUESSES = (200, 400)
"""Statuses assumed for a reply if the line names none: of verdicts per item, and of a refusal."""


def reply_in(judge: Judge, text: str, status: int | None) -> Reply | None:
    """Return the first JSON value of a text, as a reply, that `judge` recognizes by more than its status, or None."""
    for value in values_in(text):
        body = json.dumps(value, default=str).encode()
        lists = [len(part) for part in value.values() if isinstance(part, list)] if isinstance(value, dict) else []
        payload = Payload(b"", max([1, *lists]))
        for guess in _GUESSES if status is None else (status,):
            reply = Reply(guess, {"content-type": "application/json"}, body)
            code = _code(judge, payload, reply)
            if code and not code.startswith("http.") and code != _code(judge, payload, replace(reply, body=b"{}")):
                return reply
    return None


def _code(judge: Judge, payload: Payload, reply: Reply) -> str | None:
    """Return the code of an outcome; None: it is a success, or `judge` cannot read the reply."""
    try:
        outcome = judge(payload, reply)
    except MISREAD:
        return None
    match outcome:
        case Delivered():
            return None
        case Partial():
            verdicts = [*outcome.rejected.values(), *outcome.retry.values(), *outcome.unconfirmed.values()]
            return next((verdict.code for verdict in (*verdicts, outcome.why) if verdict is not None), None)
    return outcome.code
