"""Classification of a reply by status, headers, structure and responder, for replies that are not backend-specific.

Shared by delivery, ladder and diagnose: replies that an exporter's own `judge` does not know are classified here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from magictel.http.amazon import SIGN, unsigned, unsigned_message, without_echo
from magictel.http.products import another_product
from magictel.http.reply_words import error_types, failure_within, own_words, words_of
from magictel.http.responder import Responder, ResponderKind, responder_of
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Outcome, Partial, Rejected, Throttled, TooLarge, Unavailable, Unconfirmed

_RETRIED = frozenset({408, 425, 499})
"""4xx about a single attempt: too slow, too early, or cancelled on the way (499: nginx, and Google for CANCELLED)."""
_THROTTLED = re.compile(
    r"throttl|too_?many_?requests|slow_?down|server_?(?:is_?)?busy|rate_?(?:limit|exceeded)|request_?limit|resource_?exhausted",
    re.IGNORECASE,
)
"""Error types that mean throttling: AWS, Azure and Google use them with other statuses than 429 as well."""
_NEVER = frozenset({501, 505, 506, 508, 510, 511})
"""5xx for requests that the server never supports."""
_PASSING = re.compile(
    r"(?:request|operation|gateway)_?timed?_?out|service_?unavailable|internal_?(?:server_?)?(?:error|failure)|try_?again|transient",
    re.IGNORECASE,
)
"""Error types that do not blame the request, under any status."""
_OVERSIZED = re.compile(
    r"\b(?:request|body|payload|message|batch|content)\b[^.]{0,80}?(?:\btoo (?:big|large|long)|exceed|larger than|over (?:the )?limit)"
    r"(?=.*\b(?:bytes|size|max)\b)|"
    r"\btoo (?:big|large|long)\b[^.]{0,20}\b(?:request|body|payload|message|batch)\b",
    re.IGNORECASE,
)
"""A message that the whole request is too large. Splitting a request with another fault ends in the same rejection, point by point."""
_AFFIRMED = re.compile(r"\W*(?:ok|accepted|success(?:ful)?|created|done|\d{3} (?:ok|accepted))\W*", re.IGNORECASE)
_DISCARDED = re.compile(
    r"\b(?:dropp(?:ed|ing)|discard(?:ed|ing|s)?|reject(?:ed|ing|s)?|ignor(?:ed|ing)|thrown away|out of (?:bounds|order)|"
    r"too (?:old|new|late)\b|too far in (?:the )?(?:future|past)|in the future|"
    r"not (?:been )?(?:stored|ingested|written|accepted|indexed|recorded|saved|persisted|processed)|"
    r"(?:failed|unable|cannot|could not) (?:to )?(?:be )?(?:store|write|ingest|append|parse|accept|process)|"
    r"(?:exceed(?:s|ed|ing)?|over|reached) .{0,40}\b(?:limits?|quota)|(?:limit|quota)\b.{0,20}\b(?:exceeded|reached)|"
    r"duplicate (?:sample|timestamp)|invalid (?:sample|label|metric|series|point)|retention (?:period|policy|window))",
    re.IGNORECASE,
)
"""Phrases of a success that discarded data: the receivers' own rejections, which some send with 200 and 202."""
_NOTHING_LOST = re.compile(
    r"\b(?:no|not|none|nothing|0|zero|without)\b[^.;,]{0,25}\b(?:dropped|discarded|rejected|ignored)|"
    r"\b(?:dropped|discarded|rejected|ignored)\W{0,3}(?:0|none)\b",
    re.IGNORECASE,
)
_NO_LOGIN = "use an address that accepts API credentials, or exempt this path from the login"
_LET_PASS = "set the credentials that it needs, allow this path there, or use the backend's own address"
_GATEWAY = frozenset({502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530, 561})
"""Statuses by which a proxy, a load balancer or Cloudflare (52x, 530) reports a failure of the backend behind it."""
_UNKNOWN = frozenset({499, 500, 502, 504, 520, 524, 598, 599})
_ABOUT_THE_REQUEST = frozenset({400, 401, 404, 405, 406, 407, 408, 410, 411, 413, 414, 415, 422, 425, 431})
_CODES = {
    401: "http.unauthorized",
    403: "http.forbidden",
    404: "http.not-found",
    405: "http.method",
    407: "http.proxy.auth",
    511: "http.not-a-backend",
}


