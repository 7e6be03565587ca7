"""The lines of evidence below a rung that did not pass; the JSON report contains all evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from magictel.model.finding import Finding, Status

_SAID = 160
"""Maximum length of a server's response: enough to recognise it."""

_FOR_MACHINES = frozenset(
    {"accepts_future_seconds", "accepts_past_seconds", "addresses", "ahead_seconds", "answered_by", "backend_time"}
    | {"chain", "cipher", "content_type", "days_left", "endpoints", "exception", "first_bytes", "fingerprint_sha256"}
    | {
        "gai_errno",
        "hint",
        "host",
        "issuer",
        "location",
        "look_up_seconds",
        "names",
        "not_after",
        "not_before",
        "origin",
    }
    | {
        "body",
        "errno",
        "mapping",
        "phase",
        "reason",
        "run_id",
        "said",
        "security",
        "server",
        "server_name",
        "smallest_role",
        "status",
    }
    | {"subject", "verified", "version"}
)
"""Evidence that is shown in another form, or is useful to programs only."""
_ANSWERS = ("first_bytes", "body", "said")
_FAILED = {
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
            verdict = _FAILED.get(str(node.get("outcome")), "OK")
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
