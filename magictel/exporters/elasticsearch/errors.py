"""What Elasticsearch's and OpenSearch's own error objects mean: one table for items, requests, probes and diagnoses.

The type and the status decide; a part of the reason only where the engines give nothing else (they do not for field
limits, time-series windows and missing templates, whose types are those of any bad document).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from magictel.catalogue.retry import RetryClass
from magictel.http.error_rules import BackendError, KnownError, Rule, match
from magictel.http.wire import Reply

TIME_SERIES_ID = "es.write.time-series-id"
"""Sent again at once, without ids of ours."""
_ACTION = re.compile(r"\[([a-z]+:[a-z_/\[\]*]+)\]")
_FIELD = (
    re.compile(r"failed to parse field \[(.+?)\] of type \[(.+?)\]"),
    re.compile(r"mapper \[(.+?)\] cannot be changed from type \[(.+?)\] to \[(.+?)\]"),
    re.compile(r"object mapping (?:for )?\[(.+?)\]"),
    re.compile(r"merge a non[ -]object mapping \[(.+?)\]"),
    re.compile(r"mapping for \[(.+?)\]"),
    re.compile(r"field name \[(.+?)\]"),
    re.compile(r"cannot parse array for field \[(.+?)\]"),
    re.compile(r"field=\"(.+?)\""),
    re.compile(r"field \[(.+?)\]"),
)
_TYPED = re.compile(r"failed to parse field \[.+?\] of type \[(.+?)\]")
_PARSING = frozenset({"document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"})
_DEEPEST = 20
"""Causes of causes that are read: the engines have five, a hostile answer a thousand."""


class Cause(msgspec.Struct, frozen=True):
    """An error as the engine wrote it: an object, an object whose reason is null, or a bare text."""

    type: str = ""
    reason: str = ""
    causes: tuple[Cause, ...] = ()
    limit: int | None = None
    """The breaker's limit in bytes, where it is one."""
    credentials: str = ""
    """Why credentials were refused: Elasticsearch gives it beside the reason."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The reason and those beneath it."""
        return (self.reason, *(text for cause in self.causes for text in cause.texts))

    @property
    def types(self) -> frozenset[str]:
        """The type and those beneath it."""
        return frozenset({self.type, *(kind for cause in self.causes for kind in cause.types)})

    def says(self, part: str) -> bool:
        """True where the reason, or one beneath it, holds `part`."""
        return any(part in text for text in self.texts)

    def __str__(self) -> str:
        text = f"{self.type}: {self.reason}" if self.type and self.reason else self.type or self.reason
        deeper = next((cause.reason for cause in self.causes if cause.reason and cause.reason not in text), "")
        return f"{text} ({deeper})" if deeper else text


def cause_of(error: Any, depth: int = 0) -> Cause:
    """Read what stands under `error`; anything at all gives a `Cause`. Causes below the 20th are left."""
    if isinstance(error, str):
        return Cause(reason=error)
    if not isinstance(error, Mapping):
        return Cause()
    inner = error.get("caused_by")
    limit = error.get("bytes_limit")
    return Cause(
        _text(error.get("type")),
        _text(error.get("reason")),
        (cause_of(inner, depth + 1),) if isinstance(inner, Mapping) and depth < _DEEPEST else (),
        limit if isinstance(limit, int) else None,
        _text(error.get("additional_unsuccessful_credentials")),
    )


def read(status: int, cause: Cause) -> KnownError | None:
    """Return what an error with this status means, or None: no rule knows it, and status and layer must decide."""
    return match(error_of(status, cause), RULES)


def unauthenticated(cause: Cause) -> KnownError:
    """Return why a 401: the reason is the same for every API key; the field beside it tells them apart (8.x, real engines)."""
    known = match(error_of(401, cause), _UNAUTHENTICATED)
    assert known is not None  # the last rule has no condition
    return known


def error_of(status: int, cause: Cause) -> BackendError:
    """Return the error as the rules read it."""
    beside = cause.credentials or cause.reason
    words = {
        "said": str(cause),
        "reason": cause.reason,
        "beside": beside,
        "denied": cause.reason.partition(", this action is granted")[0],
    }
    texts = (beside,) if status == 401 and cause.credentials else cause.texts
    return BackendError(status, cause.types, texts, words)


