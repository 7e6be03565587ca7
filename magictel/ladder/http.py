"""The general part of the http rung: is the reply HTTP, and can it come from a backend? A second probe distinguishes similar faults.

An exporter's own http probe calls `answered` and then decides whether the server is *its* backend.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from magictel.catalogue.banners import banner_in
from magictel.errors import WireError
from magictel.http.classify import judge_status
from magictel.http.reply_words import own_words, words_of
from magictel.http.responder import Responder, ResponderKind, responder_of
from magictel.http.wire import Reply, Wire
from magictel.ladder.deferred import Meanwhile, seconds_left
from magictel.ladder.sniff import answers_in_plaintext, banner, speaks_tls
from magictel.model.finding import Finding, Rung, Status
from magictel.model.outcome import Rejected, Throttled, Unavailable
from magictel.net.tls_errors import known_fault

_RESET_LIKE = frozenset(
    {"net.tcp.reset", "net.http.closed", "http.truncated", "net.http.read-timeout", "net.http.write-timeout"}
)
_OUTRIGHT = {
    402: "pay for the account behind this address, or use another",
    407: "put user and password into the proxy's URL, or exclude the backend's host from the proxy",
    421: "use the address for which this server is configured; behind a proxy, set server_name",
    423: "unlock the resource at the backend",
    426: "use the protocol that the response names; often the address needs https://",
    451: "ask the operator of this address, or of the proxy in front of it, to unblock it",
}
"""Refusals of the client or its address, with their remedy: neither the method nor the body of a request changes them."""
_CLIENT_CERTIFICATE = {  # nginx answers over TLS with a page (its 495 and 496, shown as 400), where others abort the handshake
    "No required SSL certificate was sent": "tls.client-cert-required",
    "The SSL certificate error": "tls.client-cert-rejected",
}


def answered(wire: Wire, path: str = "/", *, rung: Rung = Rung.HTTP) -> Reply | Finding:
    """Return the reply to a GET if it can be a backend's own, or the failed finding (redirects, web pages, gateways)."""
    until = _end(wire)
    second = Meanwhile(lambda seconds: _direct(wire) and speaks_tls(wire.endpoint, None, seconds), until)
    try:
        with second:
            reply = wire.get(path)
    except WireError as failure:
        return explain_wire_error(failure, wire, rung, until, second)
    return not_a_backend(reply, wire, rung, until) or reply


def _end(wire: Wire) -> float:
    """Return the monotonic deadline of all requests through a wire; by default its timeout from now on."""
    return wire.until if wire.until is not None else time.monotonic() + wire.timeout


def _direct(wire: Wire) -> bool:
    """Return whether a plain request may have reached a TLS port; a proxy's reply does not come from the port."""
    return not wire.endpoint.tls and not wire.proxied


def not_a_backend(reply: Reply, wire: Wire, rung: Rung = Rung.HTTP, until: float | None = None) -> Finding | None:
    """Return the failed finding for a reply that no metrics backend sends, or None. `until`: monotonic deadline of a second probe."""
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
            f"{who} redirects ({reply.status}) to {where}: redirects are not followed",
            "set the address to the backend itself; a login page means that there is a proxy in front of it",
            location=where,
            **seen,
        )
    banner = banner_in(reply.text[:400]) if reply.json() is None else None
    if banner is not None:
        return Finding.failed(rung, banner.code, f"{who} {banner.sentence}", banner.remedy, **seen)
    if (
        reply.status == 400
        and not wire.endpoint.tls
        and reply.json() is None
        and (seconds := seconds_left(until if until is not None else _end(wire)))
        and speaks_tls(wire.endpoint, None, seconds / 2)  # the rung may send more requests
    ):
        return _tls_port(wire, rung, **seen)
    if reply.status >= 600:
        return Finding.failed(
            rung,
            "http.unknown-status",
            f"{who} answers with the invalid HTTP status {reply.status}",
            "check the host and port: another service is listening there",
            **seen,
        )
    front = responder_of(reply)
    if own_words(reply) == "http.tls-port" and not wire.endpoint.tls:
        return _tls_port(wire, rung, **seen)
    if reply.status in _OUTRIGHT:
        verdict = judge_status(reply, 0.0)
        if isinstance(verdict, Rejected):
            message = f"{who} refuses the request: {verdict.message}"
            return Finding.failed(rung, verdict.code, message, verdict.remedy or _OUTRIGHT[reply.status], **seen)
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
            f"{reply.status} with {_page_of(front)}: a proxy in front of the backend rejects the request",
            "set the credentials that it needs, or use the backend's own address",
            **seen,
        )
    return Finding.failed(
        rung,
        "http.not-a-backend",
        f"{who} answers {reply.status} with a web page, not like a backend's API",
        "check the host, port and path: a user interface, a login page or another service is listening there",
        **seen,
    )


