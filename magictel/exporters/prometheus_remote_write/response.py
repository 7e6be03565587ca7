"""The only reader of replies to a remote write: returns an outcome by the tables of `errors`, the text of a 2xx, or the status.

What 2.0 adds, the counts of what was written, is in `written`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace

import msgspec

from magictel.encoding.payload import Payload
from magictel.exporters.prometheus_remote_write.errors import RULES
from magictel.exporters.prometheus_remote_write.scan import counts, native_items
from magictel.exporters.prometheus_remote_write.written import COUNT, judge_written, uncounted, unsent_natives
from magictel.http.classify import discards, judge_status
from magictel.http.error_rules import BackendError, KnownError, match
from magictel.http.wire import Reply
from magictel.model.outcome import ItemVerdict, Outcome, Partial
from magictel.promql.victoriametrics import is_victoriametrics
from magictel.text import clipped

_TAKEN = frozenset({200, 201, 202, 204})
ONLY_VERSION_2 = ItemVerdict(
    "prom.rw.exponential", "the receiver understands remote write 1.0 only, which has no native histograms"
)
"""The verdict on a native histogram that would have to be sent by 1.0."""
_MIMIR = re.compile(r"\berr-(?:mimir|cortex)-([a-z0-9-]+)")


def judge(payload: Payload, reply: Reply, now: float, products: Collection[str]) -> Outcome:
    """Return the outcome of one write. `products`: the names that `magictel.http.products` has for the backend."""
    if payload.form == "2.0":
        return judge_written(
            payload,
            reply,
            lambda line: known_error(line, reply.status),
            lambda: _judge(payload, uncounted(reply), now, products),
        )
    native = dict.fromkeys(native_items(payload.runs), ONLY_VERSION_2)
    return unsent_natives(_judge(payload, reply, now, products), native, payload.points)


def _judge(payload: Payload, reply: Reply, now: float, products: Collection[str]) -> Outcome:
    known = refusal(reply) or discarded(reply, lambda: counts(payload.body).samples)
    if known is None:
        return judge_status(reply, now, products, empty)
    example = " ".join(reply.text[:200].split())
    refused = counts(payload.body).samples - known.written if known.written else 0
    if refused > 0:  # of a histogram's samples it may be several that are refused
        return Partial(unnamed=min(refused, payload.points), why=ItemVerdict(known.code, known.message, example))
    if known.isolate and example and example not in known.message:
        known = msgspec.structs.replace(known, message=f"{known.message}: {example}")
    return known.outcome(reply, now, example)


def unverified_code(reply: Reply) -> str | None:
    """Return the code of what a 2xx leaves open, or None."""
    body = reply.json()
    data = body.get("data") if isinstance(body, dict) else None
    if isinstance(data, dict) and data.get("result") == []:
        return "vm.read.latency"
    if reply.body.strip():
        return None
    return "vm.loss.labels" if is_victoriametrics(reply) else "prom.rw.loss-labels"


def refusal(reply: Reply) -> KnownError | None:
    """Return what a refusal means, or None: then status and headers must do."""
    if reply.ok or reply.looks_like_html:
        return None
    text = " ".join(reply.text[:2000].split())
    mimir = _MIMIR.search(text)
    if mimir is not None and reply.status >= 500:  # a limit of one of its instances: the very same may be taken later
        return None
    written = reply.headers.get("x-prometheus-remote-write-samples-written")
    if mimir is None and reply.status == 400 and written is not None:
        message = f"only {written} samples were accepted{': ' + clipped(text, 200) if text else ''}"
        return KnownError("prom.rw.partial", message, written=int(written) if COUNT.fullmatch(written) else 0)
    return known_error(text, reply.status)


def known_error(text: str, status: int) -> KnownError | None:
    """Return what the sentence of a reply means, by the rules."""
    mimir = _MIMIR.search(text)
    shown = clipped(text, 200)
    words = {"said": shown}
    if mimir is not None:
        words |= {"id": mimir[0], "named": shown if mimir[0] in shown else f"{mimir[0]}: {shown}"}
    known = match(BackendError(status, texts=(text,), words=words), RULES)
    return None if known is None else msgspec.structs.replace(known, message=f"{status}: {known.message}")


def empty(reply: Reply) -> bool:
    """True for a success as receivers word it: no body, under 200 (Mimir, Thanos), 202 (Cortex) or 204 (Prometheus, VictoriaMetrics)."""
    return reply.status in _TAKEN and not reply.body.strip()


def discarded(reply: Reply, sent: Callable[[], int]) -> KnownError | None:
    """Return what a 2xx means that took less than all: in a receiver's own words, or by the counts of its Written headers.

    `sent` counts the samples of the request.
    """
    if not reply.ok or reply.looks_like_html:
        return None
    known = known_error(" ".join(reply.text[:2000].split()), reply.status)
    if known is not None:
        return known
    written = [reply.headers.get(f"x-prometheus-remote-write-{kind}-written", "") for kind in ("samples", "histograms")]
    counts = [int(count) for count in written if COUNT.fullmatch(count)]
    if counts and sum(counts) < sent():
        message = f"{reply.status}, and only {sum(counts)} samples were accepted"
        return KnownError("prom.rw.partial", message, isolate=bool(sum(counts)))
    return refusal(replace(reply, status=400)) if discards(reply) else None
