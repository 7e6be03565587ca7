"""What a probe finds about credentials: refused, required, accepted, or never looked at; and an empty write that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from magictel.http.amazon import unsigned
from magictel.http.reply_words import words_of
from magictel.http.responder import responder_of
from magictel.http.wire import Reply, Wire
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Outcome, Rejected

REFUSED = frozenset({401, 403})
_AUTHENTICATE = "set the credentials, or correct the ones that are set"
_AUTHORIZE = "grant these credentials the right to write, or let what is in front of the backend pass this path"


def refused(reply: Reply, wire: Wire, verdict: Outcome, rung: Rung = Rung.AUTH) -> Finding:
    """Return the failed finding for a 401 or 403, in the words of the exporter's own verdict on it."""
    missing = reply.status == 401
    code = "http.unauthorized" if missing else "http.forbidden"
    message, remedy = f"{reply.status}: {words_of(reply)}", None
    if isinstance(verdict, Rejected):
        code, message, remedy = verdict.code, verdict.message, verdict.remedy
    return Finding.failed(
        rung,
        code,
        f"every request is refused: {message}",
        remedy or (_AUTHENTICATE if missing else _AUTHORIZE),
        status=reply.status,
        answered_by=str(responder_of(reply)),
        first_bytes=wire.first_bytes(reply),
    )


def unauthorized(
    reply: Reply,
    wire: Wire,
    given: bool,
    options: str,
    *,
    code: str = "http.unauthorized",
    rung: Rung = Rung.AUTH,
) -> Finding:
    """Return the failed finding for a 401 whose reason the backend does not give: wrong credentials, or none.

    `given`: credentials are sent. `options`: those that set them. `code`: the backend's own, which a proxy's 401 does not get.
    """
    front = responder_of(reply)
    said = words_of(reply)
    words = f"{f' from {front}' if front.named else ''}{f': {said}' if said else ''}"
    return Finding.failed(
        rung,
        "http.unauthorized" if front.named else code,
        f"the credentials are refused (401){words}" if given else f"credentials are required (401){words}",
        f"check {options}" if given else f"set {options}",
        status=401,
        body=wire.first_bytes(reply),
    )


def named_by_others(reply: Reply) -> bool:
    """True for a 401 or 403 that says who refuses or why: a proxy, an unsigned request, missing rights."""
    return reply.status == 403 or unsigned(reply) or responder_of(reply).named


def accepted(wire: Wire, path: str, given: bool, rung: Rung = Rung.AUTH) -> Finding:
    """Return the passed finding for a path that did not refuse us: it is asked once more without the credentials, if any are sent."""
    if not given:
        return Finding.passed(rung, "no credentials are set, and none are asked for")
    anonymous = wire.request("GET", path, credentials=False)
    if anonymous.status in REFUSED:
        return Finding.passed(rung, "the credentials are taken, and asked for", without=anonymous.status)
    return Finding.passed(rung, "the credentials are not refused; without them we are not either")


def empty_write(
    wire: Wire,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    refusal: Callable[[Reply], Finding],
    judge: Callable[[Reply], Outcome],
) -> Finding:
    """Send a request without points, which goes the whole way and stores nothing. `refusal`: the finding for a 401 or 403."""
    reply = wire.request("POST", path, body=body, headers=headers)
    if reply.ok and not reply.looks_like_html:
        return Finding.passed(Rung.WRITE, f"an empty write is taken ({reply.status})", status=reply.status)
    if reply.status in REFUSED:
        return replace(refusal(reply), rung=Rung.WRITE)
    verdict = judge(reply)
    return Finding.failed(
        Rung.WRITE,
        getattr(verdict, "code", "http.not-a-backend"),
        getattr(verdict, "message", f"{reply.status}"),
        getattr(verdict, "remedy", None),
        status=reply.status,
        body=wire.first_bytes(reply),
    )