def _page_of(front: Responder) -> str:
    if front.kind is ResponderKind.LOGIN:
        return "a login page"
    return f"a web page from {front}" if front.named else "a web page"


def unavailable(reply: Reply, wire: Wire, now: float, backend: str, rung: Rung = Rung.HTTP) -> Finding | None:
    """Return the failed finding for a 429 or 5xx of an unknown sender, with delivery's code; None for other statuses.

    `backend`: the displayed name of the expected backend.
    """
    outcome = judge_status(reply, now)
    if reply.ok or not isinstance(outcome, Throttled | Unavailable):
        return None
    front = responder_of(reply)
    sender = (
        str(front)
        if front.named
        else f"not in {backend}'s format, so from a proxy, a load balancer or a backend that is still starting"
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
        else "magictel check --wait 60s; if it persists, check the backend's log and any proxy in front of it",
        **evidence,
    )


def _gateway(reply: Reply, wire: Wire, front: Responder, rung: Rung, seen: Mapping[str, Any]) -> Finding | None:
    """Return the finding for a proxy in front of the backend that identifies itself."""
    outcome = judge_status(reply, 0.0)
    if reply.ok or not isinstance(outcome, Throttled | Unavailable):
        return None
    server = seen.get("server") or front
    words = words_of(reply)
    if isinstance(outcome, Throttled):
        message, remedy = f"{reply.status} from {server}: it throttles requests", "wait, or raise the limit there"
    elif outcome.code == "http.bad-gateway":
        message = f"{reply.status} from {server}, which cannot reach the backend behind it"
        remedy = "check the backend behind it, and the address that it forwards to"
    else:
        message = f"{reply.status} from {server}{f': {words}' if words else ''}"
        remedy = "check the logs of the backend and of the proxy in front of it"
    return Finding.failed(rung, outcome.code, message, remedy, **seen)


def explain_wire_error(
    failure: WireError,
    wire: Wire,
    rung: Rung = Rung.HTTP,
    until: float | None = None,
    meanwhile: Meanwhile[bool] | None = None,
) -> Finding:
    """Return the finding for a request without a complete reply; if several causes look similar, probe again without credentials.

    Second probes end by `until` (monotonic); `meanwhile`: one was sent while the request was unanswered. Without time left there is
    none, and the evidence `not_tried` says what it could have shown.
    """
    until = until if until is not None else _end(wire)
    evidence = dict(failure.evidence)
    untried = []
    if "proxy" not in evidence:  # a proxy's reply does not come from the port
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
                        f"{endpoint.origin} does not speak HTTP: it sent {greeting!r}",
                        "check the host and port: another service is listening there",
                        **evidence,
                    )
                if not seconds:
                    untried.append("whether the port sends data first")
        if failure.code in ("tls.handshake-timeout", "tls.closed"):
            seconds = seconds_left(until)
            line = answers_in_plaintext(endpoint, None, seconds) if seconds else ""
            if line:
                tls_fault = known_fault("tls.plaintext-server")
                return Finding.failed(
                    rung, tls_fault.code, tls_fault.message, tls_fault.remedy, **evidence | {"first_bytes": line}
                )
            if not seconds:
                untried.append("whether it answers plain HTTP")
    if untried:
        evidence["not_tried"] = f"{', '.join(untried)}: no time was left"
    return Finding(rung, Status.FAIL, failure.message, failure.code, _of_a_probe(failure), evidence)


def _of_a_probe(failure: WireError) -> str | None:
    """Return the remedy for a request that writes nothing: it cannot duplicate anything, and has no batch size."""
    if failure.code in ("net.http.read-timeout", "net.http.write-timeout"):
        return "raise --timeout, or check the load of the backend and of any proxy in front of it: the connection was accepted"
    return failure.remedy


def _tls_port(wire: Wire, rung: Rung, **evidence: object) -> Finding:
    secure = str(wire.endpoint).replace("http://", "https://", 1)
    return Finding.failed(
        rung,
        "http.tls-port",
        f"{wire.endpoint.origin} speaks TLS, but the address says http://",
        f"use {secure}",
        **evidence,
    )
