"""Read a pasted reply as the exporter does: with its `judge` and, if it does not answer a write, with its probes.

The probes use a transport that returns this reply to every request; nothing leaves this machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from magictel.catalogue.pages import explain
from magictel.diagnose.diagnosis import BY_CLASS, STANDS_WITH, Alternative, Diagnosis, During, Pasted, Verdict, title_of
from magictel.diagnose.log_parsing import PAGE, TUNNEL, body_after, status_in, status_within, value_in, wait_in
from magictel.encoding.payload import Payload
from magictel.errors import WireError
from magictel.http.asking import unreadable
from magictel.http.reply_words import counts_refused, failure_within, words_of
from magictel.http.responder import responder_of
from magictel.http.wire import Reply, Request, Wire
from magictel.ladder.probe import probes_of
from magictel.model.finding import Finding, Rung, Status
from magictel.model.outcome import (
    Delivered,
    ItemVerdict,
    Outcome,
    Partial,
    Rejected,
    Throttled,
    TooLarge,
    Unavailable,
    Unconfirmed,
)
from magictel.model.verification import Unreadable
from magictel.net.endpoint import Endpoint
from magictel.plugin.any_exporter import AnyExporter
from magictel.plugin.http_exporter import HttpExporter, HttpReadBack

_RUNGS: Mapping[str, tuple[Rung, ...]] = {"auth": (Rung.HTTP, Rung.AUTH), "health": (Rung.HEALTH,)}
_NO_BACKEND = frozenset(
    {
        "http.redirect",
        "http.bad-gateway",
        "http.not-a-backend",
        "http.grpc-port",
        "http.tls-port",
        "http.proxy.auth",
        "http.unknown-status",
    }
)
"""Replies that no backend sends."""
_GUESSES = (400, 401, 403, 404, 409, 413, 422, 429, 500, 503)
"""Statuses to try for a text that was pasted without one."""
ANYWHERE = Endpoint("https", "backend.invalid", 443)
"""The address of replayed probes. https: their second probes use the network only for http addresses."""


def reply_in(exporter: HttpExporter[Any], pasted: Pasted) -> tuple[Reply | None, bool]:
    """Return the pasted reply in the backend's form, and whether its status is a guess."""
    text = pasted.text if pasted.text is not None else (pasted.body or b"").decode("utf-8", "replace")
    body = pasted.body if pasted.body is not None else (pasted.text or "").encode("utf-8", "surrogatepass")
    status = pasted.status
    if status is None:
        status = status_in(text)
        if status == 407 or TUNNEL.search(text):  # a proxy's, whatever surrounds it
            return None, False
        if status is not None and pasted.body is None:
            body = body_after(text, status).encode("utf-8", "surrogatepass")
    if status is not None:
        headers = pasted.headers
        wait = wait_in(text) if pasted.text is not None and "retry-after" not in headers else None
        if wait is not None and status in (429, 503):
            headers = {**headers, "retry-after": wait}
        reply = Reply(status, headers, body)
        unknown = not reply.ok and reply.body != b"" and not _specific(exporter, reply)
        # the words alone may be known too, but are less specific than a type beside them
        shaped = exporter.parse_log(text, status) if unknown or pasted.body is None else None
        if shaped is not None and _specific(exporter, shaped):
            return replace(shaped, headers={**shaped.headers, **pasted.headers}), False
        return reply, False
    shaped = exporter.parse_log(text, None)
    inside = value_in(text)
    if shaped is not None and (_specific(exporter, shaped) or shaped.ok or inside):
        return replace(shaped, headers={**shaped.headers, **pasted.headers}), True
    for guess in _GUESSES:
        for candidate in (inside.encode("utf-8", "surrogatepass"), body):
            reply = Reply(guess, pasted.headers, candidate)
            if candidate.strip() and _specific(exporter, reply):
                return reply, True
    inner_status = status_within(inside) if inside else None
    if inner_status is not None:
        return Reply(inner_status, pasted.headers, inside.encode("utf-8", "surrogatepass")), True
    page = PAGE.search(text)
    if page is not None:
        return Reply(200, pasted.headers, text[page.start() :].encode("utf-8", "surrogatepass")), True
    inner_reply = Reply(200, pasted.headers, inside.encode("utf-8", "surrogatepass"))
    if inside and (pasted.body is not None or exporter.unverified_code(inner_reply)):
        return inner_reply, True
    value = inner_reply.json() if inside else None
    if isinstance(value, Mapping) and "error" not in value and counts_refused(value):  # a log of OTLP's partial success
        return replace(inner_reply, body=json.dumps({**value, "success": False}).encode()), True
    return None, True


