"""The http rung's general half: is it HTTP at all, and might a backend have said it? Look-alikes are told apart by a second probe.

An exporter's own http probe calls `answered` and then decides whether it is *its* backend.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from magictel.errors import WireError
from magictel.http.classify import judge_status
from magictel.http.reply_words import own_words, words_of
from magictel.http.responder import Responder, ResponderKind, responder_of
from magictel.http.wire import Reply, Wire
from magictel.ladder.deferred import Meanwhile, seconds_left
from magictel.ladder.sniff import answers_in_plaintext, banner, speaks_tls
from magictel.model.finding import Finding, Rung, Status
from magictel.model.outcome import Throttled, Unavailable
from magictel.net.tls_errors import known_fault

_RESET_LIKE = frozenset(
    {"net.tcp.reset", "net.http.closed", "http.truncated", "net.http.read-timeout", "net.http.write-timeout"}
)
_TRANSPORT_PORT = "This is not an HTTP port"  # Elasticsearch's and OpenSearch's TcpTransport
_CLIENT_CERTIFICATE = {  # nginx answers over TLS, with a page (its 495 and 496, shown as 400), where others break the handshake off
    "No required SSL certificate was sent": "tls.client-cert-required",
    "The SSL certificate error": "tls.client-cert-rejected",
}


def answered(wire: Wire, path: str = "/", *, rung: Rung = Rung.HTTP) -> Reply | Finding:
    """The reply to a GET that may be a backend's own, or the failed finding. Redirects, pages for people and gateways are none."""
    until = _end(wire)
    second = Meanwhile(lambda seconds: _direct(wire) and speaks_tls(wire.endpoint, None, seconds), until)
    try:
        with second:
            reply = wire.get(path)
    except WireError as failure:
        return explain_wire_error(failure, wire, rung, until, second)
    return not_a_backend(reply, wire, rung, until) or reply


def _end(wire: Wire) -> float:
    """The moment by which every question through a wire has ended: where nobody set one, its time from now on."""
    return wire.until if wire.until is not None else time.monotonic() + wire.timeout


def _direct(wire: Wire) -> bool:
    """True where a plain question may have met a port that speaks TLS: what a proxy says of the port is not what the port says."""
    return not wire.endpoint.tls and not wire.proxied


def not_a_backend(reply: Reply, wire: Wire, rung: Rung = Rung.HTTP, until: float | None = None) -> Finding | None:
    """The failed finding for a reply that no metrics backend's API gives, or None. `until`: the end of a second probe (monotonic)."""
    seen = {"status": reply.status, "first_bytes": wire.first_bytes(reply), "content_type": reply.content_type}
    server = reply.headers.get("server", "")[:80]
    if server:
        seen["server"] = server
    who = wire.endpoint.origin
    if 300 <= reply.status < 400:
        where = reply.headers.get("location", "")[:200] or "nowhere"
        return Finding.failed(
            rung,
            "http.redirect",
            f"{who} redirects ({reply.status}) to {where}: credentials do not follow",
            "set the address to where the backend itself is; a login page means that something stands before it",
            location=where,
            **seen,
        )
    if _TRANSPORT_PORT in reply.text[:400]:
        return Finding.failed(
            rung,
            "es.http.wrong-port",
            f"{who} is the port on which the nodes talk to each other, not the one for clients",
            "use the HTTP port, 9200 unless it was changed",
            **seen,
        )
    if (
        reply.status == 400
        and not wire.endpoint.tls
        and reply.json() is None
        and (seconds := seconds_left(until if until is not None else _end(wire)))
        and speaks_tls(wire.endpoint, None, seconds / 2)  # the rung may have more to ask
    ):
        return _tls_port(wire, rung, **seen)
    if reply.status >= 600:
        return Finding.failed(
            rung,
            "http.unknown-status",
            f"{who} answers with the status {reply.status}, which HTTP does not know",
            "check host and port: another service listens there",
            **seen,
        )
    front = responder_of(reply)
    if own_words(reply) == "http.tls-port" and not wire.endpoint.tls:
        return _tls_port(wire, rung, **seen)
    if not reply.looks_like_html:
        return _gateway(reply, wire, front, rung, seen) if front.named and reply.json() is None else None
    if reply.status == 400 and wire.endpoint.tls:
        for phrase, code in _CLIENT_CERTIFICATE.items():
            if phrase in reply.text[:600]:
                tls_fault = known_fault(code)
                return Finding.failed(rung, code, f"{front}: {tls_fault.message}", tls_fault.remedy, **seen)
    gateway = _gateway(reply, wire, front, rung, seen)
    if gateway is not None:
        return gateway
    if reply.status in (401, 403):
        code = "http.unauthorized" if reply.status == 401 else "http.forbidden"
        return Finding.failed(
            rung,
            code,
            f"{reply.status} with {_page_of(front)}: something in front of the backend refuses the request",
            "set the credentials that it wants, or use the backend's own address",
            **seen,
        )
    return Finding.failed(
        rung,
        "http.not-a-backend",
        f"{who} answers {reply.status} with a web page, not as a backend's API does",
        "check host, port and path: a user interface, a login page or another service listens there",
        **seen,
    )


