"""Details as lines of text: the evidence of a rung that did not pass, a difference, the attempts. The JSON report has all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from magictel.model.finding import Finding, Status
from magictel.model.outcome import FailedAttempts, Receipt
from magictel.model.verification import Difference, Value
from magictel.reporters.humanize import span

_SAID = 160
"""Maximum length of a server's response: enough to recognise it."""

_FOR_MACHINES = frozenset(
    {
        *("accepts_future_seconds", "accepts_past_seconds", "addresses", "ahead_seconds", "answered_by"),
        *("backend_time", "body", "chain", "cipher", "content_type", "days_left", "endpoints", "errno", "exception"),
        *("fingerprint_sha256", "first_bytes", "gai_errno", "hint", "host", "issuer", "location", "look_up_seconds"),
        *("mapping", "names", "not_after", "not_before", "origin", "phase", "reason", "run_id", "said", "security"),
        *("server", "server_name", "smallest_role", "status", "subject", "verified", "version"),
    }
)
"""Evidence that is shown in another form, or is useful to programs only."""
_ATTRIBUTES = 60
"""Maximum length of the attributes in a point's name."""
_LONGEST_VALUE = 40
"""Maximum length of a sent or seen value."""
_ANSWERS = ("first_bytes", "body", "said")
_ENDPOINTS = {
    Status.FAIL.value: "failed",
    Status.WARN.value: "warning",
    Status.BLOCKED.value: "skipped",
    Status.SKIPPED.value: "skipped",
}


def lines(finding: Finding) -> list[str]:
    """Return lines of evidence, the most informative first, without those that the message or remedy contains."""
    text = f"{finding.message}\n{finding.remedy or ''}"
    return [line for line in _lines(finding.evidence, text) if line not in text]


def _lines(evidence: Mapping[str, Any], message: str) -> Iterator[str]:
    if evidence.get("origin"):
        yield f"from {evidence['origin']}"
    if evidence.get("subject") and evidence.get("issuer"):
        yield _certificate(evidence)
    answer = next((str(evidence[key]) for key in _ANSWERS if evidence.get(key)), "")
    if answer and answer not in message:
        yield _answer(evidence, answer)
    role = evidence.get("smallest_role")
    if role is not None and json.dumps(role) not in message:
        yield f"minimal role: {json.dumps(role)}"
    if evidence.get("hint"):
        yield str(evidence["hint"])
    nodes = evidence.get("endpoints")
    if isinstance(nodes, list):
        for node in nodes:
            verdict = _ENDPOINTS.get(str(node.get("outcome")), "OK")
            if str(node.get("message")) not in message or len(nodes) > 1:
                yield f"{node.get('endpoint')} {verdict}: {node.get('message')}"
    for key, value in evidence.items():
        if key in _FOR_MACHINES:
            continue
        shown = _value(value)
        if shown and shown not in message:
            yield f"{key.replace('_', ' ')}: {shown}"


def _certificate(evidence: Mapping[str, Any]) -> str:
    until = f", valid until {evidence['not_after']}" if evidence.get("not_after") else ""
    return f"{evidence['subject']}, issued by {evidence['issuer']}{until}"


def _answer(evidence: Mapping[str, Any], answer: str) -> str:
    answer = answer.replace("><", "> <")  # room for a line to break
    cut = answer if len(answer) <= _SAID else answer[:_SAID].rstrip() + "…"
    status = f"{evidence['status']} " if evidence.get("status") else ""
    by = f" ({evidence['server']})" if evidence.get("server") else ""
    return f"response{by}: {status}{cut}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if len(value) <= 2 * _SAID else value[: 2 * _SAID].rstrip() + "…"
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value[:8]) + (f", … ({len(value)} in total)" if len(value) > 8 else "")
    return ""


def shown_difference(difference: Difference) -> str:
    """Return `http.requests{route=/a} at 2026-11-25T14:45:08Z: value was sent as 1.5, queries see 1`."""
    sent, seen = _shown(difference.sent), _shown(difference.seen)
    return f"{_point(difference.point)}: {difference.field} was sent as {sent}, queries see {seen}"


def _point(name: str) -> str:
    """Return a point's name with its first attributes: `http.requests{route=/a, …} at 2026-11-25T14:45:08Z`."""
    before, brace, rest = name.partition("{")
    attributes, end, after = rest.rpartition("}")
    if not brace or not end or len(attributes) <= _ATTRIBUTES:
        return name
    return f"{before}{{{attributes[:_ATTRIBUTES].rpartition(', ')[0] or attributes[:_ATTRIBUTES]}, …}}{after}"


def _shown(value: Value) -> str:
    """Return a value in a form that shows its type; truncate a long one and add its length."""
    if value is None:
        return "nothing"
    if isinstance(value, tuple):
        text = f"[{', '.join(map(_shown, value))}]"
        return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE].rstrip()}… ({len(value)} items)"
    if isinstance(value, str):
        return (
            f'"{value}"' if len(value) <= _LONGEST_VALUE else f'"{value[:_LONGEST_VALUE]}…" ({len(value)} characters)'
        )
    return str(value).lower() if isinstance(value, bool) else repr(value)


def attempts(receipt: Receipt) -> str | None:
    """Return `5, 4 failed (3× 429, 1 reset); waited 13 s`: attempts, failures by status or error; None if none failed."""
    if not receipt.failed:
        return None
    failures = sum(failed.count for failed in receipt.failed)
    waited = f"; waited {span(receipt.waited)}" if receipt.waited else ""
    return f"{receipt.attempts}, {failures} failed ({', '.join(map(_failed, receipt.failed))}){waited}"


def _failed(attempts: FailedAttempts) -> str:
    if attempts.status is not None:
        return f"{attempts.count}× {attempts.status}"
    return f"{attempts.count} {attempts.code.rpartition('.')[2].replace('-', ' ')}"