def plain_success(reply: Reply) -> bool:
    """Return whether a success looks like that of most APIs: no body, JSON, or a word such as OK."""
    return not reply.body.strip() or reply.json() is not None or _AFFIRMED.fullmatch(reply.text[:100]) is not None


def judge_status(
    reply: Reply, now: float, own_products: Collection[str] = (), confirms: Callable[[Reply], bool] = plain_success
) -> Outcome:
    """Return the outcome from status, headers, content type and responder, for replies without item results.

    5xx are retried except permanent ones (501, 505 and similar); 4xx are not, unless they name a time to wait.
    A 2xx delivers if the backend `confirms` it. It is rejected if it is a web page, comes from a gRPC service or another product
    (not in `own_products`, see `magictel.http.products`), reports a failure in its JSON, or says that data was discarded; otherwise
    it is unconfirmed.
    """
    status = reply.status
    front = responder_of(reply)
    words = words_of(reply)
    example = " ".join(reply.text[:200].split())
    lead = f"{status} from {front}" if front.named else str(status)
    message = f"{lead}: {words}" if words else f"{status} with an empty body{f' from {front}' if front.named else ''}"
    if 200 <= status < 300:
        return _judge_success(reply, now, front, words, example, own_products, confirms)
    if 300 <= status < 400:
        where = reply.headers.get("location", "an unnamed address")
        page = " (a login page)" if front.kind is ResponderKind.LOGIN else ""
        remedy = _NO_LOGIN if front.kind is ResponderKind.LOGIN else None
        return Rejected(
            "http.redirect", f"{status}: redirected to {where}{page}; redirects are not followed", remedy, example
        )
    if not 200 <= status < 600:
        return Rejected("http.unknown-status", f"{message}: not a valid HTTP status", None, example)
    connection = own_words(reply)
    if connection is not None:
        return Rejected(connection, message, None, example)
    if unsigned(reply):
        return Rejected("http.aws.unsigned", f"{status}: {unsigned_message(words)}", SIGN, without_echo(example))
    product = another_product(reply, own_products) if status in _ABOUT_THE_REQUEST else None
    if product is not None:
        return Rejected("http.other-product", f"{message} (the server is {product}, another product)", None, example)
    after = _told_to_wait(reply, now)
    if status == 413 or (status in (400, 422) and _OVERSIZED.search(words)):
        limit = f"{lead}: the request body exceeds a limit of the backend or of a proxy in front of it"
        return TooLarge("http.too-large", limit if status == 413 else f"{limit}: {words}")
    waits = after is not None and 400 <= status < 500 and status not in _ABOUT_THE_REQUEST
    typed = error_types(reply) if status in (400, 403, 409) else ""
    waits = waits or _THROTTLED.search(typed) is not None
    if status in (420, 429, 509) or waits:
        return Throttled("http.throttled", f"{lead}: throttled{': ' + words if words else ''}", after)
    if status in _RETRIED or _PASSING.search(typed) or (status >= 500 and status not in _NEVER):
        # In these cases the backend may have stored everything and answered too late, or its reply was lost.
        unknown = status in _UNKNOWN
        if status in _GATEWAY and front.named:
            return Unavailable("http.bad-gateway", f"{message} (not the backend itself)", after, unknown)
        return Unavailable("http.server-error" if status >= 500 else "http.timeout", message, after, unknown)
    remedy = None
    if status in (401, 403, 511) and front.named and front.kind is not ResponderKind.GRPC:
        remedy = (
            _NO_LOGIN
            if front.kind is ResponderKind.LOGIN
            else f"{front.product or front.kind} rejects it before it reaches the backend: {_LET_PASS}"
        )
    return Rejected(_CODES.get(status, "http.refused"), message, remedy, example)