def field_of(error: BackendError | Cause) -> str | None:
    """Return the field that a mapping error is about."""
    matches = (match for pattern in _FIELD for text in error.texts if (match := pattern.search(text)))
    return next((match.group(1) for match in matches), None)


def _conflict(error: BackendError) -> str:
    """Return one sentence: the field, its type, and the engine's innermost reason (the example holds all of it)."""
    field = field_of(error)
    if field is None:
        return f"the mapping does not accept this document: {error.words['said']}"
    typed = next((match for text in error.texts if (match := _TYPED.search(text))), None)
    reasons = [text for text in error.texts[1:] if text] or [error.words["reason"]]
    return f"the field {field}{f' ({typed.group(1)})' if typed else ''} does not accept this value: {reasons[-1]}"


def _out_of_range(error: BackendError) -> str:
    field = field_of(error)
    where = f"the field {field} cannot store numbers of this size" if field else "a number is too large for its field"
    return f"{where}: {error.words['said']}"


def _mentions(error: BackendError, pattern: str | re.Pattern[str]) -> bool:
    return any(re.search(pattern, text) for text in error.texts)


def _with_words(sentence: str, error: BackendError) -> str:
    """Return the sentence with the backend's own words, if it gave any."""
    return f"{sentence}: {error.words['said']}" if error.words["said"] else sentence


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


_UNAUTHENTICATED = (
    Rule(
        "es.auth.missing",
        "no credentials were sent, and the cluster requires them",
        "set api_key, username and password, or bearer_token",
        text="(?i)missing authentication credentials",
    ),
    Rule(
        "es.auth.api-key-encoding",
        "the API key is not in a form that the cluster accepts: {beside}",
        "set the key as id:key, or to the value of its field `encoded`",
        text="(?i)illegal base64|invalid apikey value",
    ),
    Rule("es.auth.api-key-expired", "the API key has expired: {beside}", "create a new API key", text="(?i)is expired"),
    Rule(
        "es.auth.api-key-invalidated",
        "the API key was invalidated: {beside}",
        "create a new API key",
        text="(?i)invalidated",
    ),
    Rule(
        "es.auth.api-key-unknown",
        "the cluster has no API key with this id: {beside}",
        "check that the key was created on this cluster",
        text="(?i)apikey authentication for id|unable to find apikey",
    ),
    Rule(
        "es.auth.api-key-invalid",
        "the secret part of the API key is wrong: {beside}",
        "copy the key again, or create a new one: the secret is shown only once",
        text="(?i)invalid credentials for api key",
    ),
    Rule(
        "es.auth.bad-password",
        "wrong user or password: {beside}",
        "check both; bin/elasticsearch-reset-password sets a new one",
        text="(?i)unable to authenticate user",
    ),
    Rule("es.auth.refused", "the credentials were refused: {beside}", "check the credentials"),
)

_DENIED = (
    Rule(
        "es.auth.refused",
        "the credentials were refused: {beside}",
        "check the credentials",
        statuses=(401,),
        rules=_UNAUTHENTICATED,
    ),
    Rule(
        "os.authz.denied",
        "the user's roles do not allow it: {reason}",
        "map the user to a role with crud and create_index on the index",
        text=r"^no permissions for",
    ),
    Rule(
        "es.authz.auto-create",
        "the first write creates the index, and the credentials may not create it: {denied}",
        "grant auto_configure on it, or have an administrator create it first",
        text=r"\[indices:admin/(?:auto_)?create",
    ),
    Rule(
        "es.read.forbidden",
        "the credentials may not read the index: {denied}",
        "grant read on it",
        text=r"\[indices:data/read",
    ),
    Rule("es.authz.monitor", "the credentials may not read the cluster's state: {denied}", text=r"\[cluster:monitor"),
)

