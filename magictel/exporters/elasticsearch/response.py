"""The one place that reads a bulk reply: status and every item, into an outcome.

A 2xx alone proves nothing here, and neither does an item's: a pipeline may have dropped the document, a failure store may hold
it, another index may have it. An item without a verdict is sent again once, which its id makes harmless; if it has none then, it
is unconfirmed, never delivered. Ladder, delivery and diagnoses read replies through `judge_bulk` and `judge_item`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from magictel.catalogue.retry import RetryClass
from magictel.encoding.payload import Payload
from magictel.exporters.elasticsearch.errors import TIME_SERIES_ID, cause_of, read
from magictel.exporters.elasticsearch.places import belongs, elsewhere, is_failure_store
from magictel.http.amazon import SIGN, unsigned, unsigned_message
from magictel.http.classify import judge_status
from magictel.http.error_rules import KnownError
from magictel.http.reply_words import words_of
from magictel.http.responder import ResponderKind, responder_of
from magictel.http.wire import Reply
from magictel.model.outcome import (
    Delivered,
    ItemVerdict,
    Outcome,
    Partial,
    Rejected,
    TooLarge,
    Unavailable,
    Unconfirmed,
)
from magictel.text import clipped

FILTER = (
    "filter_path=errors,error,status,items.*.status,items.*.error,items.*.result,items.*._index,items.*.failure_store"
)
_EXAMPLE = 300
_WORDS = 2_000
_NAMES = re.compile(r"\[[^\[\]\s][^\[\]]*\]")
"""How the engines write the names in their sentences, where others' plain texts have none."""
_RETRIED_ITEMS = frozenset({429, 500, 502, 503, 504})
_VAGUE = frozenset({0, 500, 502, 504})
"""Item statuses that do not say whether the item was stored."""


_WARNINGS = re.compile(r'\b299 \S+ "((?:[^"\\]|\\.)*)"')
_OF_THE_CLUSTER = "Elasticsearch built-in security features are not enabled"
"""7.x without security says so in every response: that is no warning about what was written."""
_STORED = frozenset({"created", "updated"})
_NOT_ON_ITS_ERROR = {
    "failed": "; the data stream's failure store could not keep it either",
    "not_enabled": "; the data stream's failure store is not enabled",
}
"""What `failure_store` adds to an error (ES IndexDocFailureStoreStatus)."""


class ItemReply(msgspec.Struct):
    """The verdict of a bulk reply on one document."""

    status: int = 0
    error: Any = None
    result: str | None = None
    index: str | None = msgspec.field(name="_index", default=None)
    failure_store: str | None = None


class _Bulk(msgspec.Struct):
    items: list[dict[str, ItemReply]]
    errors: bool = True


_decode = msgspec.json.Decoder(_Bulk).decode
_decode_item = msgspec.json.Decoder(dict[str, ItemReply]).decode


def judge_bulk(
    payload: Payload,
    reply: Reply,
    now: float,
    *,
    ids: bool = True,
    opensearch: bool = False,
    index: str | None = None,
    unknown: str = "",
) -> Outcome:
    """Return the outcome of a bulk request. `ids`: the items carried ids, so a 409 means that the same point is stored.

    `opensearch`: the backend is OpenSearch, whose 401 is plain text or empty; Elasticsearch's names an error.
    `index`: where the documents were sent; None if not known (a reply from a log). `unknown`: why the dimensions are not known.
    """
    warning = _warning(reply) if "warning" in reply.headers else None
    if reply.status == 200 and _all_stored_alike(reply.body, payload.points, index):
        return Delivered(warning=warning)
    if not reply.ok:
        return _refused(payload, reply, now, opensearch)
    bulk = reply.decoded(_decode)
    if bulk is None:  # a proxy's page, a cut body, another service
        if reply.looks_like_html or responder_of(reply).kind is ResponderKind.GRPC:
            return judge_status(reply, now)
        text = repr(clipped(reply.text, _EXAMPLE)) if reply.body.strip() else "its body is empty"
        return _no_verdict(payload, f"{reply.status} without item verdicts: {text}")
    if len(bulk.items) > payload.points:
        return _no_verdict(payload, f"{len(bulk.items)} item verdicts for {payload.points} items")
    outcome = _items(payload, bulk.items, ids, index, unknown)
    return replace(outcome, warning=warning) if isinstance(outcome, Delivered) else outcome