def _page_of(front: Responder) -> str:
    if front.kind is ResponderKind.LOGIN:
        return "a login page"
    return f"a web page from {front}" if front.named else "a web page"


def unavailable(reply: Reply, wire: Wire, now: float, backend: str, rung: Rung = Rung.HTTP) -> Finding | None:
    """The failed finding for a 429 or 5xx of a sender that nobody recognises, under delivery's code for it; None: it is neither.

    `backend`: who was expected, for people.
    """
    outcome = judge_status(reply, now)
    if reply.ok or not isinstance(outcome, Throttled | Unavailable):
        return None
    front = responder_of(reply)
    sender = (
        str(front)
        if front.named
        else f"not in {backend}'s words, so a proxy, a load balancer or a backend that is still starting"
    )
    evidence = {"status": reply.status, "first_bytes": wire.first_bytes(reply), "content_type": reply.content_type}
    if outcome.retry_after is not None:
        evidence["retry_after"] = outcome.retry_after
    words = words_of(reply)
    return Finding.failed(
        rung,
        outcome.code,
        f"{wire.endpoint.origin} answers {reply.status}{f' ({words})' if words else ''}: {sender}",
        "wait, or raise the limit there"
        if isinstance(outcome, Throttled)
        else "magictel check --wait 60s; if it stays so, look at what stands before the backend, and at its log",
        **evidence,
    )


def _gateway(reply: Reply, wire: Wire, front: Responder, rung: Rung, seen: Mapping[str, Any]) -> Finding | None:
    """The finding for what stands before the backend and says so itself."""
    outcome = judge_status(reply, 0.0)
    if reply.ok or not isinstance(outcome, Throttled | Unavailable):
        return None
    server = seen.get("server") or front
    words = words_of(reply)
    if isinstance(outcome, Throttled):
        message, remedy = f"{reply.status} from {server}: it asks to slow down", "wait, or raise the limit there"
    elif outcome.code == "http.bad-gateway":
        message = f"{reply.status} from {server}, which stands before the backend and cannot reach it"
        remedy = "check the backend behind it, and the address it forwards to"
    else:
        message = f"{reply.status} from {server}{f': {words}' if words else ''}"
        remedy = "look at the backend's log, and at that of what stands before it"
    return Finding.failed(rung, outcome.code, message, remedy, **seen)


def explain_wire_error(
    failure: WireError,
    wire: Wire,
    rung: Rung = Rung.HTTP,
    until: float | None = None,
    meanwhile: Meanwhile[bool] | None = None,
) -> Finding:
    """The finding for a request without a complete reply; where several causes look alike, asked once more, without credentials.

    Second probes end by `until` (monotonic); `meanwhile`: one was asked while the request was still silent. With no time left none is
    made, and the evidence says under `not_tried` what might have been found out.
    """
    until = until if until is not None else _end(wire)
    evidence = dict(failure.evidence)
    untried = []
    if "proxy" not in evidence:  # what a proxy says of the port is not what the port says
        endpoint = wire.endpoint
        if failure.code in _RESET_LIKE and not endpoint.tls:
            spoken = meanwhile.answer() if meanwhile is not None else None
            if spoken is None and (seconds := seconds_left(until)):
                spoken = speaks_tls(endpoint, None, seconds)
            if spoken:
                return _tls_port(wire, rung, failure=failure.code, **evidence)
            if spoken is None:
                untried.append("whether the port speaks TLS")
            if failure.code in ("net.tcp.reset", "net.http.closed"):
                seconds = seconds_left(until)
                greeting = banner(wire, seconds / 2) if seconds else ""
                if greeting:
                    evidence["first_bytes"] = greeting
                    return Finding.failed(
                        rung,
                        "http.not-http",
                        f"{endpoint.origin} does not speak HTTP: it said {greeting!r}",
                        "check host and port: another service listens there",
                        **evidence,
                    )
                if not seconds:
                    untried.append("what the port says unasked")
        if failure.code in ("tls.handshake-timeout", "tls.closed"):
            seconds = seconds_left(until)
            line = answers_in_plaintext(endpoint, None, seconds) if seconds else ""
            if line:
                tls_fault = known_fault("tls.plaintext-server")
                return Finding.failed(
                    rung, tls_fault.code, tls_fault.message, tls_fault.remedy, **evidence | {"first_bytes": line}
                )
            if not seconds:
                untried.append("whether it answers in plain http")
    if untried:
        evidence["not_tried"] = f"{', '.join(untried)}: no time was left"
    return Finding(rung, Status.FAIL, failure.message, failure.code, _of_a_probe(failure), evidence)


def _of_a_probe(failure: WireError) -> str | None:
    """The remedy for a question that writes nothing: it cannot duplicate anything, and no batch of it is too large."""
    if failure.code in ("net.http.read-timeout", "net.http.write-timeout"):
        return "raise --timeout, or look at the backend's load and at what stands before it: the connection was taken"
    return failure.remedy


def _tls_port(wire: Wire, rung: Rung, **evidence: object) -> Finding:
    secure = str(wire.endpoint).replace("http://", "https://", 1)
    return Finding.failed(
        rung,
        "http.tls-port",
        f"{wire.endpoint.origin} speaks TLS, and the address says http://",
        f"use {secure}",
        **evidence,
    )