def by_status_alone(outcome: Outcome, reply: Reply) -> bool:
    """Return whether an error reply got this outcome for its status, and not for what it says: throttling, a TLS port, another product."""
    return getattr(outcome, "code", None) == getattr(judge_status(Reply(reply.status), 0.0), "code", None)


def _judge_success(
    reply: Reply,
    now: float,
    front: Responder,
    words: str,
    example: str,
    own_products: Collection[str],
    confirms: Callable[[Reply], bool],
) -> Outcome:
    if reply.looks_like_html and reply.status != 204:  # Flask calls an empty 204 text/html
        what = "a login page" if front.kind is ResponderKind.LOGIN else "a web page"
        remedy = _NO_LOGIN if front.kind is ResponderKind.LOGIN else None
        message = f"{reply.status} with {what}: the response is not the backend's"
        return Rejected("http.not-a-backend", message, remedy, example)
    if front.kind is ResponderKind.GRPC:
        return Rejected(
            "http.grpc-port",
            f"{reply.status} from {front}: {words or 'it speaks gRPC'}; it does not answer plain HTTP",
            None,
            example,
        )
    within = failure_within(reply)
    if within is None:
        return _confirmed(reply, words, example, own_products, confirms)
    inner = judge_status(Reply(within, reply.headers, reply.body), now)
    assert not isinstance(inner, Delivered | Partial | Unconfirmed)
    return replace(inner, message=f"{reply.status}, but its body reports a failure: {inner.message}")


def _confirmed(
    reply: Reply, words: str, example: str, own_products: Collection[str], confirms: Callable[[Reply], bool]
) -> Outcome:
    product = another_product(reply, own_products)
    if product is not None:
        message = f"{reply.status} from {product}, which is another product"
        return Rejected("http.other-product", message, None, example)
    if discards(reply):
        return Rejected(
            "http.discarded", f"{reply.status}, but it says that data was discarded: {words}", None, example
        )
    if not confirms(reply):
        text = words or "an empty body"
        return Unconfirmed(
            "http.unconfirmed",
            f"{reply.status}, but not in the form of the backend's response to a write: {text}",
            example,
        )
    return Delivered()


def discards(reply: Reply) -> bool:
    """Return whether a success says that data was discarded: `out of bounds`, `sample dropped`, `quota exceeded`."""
    if not reply.body.strip() or reply.looks_like_html:
        return False
    words = words_of(reply)
    structured = reply.json() is not None and words.lstrip()[:1] in ("{", "[")  # names of fields, not a sentence
    return not structured and _DISCARDED.search(words) is not None and not _NOTHING_LOST.search(words)


def _told_to_wait(reply: Reply, now: float) -> float | None:
    """Return seconds from Retry-After, rate-limit headers (seconds left, or the Unix time of the end), or google.rpc.RetryInfo."""
    after = reply.retry_after(now)
    if after is not None:
        return after
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        with contextlib.suppress(ValueError):
            milliseconds = float(reply.headers.get(name, ""))
            if 0 <= milliseconds < 1e9:
                return milliseconds / 1000
    if reply.status not in (420, 429, 503):
        return None
    for name in ("ratelimit-reset", "x-ratelimit-reset-after", "x-ratelimit-reset", "x-rate-limit-reset"):
        with contextlib.suppress(ValueError):
            number = float(reply.headers.get(name, ""))
            if number >= 0 and number < 1e14:
                seconds = number if number < 1e9 else (number / 1000 if number > 1e12 else number) - now
                return max(0.0, seconds)
    return next(_retry_delays(reply.json()), None)


def _retry_delays(value: Any) -> Iterator[float]:
    """Return `retryDelay` from the details of a gRPC status in JSON: seconds followed by `s` (protobuf's Duration)."""
    for source in (value, value.get("error") if isinstance(value, Mapping) else None):
        details = source.get("details") if isinstance(source, Mapping) else None
        for detail in details if isinstance(details, list) else ():
            delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
            if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?s", delay):
                yield float(delay[:-1])