def _warning(reply: Reply) -> ItemVerdict | None:
    """Return what the engine says beside a success (RFC 7234 Warning, code 299), or None."""
    texts = [text.replace('\\"', '"') for text in _WARNINGS.findall(reply.headers["warning"])]
    about_points = [text for text in texts if not text.startswith(_OF_THE_CLUSTER)]
    if not about_points:
        return None
    return ItemVerdict("es.write.warning", clipped(f"the backend warns: {'; '.join(about_points)}", _EXAMPLE))


def judge_item(item: ItemReply) -> KnownError | None:
    """Return the meaning of an item's verdict, or None if it was stored."""
    if 200 <= item.status < 300 and item.error is None:
        return _success(item)
    trouble = _failure(item.status, item.error)
    more = _NOT_ON_ITS_ERROR.get(item.failure_store or "", "")
    return replace(trouble, message=f"{trouble.message}{more}") if more else trouble


def _success(item: ItemReply) -> KnownError | None:
    """A success is read as closely as an error: only a new or replaced document in the index itself was stored."""
    if item.failure_store in ("used", "failed") or is_failure_store(item.index or ""):
        kept = f": {item.index}" if item.index else ""
        text = f"the document is not in the data stream but in its failure store{kept}"
        if item.failure_store == "failed":
            text = "the data stream refused the document, and its failure store could not keep it either"
        return KnownError("es.write.failure-store", text)
    if item.result == "noop":
        return KnownError("es.write.pipeline-drop", "an ingest pipeline dropped the document (its result is noop)")
    known = item.result in _STORED or (item.result is None and item.status == 201)
    if known and item.failure_store in (None, "not_applicable_or_unknown"):
        return None
    words = f"result {item.result!r}" if item.result is not None else f"status {item.status} without a result"
    if item.failure_store is not None:
        words += f", failure_store {item.failure_store!r}"
    text = f"the reply does not say that the document was stored: {clipped(words, _EXAMPLE)}"
    return KnownError("es.write.no-verdict", text, retry=RetryClass.BACKOFF)


def _failure(status: int, error: Any) -> KnownError:
    cause = cause_of(error)
    known = read(status, cause)
    if known is not None:
        return known
    text = str(cause) or "no reason given"
    if status in _RETRIED_ITEMS:
        return KnownError("es.write.server-error", f"item {status}: {text}", retry=RetryClass.BACKOFF)
    if status == 0:
        return KnownError("es.write.no-verdict", "the reply has no verdict on this item", retry=RetryClass.BACKOFF)
    if "routing_missing_exception" in cause.types:
        return KnownError("es.write.refused", f"the index wants a routing, which the option routing sets: {text}")
    return KnownError("es.write.refused", f"item {status}: {text}")


def _items(payload: Payload, items: list[dict[str, ItemReply]], ids: bool, asked: str | None, unknown: str) -> Outcome:
    rejected: dict[int, ItemVerdict] = {}
    waiting: dict[int, ItemVerdict] = {}
    unconfirmed: dict[int, ItemVerdict] = {}
    notes: dict[int, ItemVerdict] = {}
    needs_operator: list[bool] = []
    away: dict[str, ItemVerdict] = {}
    for index, operation in enumerate(items):
        item = next(iter(operation.values()), ItemReply())
        trouble = judge_item(item)
        if trouble is None:
            if item.index and asked is not None and not belongs(item.index, asked):
                notes[index] = away.setdefault(item.index, elsewhere(item.index, asked))
            continue
        vague = item.status in _VAGUE or trouble.code == "es.write.no-verdict"
        example = clipped(str(cause_of(item.error)), _EXAMPLE) or None
        verdict = ItemVerdict(trouble.code, trouble.message, example, vague)
        match trouble.retry:
            case _ if trouble.code == TIME_SERIES_ID:
                waiting[index] = verdict
                needs_operator.append(False)
            case RetryClass.SUCCESS if ids or payload.attempted:
                notes[index] = _duplicate(ids)
            case (
                RetryClass.SUCCESS
            ):  # an earlier run's, or another point of this collection that the index cannot tell apart
                unconfirmed[index] = _conflict(unknown)
            case RetryClass.BACKOFF if trouble.code == "es.write.no-verdict" and payload.attempted:
                unconfirmed[index] = verdict
            case RetryClass.BACKOFF | RetryClass.SLOW:
                waiting[index] = verdict
                needs_operator.append(trouble.retry is RetryClass.SLOW)
            case _:
                rejected[index] = verdict
    missing = ItemVerdict("es.write.no-verdict", "the reply has no verdict on this item", maybe_stored=True)
    for index in range(len(items), payload.points):
        if payload.attempted:
            unconfirmed[index] = missing
        else:
            waiting[index] = missing
            needs_operator.append(False)
    if not rejected and not waiting and not unconfirmed:
        return Delivered(notes)
    immediate = bool(waiting) and all(verdict.code == TIME_SERIES_ID for verdict in waiting.values())
    return Partial(
        rejected, waiting, notes, 0.0 if immediate else None, bool(needs_operator) and all(needs_operator), unconfirmed
    )