_BLOCKS = (
    Rule(
        "es.write.flood-stage",  # 429 since 7.7, 403 before
        "a disk is over the flood-stage watermark, and the index is read-only until there is space: {reason}",
        "free disk space or add nodes; since 7.4 the block is lifted automatically below the high watermark",
        RetryClass.SLOW,
        text=r"blocked by: \[[A-Z_]+/12/",
    ),
    Rule(
        "es.health.no-master",
        "the cluster accepts no requests: {reason}",
        retry=RetryClass.BACKOFF,
        when=lambda error: error.status == 503 or _mentions(error, r"blocked by: \[SERVICE_UNAVAILABLE/\d+/"),
    ),
    Rule(
        "es.write.blocked",  # `cluster.blocks.read_only` and `cluster.blocks.read_only_allow_delete` (ES Metadata.java)
        "the whole cluster is blocked for writing: {reason}",
        "lift it: PUT _cluster/settings with cluster.blocks.read_only (or read_only_allow_delete): null",
        RetryClass.SLOW,
        text=r"blocked by: \[[A-Z_]+/(?:6|13)/",
    ),
    Rule(
        "es.write.blocked",  # OpenSearch's `cluster.blocks.create_index`
        "no index may be created in this cluster: {reason}",
        "lift it: PUT _cluster/settings with cluster.blocks.create_index: null; Amazon sets it when disk space or memory is low",
        RetryClass.SLOW,
        text=r"blocked by: \[[A-Z_]+/10/",
    ),
)

_DOCUMENTS = (
    Rule(
        "es.write.tsdb-window",
        "the time is outside of the time-series index's window: {said}",
        when=lambda error: (
            "timestamp_error" in error.types
            or _mentions(error, r"of currently writable indices|time series index @timestamp")
        ),
    ),
    Rule(
        "es.write.tsdb-dimension",
        "the document has none of the index's dimensions: {said}",
        text=r"Error extracting routing|didn't contain any routing fields",
    ),
    Rule(
        "es.write.field-limit",
        "the index has reached its limit of fields: {said}",
        text=r"\bLimit of (?:total|mapping) \w+",
    ),
    Rule("es.write.dynamic-template", "the index has no such dynamic template: {said}", text="find dynamic template"),
    Rule(
        "es.write.long-value",
        "a text is longer than the index can store: {said}",
        when=lambda error: "max_bytes_length_exceeded_exception" in error.types or _mentions(error, "immense term"),
    ),
    Rule("es.write.pipeline", "the ingest pipeline does not exist: {said}", text="pipeline with id"),
    Rule("es.write.out-of-range", _out_of_range, text="supports only finite values|out of range"),
    Rule(
        "es.write.mapping-strict",
        "the index accepts no new fields: {said}",
        types=("strict_dynamic_mapping_exception",),
    ),
    Rule(
        "es.write.field-name",
        "an attribute's name is not a valid field name: {said}",
        text=r"field name cannot|object field starting or ending with a \[\.\]",
    ),
    Rule(
        "es.write.mapping-type",
        _conflict,
        when=lambda error: (
            not _PARSING.isdisjoint(error.types)
            or ("illegal_argument_exception" in error.types and field_of(error) is not None)
        ),
    ),
)

