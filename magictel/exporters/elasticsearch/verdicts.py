"""The one place that reads a bulk reply: status and every item, into an outcome.

A 2xx alone proves nothing here; an item without a verdict is unknown, never delivered. The ladder, delivery and later
diagnoses read replies through `judge_bulk` and `judge_item`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from magictel.amazon import SIGN, unsigned, without_echo
from magictel.exporters.elasticsearch.trouble import Class, Trouble, cause_of, read
from magictel.front import Kind, front_of, words_of
from magictel.judgement import judge_status
from magictel.outcome import Delivered, ItemVerdict, Outcome, Partial, Rejected, Throttled, TooLarge, Unavailable
from magictel.payload import Payload
from magictel.quotation import clipped
from magictel.wire import Reply

FILTER = "filter_path=errors,error,status,items.*.status,items.*.error"
_EXAMPLE = 300
_WORDS = 2_000
_NAMES = re.compile(r"\[[^\[\]\s][^\[\]]*\]")
"""How the engines write the names in their sentences, where others' plain texts have none."""
_RETRIED_ITEMS = frozenset({429, 500, 502, 503, 504})
_VAGUE = frozenset({0, 500, 502, 504})
"""Item statuses that do not say whether the item was stored."""


class _Item(msgspec.Struct):
    status: int = 0
    error: Any = None


class _Bulk(msgspec.Struct):
    items: list[dict[str, _Item]]
    errors: bool = True


_decode = msgspec.json.Decoder(_Bulk).decode


def judge_bulk(payload: Payload, reply: Reply, now: float, *, ids: bool = True, opensearch: bool = False) -> Outcome:
    """The outcome of one bulk request. `ids`: the items carried ids of ours, so a 409 is about the very same point.

    `opensearch`: it is OpenSearch that was asked, whose 401 is plain text or nothing; Elasticsearch's own names an error.
    """
    if reply.status == 200 and reply.body == _all_created(payload.points):
        return Delivered()
    if not reply.ok:
        return _refused(payload, reply, now, opensearch)
    bulk = reply.decoded(_decode)
    if bulk is None:  # a proxy's page, a cut body, another service
        if reply.looks_like_html or front_of(reply).kind is Kind.GRPC:
            return judge_status(reply, now)
        said = repr(clipped(reply.text, _EXAMPLE)) if reply.body.strip() else "its body is empty"
        return _no_verdict(f"{reply.status} without item verdicts: {said}")
    if len(bulk.items) > payload.points:
        return _no_verdict(f"{len(bulk.items)} item verdicts for {payload.points} items")
    return _items(payload, bulk.items, ids)


def judge_item(status: int, error: Any) -> Trouble | None:
    """What one item's verdict means; None: it was stored."""
    if 200 <= status < 300 and error is None:
        return None
    cause = cause_of(error)
    known = read(status, cause)
    if known is not None:
        return known
    said = str(cause) or "no reason given"
    if status in _RETRIED_ITEMS:
        return Trouble("es.write.server-error", f"item {status}: {said}", Class.BACKOFF)
    if status == 0:
        return Trouble("es.write.no-verdict", "the reply has no verdict on this item", Class.BACKOFF)
    if "routing_missing_exception" in cause.types:
        return Trouble("es.write.refused", f"the index wants a routing, which the option routing sets: {said}")
    return Trouble("es.write.refused", f"item {status}: {said}")


def _items(payload: Payload, items: list[dict[str, _Item]], ids: bool) -> Outcome:
    rejected: dict[int, ItemVerdict] = {}
    waiting: dict[int, ItemVerdict] = {}
    notes: dict[int, ItemVerdict] = {}
    human: list[bool] = []
    for index, operation in enumerate(items):
        item = next(iter(operation.values()), _Item())
        if item.error is None and 200 <= item.status < 300:
            continue
        trouble = judge_item(item.status, item.error)
        assert trouble is not None
        vague = item.status in _VAGUE
        verdict = ItemVerdict(trouble.code, trouble.message, clipped(str(cause_of(item.error)), _EXAMPLE), vague)
        match trouble.retry:
            case Class.SUCCESS:
                notes[index] = _duplicate(payload, ids)
            case Class.BACKOFF | Class.SLOW | Class.WITHOUT_ID:
                waiting[index] = verdict
                human.append(trouble.retry is Class.SLOW)
            case _:
                rejected[index] = verdict
    for index in range(len(items), payload.points):
        waiting[index] = ItemVerdict("es.write.no-verdict", "the reply has no verdict on this item", unknown=True)
        human.append(False)
    if not rejected and not waiting:
        return Delivered(notes)
    immediate = bool(waiting) and all(one.code == "es.write.time-series-id" for one in waiting.values())
    return Partial(rejected, waiting, notes, 0.0 if immediate else None, bool(human) and all(human))


def _duplicate(payload: Payload, ids: bool) -> ItemVerdict:
    if ids:
        return ItemVerdict("es.write.duplicate", "the backend held this very point already: it was sent before")
    if payload.attempted:
        return ItemVerdict(
            "es.write.duplicate", "the backend held a point of this series and time: an earlier attempt arrived"
        )
    return ItemVerdict(
        "es.write.duplicate",
        "409 on a first attempt: another point with the same dimensions and time is stored, and this one may be lost",
    )


def _refused(payload: Payload, reply: Reply, now: float, opensearch: bool) -> Outcome:
    """A reply that is about the whole request."""
    body = reply.json()
    error = body.get("error") if isinstance(body, dict) else None
    if body is None and not reply.looks_like_html and _NAMES.search(reply.text[:_WORDS]):
        error = clipped(reply.text, _WORDS)  # the words alone, without the JSON around them
    cause = cause_of(error)
    if reply.status == 413:
        front = front_of(reply)
        whose = (
            f"over a limit of {front}"
            if front.named
            else "over http.max_content_length, counted uncompressed, or a proxy's limit"
        )
        return TooLarge("es.write.too-large", f"413: {whose}")
    if unsigned(reply):
        said = without_echo(words_of(reply))
        return Rejected("os.aws.unsigned", f"{reply.status}: Amazon requires signed requests (SigV4): {said}", SIGN)
    trouble = read(reply.status, cause) if error is not None else None
    if trouble is None or trouble.retry is Class.SUCCESS:  # one document's conflict says nothing of a whole batch
        if opensearch and reply.status == 401 and not reply.looks_like_html:
            return Rejected(
                "os.auth.unauthorized", f"401: {words_of(reply) or 'no reason given'}", "check user and password"
            )
        return judge_status(reply, now)
    if trouble.code == "es.write.breaker" and cause.limit is not None and len(payload.body) > cause.limit:
        return TooLarge("es.write.breaker", f"this request alone is over the node's memory limit: {cause}")
    after = reply.retry_after(now)
    match trouble.retry:
        case Class.SLOW:
            return Throttled(trouble.code, trouble.message, after, human=True)
        case Class.BACKOFF if reply.status == 429:
            return Throttled(trouble.code, trouble.message, after)
        case Class.BACKOFF:
            return Unavailable(trouble.code, trouble.message, after)
        case _:
            return Rejected(trouble.code, trouble.message, trouble.remedy, clipped(str(cause), _EXAMPLE))


def _no_verdict(why: str) -> Unavailable:
    return Unavailable("es.write.no-verdict", why, unknown=True)


@lru_cache(maxsize=8)
def _all_created(items: int) -> bytes:
    """The reply, byte for byte, in which every item was created: compared as a whole, so it need not be decoded."""
    return b'{"errors":false,"items":[' + b",".join([b'{"create":{"status":201}}'] * items) + b"]}"
