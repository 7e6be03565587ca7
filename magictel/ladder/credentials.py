"""Findings about credentials: rejected, required, accepted, or not checked; and an empty write that tests them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from magictel.http.amazon import unsigned
from magictel.http.reply_words import words_of
from magictel.http.responder import responder_of
from magictel.http.wire import Reply, Wire
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Delivered, Outcome, Partial, Rejected, Unconfirmed

REFUSED = frozenset({401, 403})
_AUTHENTICATE = "set or correct the credentials"
_AUTHORIZE = "grant these credentials write permission, or allow this path in the proxy in front of the backend"


class SentCredentials(msgspec.Struct, frozen=True):
    """The option whose credentials are sent (empty: none are), and what to do about a 401."""

    option: str
    remedy: str


def sent_credentials(settings: Any, origins: Mapping[str, str]) -> SentCredentials:
    """Return the credentials that these settings send. `origins`: where each option's value comes from."""
    if any(name.lower() == "authorization" for name in settings.headers):
        option = "headers"  # replaces the header of any other option
    else:
        option = next(iter(settings.credentials()), "") if hasattr(settings, "credentials") else ""
    if option:
        places = dict.fromkeys(origins[key] for key in option.split(" and ") if key in origins)
        what = {"url": "the user and password in url", "headers": "Authorization in headers"}.get(option, option)
        return SentCredentials(option, f"check {what}" + (f" ({', '.join(places)})" if places else ""))
    if not hasattr(settings, "credential_options"):  # the author's own: what is sent is not known here
        return SentCredentials("", _AUTHENTICATE)
    *others, last = settings.credential_options()
    return SentCredentials("", f"set {', '.join(others)}{', or ' if others else ''}{last}")


def refused(
    reply: Reply, wire: Wire, verdict: Outcome, rung: Rung = Rung.AUTH, *, authenticate: str = _AUTHENTICATE
) -> Finding:
    """Return the failed finding for a 401 or 403, with the message of the exporter's own verdict.

    `authenticate`: the remedy for a 401 without one.
    """
    missing = reply.status == 401
    code = "http.unauthorized" if missing else "http.forbidden"
    message, remedy = f"{reply.status}: {words_of(reply)}", None
    if isinstance(verdict, Rejected):
        code, message, remedy = verdict.code, verdict.message, verdict.remedy
    return Finding.failed(
        rung,
        code,
        f"every request is rejected: {message}",
        remedy or (authenticate if missing else _AUTHORIZE),
        status=reply.status,
        answered_by=str(responder_of(reply)),
        first_bytes=wire.first_bytes(reply),
    )


def unauthorized(
    reply: Reply,
    wire: Wire,
    sent: SentCredentials,
    *,
    code: str = "http.unauthorized",
    rung: Rung = Rung.AUTH,
) -> Finding:
    """Return the failed finding for a 401 without a reason: wrong or missing credentials.

    `code`: the backend's own code; a proxy's 401 gets another.
    """
    front = responder_of(reply)
    words_in_reply = words_of(reply)
    words = f"{f' from {front}' if front.named else ''}{f': {words_in_reply}' if words_in_reply else ''}"
    return Finding.failed(
        rung,
        "http.unauthorized" if front.named else code,
        f"the credentials are rejected (401){words}" if sent.option else f"credentials are required (401){words}",
        sent.remedy,
        status=401,
        body=wire.first_bytes(reply),
    )


def named_by_others(reply: Reply) -> bool:
    """Return whether a 401 or 403 names its sender or reason: a proxy, an unsigned request, missing permissions."""
    return reply.status == 403 or unsigned(reply) or responder_of(reply).named


def accepted(wire: Wire, path: str, given: bool, rung: Rung = Rung.AUTH) -> Finding:
    """Return the passed finding for an accepted request, after repeating it without credentials if any are sent."""
    if not given:
        return Finding.passed(rung, "no credentials are set, and none are required")
    anonymous = wire.request("GET", path, credentials=False)
    if anonymous.status in REFUSED:
        return Finding.passed(rung, "the credentials are accepted, and required", without=anonymous.status)
    return Finding.passed(rung, "the credentials are accepted, but requests without them are, too")


def empty_write(
    wire: Wire,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    refusal: Callable[[Reply], Finding],
    judge: Callable[[Reply], Outcome],
) -> Finding:
    """Send a request without points, which stores nothing. `refusal`: the finding for a 401 or 403."""
    reply = wire.request("POST", path, body=body, headers=headers)
    if reply.status in REFUSED:
        return replace(refusal(reply), rung=Rung.WRITE)
    verdict = judge(reply)
    if isinstance(verdict, Delivered) and verdict.warning is not None:
        code, message = verdict.warning.code, verdict.warning.message
        return Finding.warned(
            Rung.WRITE, code, f"an empty write is accepted, with a warning: {message}", status=reply.status
        )
    if isinstance(verdict, Partial) and verdict.why is not None:
        return Finding.failed(Rung.WRITE, verdict.why.code, verdict.why.message, status=reply.status)
    if isinstance(verdict, Unconfirmed):
        return Finding.warned(
            Rung.WRITE, verdict.code, verdict.message, status=reply.status, body=wire.first_bytes(reply)
        )
    if reply.ok and not reply.looks_like_html and not isinstance(verdict, Rejected):
        return Finding.passed(Rung.WRITE, "an empty write is accepted", status=reply.status)
    return Finding.failed(
        Rung.WRITE,
        getattr(verdict, "code", "http.not-a-backend"),
        getattr(verdict, "message", f"{reply.status}"),
        getattr(verdict, "remedy", None),
        status=reply.status,
        body=wire.first_bytes(reply),
    )