def is_vague(code: str | None) -> bool:
    """Return whether a code only means that a reply is not understood."""
    page = explain(code) if code else None
    return page is not None and page.says == "vague"


def is_stranger(code: str) -> bool:
    """Return whether a code means that something other than the backend replied."""
    page = explain(code)
    return page is not None and page.says == "stranger"


def read_answer(exporter: HttpExporter[Any], reply: Reply, during: During | None) -> Diagnosis:
    """Return the diagnosis of a reply; `during`: the step of the ladder, or the read, that got it."""
    outcome = _judge(exporter, reply)
    diagnosis = of_outcome(exporter, outcome)
    front = responder_of(reply)
    diagnosis = replace(diagnosis, answered_by=exporter.redact(str(front)))
    if diagnosis.code is None and reply.status == 202:
        words = words_of(reply) if reply.json() is None else ""
        what = f"202, and it says: {words}; a 2xx" if words else "202: taken for later, which"
        diagnosis = replace(
            diagnosis, message=f"{what} proves no storage; magictel send-sample shows whether it arrives"
        )
    rules = issubclass(exporter.ReadBack, HttpReadBack) and exporter.ReadBack.errors
    if during == "read" and rules and (not reply.ok or failure_within(reply)):
        return _read_back(exporter, reply, diagnosis)
    open_question = exporter.unverified_code(reply) if reply.ok else None
    reading = open_question is not None and explain(open_question) is not None
    delivered = isinstance(outcome, Delivered) and outcome.warning is None
    if reading and (delivered or (is_vague(diagnosis.code) and during in (None, "read"))):
        assert open_question is not None
        sentence = f"{reply.status} proves no storage; where points are missing: {title_of(open_question)}"
        return replace(diagnosis, outcome="delivered", code=open_question, message=sentence, after=None, remedy=None)
    specific = diagnosis.code is not None and not diagnosis.code.startswith("http.") and not is_vague(diagnosis.code)
    page_of_its_own = (
        during == "health" and reply.ok and not reply.body.lstrip().startswith(b"<")
    )  # VictoriaMetrics' /health
    judged = isinstance(outcome, Partial) and during is None  # a reply with verdicts per item is the backend's
    if specific or judged or (diagnosis.code in _NO_BACKEND and not page_of_its_own):
        return diagnosis
    if during == "read" and not reply.ok:
        return _read_back(exporter, reply, diagnosis)
    asked = list(_climbed(exporter, reply, _RUNGS.get(during or "", (Rung.HTTP,))))
    failed = next(
        (
            finding
            for finding in asked
            if finding.code and finding.outcome in (Status.FAIL, Status.WARN, Status.SKIPPED)
        ),
        None,
    )
    if during in _RUNGS:
        if failed is not None and failed.outcome is Status.SKIPPED and diagnosis.code is not None:
            astray = f"{title_of(diagnosis.code)} A wrong path, or a proxy's prefix, gets the same answer"
            return _of_finding(diagnosis, failed, Alternative(diagnosis.code, astray))
        if failed is not None:
            return _of_finding(diagnosis, failed)
        if reply.ok and asked:
            return replace(
                diagnosis, outcome="delivered", code=None, message=asked[-1].message, after=None, remedy=None
            )
    elif failed is not None and failed.code and reply.ok and diagnosis.code is not None:
        if during is None and is_stranger(failed.code):
            return _of_finding(
                diagnosis, failed, Alternative(diagnosis.code, f"as the answer to a write: {diagnosis.message}")
            )
        other = Alternative(failed.code, exporter.redact(failed.message))
        return replace(diagnosis, alternatives=(*diagnosis.alternatives, other))
    return diagnosis


def _judge(exporter: HttpExporter[Any], reply: Reply) -> Outcome:
    return exporter.verdict(Payload(b"", _verdicts(reply)), reply)


def _verdicts(reply: Reply) -> int:
    """Return the number of verdicts in a reply: the length of its longest list."""
    body = reply.json()
    lists = [len(value) for value in body.values() if isinstance(value, list)] if isinstance(body, Mapping) else []
    return max([1, *lists])


