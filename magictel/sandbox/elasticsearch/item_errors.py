"""Item errors of scripted faults, and the engine's bodies for refusals of a whole write."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from magictel.sandbox.elasticsearch.bulk import Item, Veto
from magictel.sandbox.elasticsearch.errors import Dialect, Refused

ITEM_ERRORS: Mapping[str, tuple[int, str]] = {
    "es_rejected_execution_exception": (
        429,
        "rejected execution of TimedRunnable on EsThreadPoolExecutor[name = node/write, queue capacity = 10000]",
    ),
    "circuit_breaking_exception": (
        429,
        "[parent] Data too large, data for [<http_request>] would be [1025/1kb], which is larger than the limit of [1024/1kb]",
    ),
    "unavailable_shards_exception": (
        503,
        "[{index}][0] primary shard is not active Timeout: [1m], request: [BulkShardRequest [[{index}][0]] containing [1] requests]",
    ),
    "cluster_block_exception": (
        429,
        (
            "index [{index}] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, "
            "index has read-only-allow-delete block];"
        ),
    ),
    "document_parsing_exception": (
        400,
        "[1:99] failed to parse field [value] of type [long] in document with id 'x'. Preview of field's value: 'y'",
    ),
    "security_exception": (
        403,
        (
            "action [indices:data/write/bulk[s]] is unauthorized for API key id [AAAA] of user [elastic] on indices [{index}], "
            "this action is granted by the index privileges [create_doc,create,index,write,all]"
        ),
    ),
    "index_not_found_exception": (
        404,
        "no such index [{index}] and [action.auto_create_index] ([.*,metrics-*]) doesn't match",
    ),
    "timestamp_error": (
        400,
        (
            "the document timestamp [2020-01-01T00:00:00.000Z] is outside of ranges of currently writable indices "
            "[[2026-01-01T00:00:00.000Z,2026-01-01T04:00:00.000Z]]"
        ),
    ),
}
_WHOLE: Mapping[int, tuple[str, str | None]] = {
    400: ("illegal_argument_exception", "a scripted fault of the sandbox refuses this request"),
    408: ("timeout_exception", "request timed out"),
    429: ("es_rejected_execution_exception", ITEM_ERRORS["es_rejected_execution_exception"][1]),
    500: ("exception", "a scripted fault of the sandbox"),
    503: ("cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];"),
}


def share_veto(dialect: Dialect, share: float, item_error: str, turn: int) -> Veto:
    """Refuse evenly spread items, always the first; `mixed` uses the kinds in turn and starts with another one each time."""
    kinds = list(ITEM_ERRORS) if item_error == "mixed" else [item_error]
    cycle = itertools.cycle(kinds[turn % len(kinds) :] + kinds[: turn % len(kinds)])

    def veto(position: int, item: Item) -> Refused | None:
        if position and int(position * share) == int((position - 1) * share):
            return None
        kind = next(cycle)
        status, reason = ITEM_ERRORS[kind]
        if kind == "document_parsing_exception":
            kind = dialect.document_error
            reason = reason if dialect.at("") else reason.removeprefix("[1:99] ")
        return Refused(status, kind, reason.replace("{index}", item.index))

    return veto


def refusal_body(status: int) -> dict[str, Any] | None:
    """Return the body of the refusal of a whole write; None for a status that only proxies send."""
    if status not in _WHOLE:
        return None
    kind, reason = _WHOLE[status]
    return Refused(status, kind, reason).body()