RULES: tuple[Rule, ...] = (
    Rule(
        "es.write.duplicate",
        "it is already stored",
        retry=RetryClass.SUCCESS,
        types=("version_conflict_engine_exception",),
    ),
    Rule(TIME_SERIES_ID, "a time-series index generates its own ids", text="_id must be unset or set to"),
    Rule(
        "es.write.blocked",
        "the index is blocked for writing: {reason}",
        "lift it: PUT INDEX/_settings with index.blocks.write: null (or read_only, whichever is set)",
        RetryClass.SLOW,
        # `[TOO_MANY_REQUESTS/12/…]`: the status and the number of a block (ES ClusterBlock.toString)
        when=lambda error: "cluster_block_exception" in error.types or _mentions(error, r"blocked by: \[[A-Z_]+/\d+/"),
        rules=_BLOCKS,
    ),
    Rule(
        "es.write.queue-full",
        "the write queue is full: {said}",
        retry=RetryClass.BACKOFF,
        types=("es_rejected_execution_exception", "rejected_execution_exception"),
    ),
    Rule(
        "es.write.breaker",
        "the node is short of memory: {said}",
        "lower max_batch_points, or give the node more heap",
        RetryClass.BACKOFF,
        types=("circuit_breaking_exception",),
    ),
    Rule(
        "es.authz.bulk",
        "the credentials may not write to the index: {denied}",
        "grant create_doc on it",
        when=lambda error: "security_exception" in error.types or (error.status == 403 and _mentions(error, _ACTION)),
        rules=_DENIED,
    ),
    Rule(
        "es.health.no-master",
        "the cluster has no elected master",
        "check discovery and the initial master nodes",
        RetryClass.BACKOFF,
        types=("master_not_discovered_exception", "not_master_exception", "cluster_manager_not_discovered_exception"),
    ),
    Rule(
        "es.write.shard-unavailable",
        "the shard is not available: {said}",
        retry=RetryClass.BACKOFF,
        types=("unavailable_shards_exception", "no_shard_available_action_exception"),
    ),
    Rule(
        "es.write.no-auto-create",
        "the index does not exist, and writing does not create it: {said}",
        types=("index_not_found_exception",),
    ),
    Rule(
        "es.write.index-closed", "the index is closed: {said}", retry=RetryClass.SLOW, types=("index_closed_exception",)
    ),
    Rule("es.write.index-name", "no index can have this name: {said}", types=("invalid_index_name_exception",)),
    Rule(
        "es.write.shard-limit",  # a validation_exception, an illegal argument inside an item
        "the write needs a new index, and the cluster has reached its limit of shards: {said}",
        "delete old indices, or raise cluster.max_shards_per_node",
        RetryClass.SLOW,
        text=r"this action would add \[\d+\] (?:\w+ )?shards",
    ),
    Rule(
        "es.write.alias",
        "the alias does not say which of its indices takes new documents: {said}",
        "set is_write_index: true on exactly one of the alias's indices",
        RetryClass.SLOW,
        text="write index is defined for|more than one write index",
    ),
    Rule(
        "es.write.pipeline",
        "the ingest pipeline fails on this document: {said}",
        when=lambda error: (
            not error.types.isdisjoint({"fail_processor_exception", "ingest_processor_exception", "script_exception"})
            or {"exception", "illegal_argument_exception"} <= error.types  # 500 before 7.5
        ),
    ),
    Rule(
        "es.client.version",
        "a media type of another major version was sent: {said}",
        types=("media_type_header_exception",),
    ),
    Rule(
        "es.health.serverless",
        "a serverless project has no such endpoint: {reason}",
        types=("api_not_available_exception",),
    ),
    Rule(
        "es.write.require-data-stream-old",
        "this version does not know require_data_stream: {said}",
        text="require_data_stream",
    ),
    Rule("es.write.content-type", "{reason}", text="Content-Type header.*is not supported"),
    Rule(
        "es.write.wrong-path",
        "there is no such endpoint at this path: {reason}",
        "remove the path from the address, unless a proxy needs it",
        when=lambda error: error.status == 405 or _mentions(error, "no handler found for uri"),
    ),
    *(replace(rule, statuses=(400, 404)) for rule in _DOCUMENTS),
)

READ_RULES: tuple[Rule, ...] = (
    Rule(
        "http.unauthorized",
        lambda error: _with_words("the credentials are rejected (401)", error),
        "check the credentials: magictel check shows which are sent",
        statuses=(401,),
    ),
    Rule(
        "es.read.forbidden",
        lambda error: _with_words("403: the stored points cannot be read", error),
        "grant read on the index",
        statuses=(403,),
    ),
    Rule("es.read.no-index", "the index cannot be found (yet): {said}", retry=RetryClass.POLL, statuses=(404,)),
    Rule(
        "es.read.unavailable",
        lambda error: _with_words(f"{error.status} to a search", error),
        retry=RetryClass.POLL,
        statuses=(408, 429, 500, 502, 503, 504),
    ),
    Rule("es.read.refused", lambda error: _with_words(f"{error.status} to a search", error)),
)


def reason_of(reply: Reply) -> str:
    """Return the engine's own reason in a reply, for people; empty without one."""
    body = reply.json()
    cause = cause_of(body.get("error") if isinstance(body, dict) else None)
    return str(cause).partition(", this action is granted")[0][:300]