def of_outcome(exporter: AnyExporter, outcome: Outcome) -> Diagnosis:
    """Return the diagnosis of a delivery's outcome."""
    name = exporter.name
    match outcome:
        case Delivered(notes=notes, warning=warning):
            if warning is not None:
                return Diagnosis(name, "delivered", warning.code, warning.message)
            if notes:
                code, message = _commonest(notes)
                return Diagnosis(name, "delivered", code, message)
            return Diagnosis(name, "delivered", None, "accepted, and the reply reports no error")
        case Partial():
            refused = outcome.rejected or outcome.retry or outcome.unconfirmed
            if not refused and outcome.why is not None:
                return Diagnosis(name, "partial", outcome.why.code, outcome.why.message)
            code, message = _commonest(refused)
            counts = f"{len(outcome.rejected)} refused, {len(outcome.retry)} to be sent again"
            rest = {
                verdict.code
                for verdict in (*outcome.rejected.values(), *outcome.retry.values(), *outcome.unconfirmed.values())
            } - {code}
            more = tuple(Alternative(code, f"other items of the same answer ({counts})") for code in sorted(rest))
            return Diagnosis(name, "partial", code, message, None, outcome.retry_after, more)
        case Unconfirmed():
            return Diagnosis(name, "unconfirmed", outcome.code, outcome.message)
        case Throttled(retry_after=after) | Unavailable(retry_after=after):
            kind: Verdict = "throttled" if isinstance(outcome, Throttled) else "unavailable"
            return Diagnosis(name, kind, outcome.code, outcome.message, None, after)
        case TooLarge():
            # Split until the bad points are alone: those are rejected, unless only the size was the problem.
            page = explain(outcome.code)
            split = page is not None and page.retry == "split"
            return Diagnosis(name, "too-large" if split else "rejected", outcome.code, outcome.message)
        case Rejected():
            return Diagnosis(name, "rejected", outcome.code, outcome.message, outcome.remedy)


def _commonest(items: Mapping[int, ItemVerdict]) -> tuple[str, str]:
    counts: dict[str, int] = {}
    for verdict in items.values():
        counts[verdict.code] = counts.get(verdict.code, 0) + 1
    code = max(counts, key=lambda name: counts[name])
    return code, next(verdict.message for verdict in items.values() if verdict.code == code)


def _of_finding(diagnosis: Diagnosis, finding: Finding, *others: Alternative) -> Diagnosis:
    page = explain(finding.code or "")
    outcome = BY_CLASS[page.retry] if page else diagnosis.outcome
    if diagnosis.outcome in STANDS_WITH[page.retry if page else "no"]:
        outcome = diagnosis.outcome
    result = replace(diagnosis, outcome=outcome, code=finding.code, message=finding.message, remedy=finding.remedy)
    return replace(result, alternatives=(*diagnosis.alternatives, *others))


class _Same:
    """A transport that returns one reply to every request; nothing leaves this machine."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def send(self, request: Request, timeout: float) -> Reply:
        return self._reply

    def close(self) -> None:
        pass


def _wire(exporter: HttpExporter[Any], reply: Reply) -> Wire:
    return Wire(_Same(reply), ANYWHERE, redact=exporter.redact, timeout=1.0)


def _climbed(exporter: HttpExporter[Any], reply: Reply, rungs: tuple[Rung, ...]) -> Iterator[Finding]:
    for probe in probes_of(type(exporter)):
        if probe.rung in rungs and probe.side_effect == "read-only":
            with suppress(WireError, AttributeError, KeyError, TypeError, ValueError):  # an answer to another question
                yield probe.climb(exporter, _wire(exporter, reply))


def _read_back(exporter: HttpExporter[Any], reply: Reply, diagnosis: Diagnosis) -> Diagnosis:
    """Return what an error reply to a query means, by the rules of the read-back or by what it makes of this reply."""
    with suppress(WireError, AttributeError, KeyError, TypeError, ValueError):
        readback = exporter.ReadBack(exporter)
        if not isinstance(readback, HttpReadBack):
            return diagnosis
        wire = _wire(exporter, reply)
        readback.wire = lambda: wire
        result = unreadable(reply, wire, readback.errors) if readback.errors else readback.run_size("run")
        if isinstance(result, Unreadable) and (page := explain(result.code)) is not None:
            retry = page.retry
            outcome = diagnosis.outcome if diagnosis.outcome in STANDS_WITH[retry] else BY_CLASS[retry]
            return replace(diagnosis, outcome=outcome, code=result.code, message=result.message, remedy=None)
    return diagnosis


def _specific(exporter: HttpExporter[Any], reply: Reply) -> bool:
    """Return whether the exporter recognises this text: its code differs from that for an empty reply."""
    code = of_outcome(exporter, _judge(exporter, reply)).code
    nothing = of_outcome(exporter, _judge(exporter, replace(reply, body=b"x" if reply.body else b""))).code
    return code is not None and code != nothing and not (code.startswith("http.") and reply.ok)