def _conflict(unknown: str) -> ItemVerdict:
    message = (
        "409 on a first attempt: a point with the same dimensions and time is stored, from an earlier run or another one of this "
        "collection, so this one may be lost"
    )
    if unknown:
        message += f" (points of one collection could not be compared beforehand: {unknown})"
    return ItemVerdict("es.write.duplicate", message)


def _duplicate(ids: bool) -> ItemVerdict:
    if ids:
        return ItemVerdict("es.write.duplicate", "this point is already stored: it was sent before")
    return ItemVerdict(
        "es.write.duplicate", "a point of this series and time is already stored: an earlier attempt arrived"
    )


def _refused(payload: Payload, reply: Reply, now: float, opensearch: bool) -> Outcome:
    """Return the outcome of a reply about the whole request."""
    body = reply.json()
    error = body.get("error") if isinstance(body, dict) else None
    if body is None and not reply.looks_like_html and _NAMES.search(reply.text[:_WORDS]):
        error = clipped(reply.text, _WORDS)  # the words alone, without the JSON around them
    cause = cause_of(error)
    if reply.status == 413:
        front = responder_of(reply)
        whose = (
            f"over a limit of {front}"
            if front.named
            else "over http.max_content_length, counted uncompressed, or a proxy's limit"
        )
        return TooLarge("es.write.too-large", f"413: {whose}")
    if unsigned(reply):
        return Rejected("os.aws.unsigned", f"{reply.status}: {unsigned_message(words_of(reply))}", SIGN)
    trouble = read(reply.status, cause) if error is not None else None
    if trouble is None or trouble.retry is RetryClass.SUCCESS:  # one document's conflict says nothing of a whole batch
        if opensearch and reply.status == 401 and not reply.looks_like_html:
            return Rejected(
                "os.auth.unauthorized",
                f"401: {words_of(reply) or 'no reason given'}",
                "check username and password, or bearer_token",
            )
        return judge_status(reply, now)
    if trouble.code == "es.write.breaker" and cause.limit is not None and len(payload.body) > cause.limit:
        return TooLarge("es.write.breaker", f"this request alone is over the node's memory limit: {cause}")
    return trouble.outcome(reply, now, clipped(str(cause), _EXAMPLE))


def _no_verdict(payload: Payload, why: str) -> Outcome:
    if payload.attempted:
        return Unconfirmed("es.write.no-verdict", why)
    return Unavailable("es.write.no-verdict", why, maybe_stored=True)


_HEAD = b'{"errors":false,"items":['


def _all_stored_alike(body: bytes, items: int, index: str | None) -> bool:
    """True for a reply whose items are one and the same success, byte for byte: compared as a whole, so it need not be decoded."""
    end = body.find(b"}}", len(_HEAD)) + 2
    first = body[len(_HEAD) : end]
    return _stored(first, index) and body == _repeated(first, items)


@lru_cache(maxsize=8)
def _repeated(item: bytes, items: int) -> bytes:
    return _HEAD + b",".join([item] * items) + b"]}"


@lru_cache(maxsize=8)
def _stored(written: bytes, index: str | None) -> bool:
    """True where this item alone says that its document was stored in the index."""
    try:
        operation = _decode_item(written)
    except msgspec.DecodeError:
        return False
    item = next(iter(operation.values()), ItemReply())
    return judge_item(item) is None and (not item.index or index is None or belongs(item.index, index))
