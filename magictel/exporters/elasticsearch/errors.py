"""What Elasticsearch's and OpenSearch's own error objects mean: one reading for items, requests, probes and diagnoses.

The type and the status decide; a substring of the reason only where the engines give nothing else (they do not for field
limits, time-series windows and missing templates, whose types are those of any bad document).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_BLOCK = re.compile(r"blocked by: \[([A-Z_]+)/(\d+)/")
"""`[TOO_MANY_REQUESTS/12/…]`: the status and the number of a cluster block (ES ClusterBlock.toString)."""
_FLOOD_STAGE = "12"
_WHOLE_CLUSTER = frozenset({"6", "13"})
"""`cluster.blocks.read_only` and `cluster.blocks.read_only_allow_delete` (ES Metadata.java)."""
_NEW_INDICES = "10"
"""OpenSearch's `cluster.blocks.create_index`."""
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
_PROCESSORS = frozenset({"fail_processor_exception", "ingest_processor_exception", "script_exception"})
_SHARDS = re.compile(r"this action would add \[\d+\] (?:\w+ )?shards")
_LIMIT = re.compile(r"\bLimit of (?:total|mapping) \w+")
_PARSING = frozenset({"document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"})


_DEEPEST = 20
"""Causes of causes that are read: the engines have five, a hostile answer a thousand."""


class Class(StrEnum):
    """What a sender does about it (the catalogue's retry classes)."""

    NO = "no"
    BACKOFF = "backoff"
    SLOW = "slow"
    SPLIT = "split"
    SUCCESS = "treat-as-success"
    WITHOUT_ID = "without-id"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A stable code, a sentence, what to do about it, and what a sender does."""

    code: str
    message: str
    retry: Class = Class.NO
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """An error as the engine wrote it: an object, an object whose reason is null, or a bare text."""

    type: str = ""
    reason: str = ""
    causes: tuple[Cause, ...] = ()
    limit: int | None = None
    """The breaker's limit in bytes, where it is one."""
    credentials: str = ""
    """Why credentials were refused: Elasticsearch tells it beside the reason."""

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
        said = f"{self.type}: {self.reason}" if self.type and self.reason else self.type or self.reason
        deeper = next((cause.reason for cause in self.causes if cause.reason and cause.reason not in said), "")
        return f"{said} ({deeper})" if deeper else said


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


def read(status: int, cause: Cause) -> Trouble | None:
    """What an error with this status means, or None: it is in no row, and status and layer must tell."""
    said = str(cause)
    kinds = cause.types
    if "version_conflict_engine_exception" in kinds:
        return Trouble("es.write.duplicate", "the backend held it already", Class.SUCCESS)
    if cause.says("_id must be unset or set to"):
        return Trouble("es.write.time-series-id", "a time-series index makes its own ids", Class.WITHOUT_ID)
    if "cluster_block_exception" in kinds or any(_BLOCK.search(text) for text in cause.texts):
        return _blocked(status, cause)
    if "es_rejected_execution_exception" in kinds or "rejected_execution_exception" in kinds:
        return Trouble("es.write.queue-full", f"the write queue is full: {said}", Class.BACKOFF)
    if "circuit_breaking_exception" in kinds:
        return Trouble(
            "es.write.breaker",
            f"the node is short of memory: {said}",
            Class.BACKOFF,
            "lower max_batch_points, or give the node more heap",
        )
    if "security_exception" in kinds or (status == 403 and any(_ACTION.search(text) for text in cause.texts)):
        return _denied(status, cause)
    if {"master_not_discovered_exception", "not_master_exception", "cluster_manager_not_discovered_exception"} & kinds:
        return Trouble(
            "es.health.no-master",
            "the cluster has no elected master",
            Class.BACKOFF,
            "check discovery and the initial master nodes",
        )
    if "unavailable_shards_exception" in kinds or "no_shard_available_action_exception" in kinds:
        return Trouble("es.write.shard-unavailable", f"the shard is not there: {said}", Class.BACKOFF)
    if "index_not_found_exception" in kinds:
        return Trouble("es.write.no-auto-create", f"the index does not exist and is not made by writing: {said}")
    if "index_closed_exception" in kinds:
        return Trouble("es.write.index-closed", f"the index is closed: {said}", Class.SLOW)
    if "invalid_index_name_exception" in kinds:
        return Trouble("es.write.index-name", f"no index can have this name: {said}")
    if any(_SHARDS.search(text) for text in cause.texts):  # a validation_exception, an illegal argument inside an item
        return Trouble(
            "es.write.shard-limit",
            f"the write needs a new index, and the cluster has as many shards as it may: {said}",
            Class.SLOW,
            "delete old indices, or raise cluster.max_shards_per_node",
        )
    if cause.says("write index is defined for") or cause.says("more than one write index"):
        return Trouble(
            "es.write.alias",
            f"the alias does not say which of its indices takes new documents: {said}",
            Class.SLOW,
            "set is_write_index: true on exactly one of the alias's indices",
        )
    if _PROCESSORS & kinds or (cause.type == "exception" and "illegal_argument_exception" in kinds):  # 500 before 7.5
        return Trouble("es.write.pipeline", f"the ingest pipeline fails on this document: {said}")
    if "media_type_header_exception" in kinds:
        return Trouble("es.client.version", f"a media type of another major version was sent: {said}")
    if "api_not_available_exception" in kinds:
        return Trouble("es.health.serverless", f"a serverless project has no such end point: {cause.reason}")
    if cause.says("require_data_stream"):
        return Trouble("es.write.require-data-stream-old", f"this version does not know require_data_stream: {said}")
    if "Content-Type header" in cause.reason and "is not supported" in cause.reason:
        return Trouble("es.write.content-type", cause.reason)
    if "no handler found for uri" in cause.reason or status == 405:
        return Trouble(
            "es.write.wrong-path",
            f"there is no such end point at this path: {cause.reason}",
            remedy="write the address without a path, unless a proxy wants one",
        )
    return _document(status, cause) if status in (400, 404) else None


def field_of(cause: Cause) -> str | None:
    """The field that a mapping error is about."""
    for pattern in _FIELD:
        for text in cause.texts:
            found = pattern.search(text)
            if found:
                return found.group(1)
    return None


def _document(status: int, cause: Cause) -> Trouble | None:
    said = str(cause)
    kinds = cause.types
    if (
        "timestamp_error" in kinds
        or cause.says("of currently writable indices")
        or cause.says("time series index @timestamp")
    ):
        return Trouble("es.write.tsdb-window", f"the time is outside of the time-series index's window: {said}")
    if cause.says("Error extracting routing") or cause.says("didn't contain any routing fields"):
        return Trouble("es.write.tsdb-dimension", f"the document has none of the index's dimensions: {said}")
    if any(_LIMIT.search(text) for text in cause.texts):
        return Trouble("es.write.field-limit", f"the index has as many fields as it may: {said}")
    if cause.says("find dynamic template"):
        return Trouble("es.write.dynamic-template", f"the index has no such template: {said}")
    if cause.says("immense term") or "max_bytes_length_exceeded_exception" in kinds:
        return Trouble("es.write.long-value", f"a text is longer than the index can hold: {said}")
    if cause.says("pipeline with id"):
        return Trouble("es.write.pipeline", f"the ingest pipeline is not there: {said}")
    field = field_of(cause)
    if cause.says("supports only finite values") or cause.says("out of range"):
        where = (
            f"the field {field} does not hold numbers of this size" if field else "a number is too large for its field"
        )
        return Trouble("es.write.out-of-range", f"{where}: {said}")
    if "strict_dynamic_mapping_exception" in kinds:
        return Trouble("es.write.mapping-strict", f"the index takes no new fields: {said}")
    if cause.says("field name cannot") or cause.says("object field starting or ending with a [.]"):
        return Trouble("es.write.field-name", f"an attribute's name cannot be a field's: {said}")
    if _PARSING & kinds or (field and "illegal_argument_exception" in kinds):
        return Trouble("es.write.mapping-type", _conflict(field, cause))
    return None


def _conflict(field: str | None, cause: Cause) -> str:
    """One sentence: the field, its type, and what the engine says at the bottom of it (the example holds all of it)."""
    if field is None:
        return f"the mapping does not take this document: {cause}"
    typed = next((found for text in cause.texts if (found := _TYPED.search(text))), None)
    told = [text for text in cause.texts[1:] if text] or [cause.reason]
    return f"the field {field}{f' ({typed.group(1)})' if typed else ''} does not take this value: {told[-1]}"


def _blocked(status: int, cause: Cause) -> Trouble:
    found = next((match for text in cause.texts if (match := _BLOCK.search(text))), None)
    number = found.group(2) if found else ""
    if number == _FLOOD_STAGE:  # 429 since 7.7, 403 before
        return Trouble(
            "es.write.flood-stage",
            f"a disk is over the flood-stage watermark, the index is read-only until there is room: {cause.reason}",
            Class.SLOW,
            "free disk or add nodes; since 7.4 the block goes by itself below the high watermark",
        )
    if status == 503 or (found and found.group(1) == "SERVICE_UNAVAILABLE"):
        return Trouble("es.health.no-master", f"the cluster takes no requests: {cause.reason}", Class.BACKOFF)
    if number in _WHOLE_CLUSTER:
        return Trouble(
            "es.write.blocked",
            f"the whole cluster is blocked for writing: {cause.reason}",
            Class.SLOW,
            "lift it: PUT _cluster/settings with cluster.blocks.read_only (or read_only_allow_delete): null",
        )
    if number == _NEW_INDICES:
        return Trouble(
            "es.write.blocked",
            f"no index may be made in this cluster: {cause.reason}",
            Class.SLOW,
            "lift it: PUT _cluster/settings with cluster.blocks.create_index: null; Amazon sets it where disk or memory is short",
        )
    return Trouble(
        "es.write.blocked",
        f"the index is blocked for writing: {cause.reason}",
        Class.SLOW,
        "lift it: PUT INDEX/_settings with index.blocks.write: null (or read_only, as it is named)",
    )


def _denied(status: int, cause: Cause) -> Trouble:
    """A security exception: who may not do what. 401 is about who, 403 about what."""
    if status == 401:
        return unauthenticated(cause)
    if cause.reason.startswith("no permissions for"):
        return Trouble(
            "os.authz.denied",
            f"the user's roles do not allow it: {cause.reason}",
            remedy="map the user to a role with crud and create_index on the index",
        )
    said = cause.reason.partition(", this action is granted")[0]
    action = next(iter(_ACTION.findall(cause.reason)), "")
    if action.startswith(("indices:admin/auto_create", "indices:admin/create")):
        return Trouble(
            "es.authz.auto-create",
            f"the first write makes the index, and the credentials may not: {said}",
            remedy="grant auto_configure on it, or have somebody make it beforehand",
        )
    if action.startswith("indices:data/read"):
        return Trouble(
            "es.read.forbidden", f"the credentials may not read the index: {said}", remedy="grant read on it"
        )
    if action.startswith("cluster:monitor"):
        return Trouble("es.authz.monitor", f"the credentials may not read the cluster's state: {said}")
    return Trouble(
        "es.authz.bulk",
        f"the credentials may not write to the index: {said}",
        remedy="grant create_doc on it",
    )


def unauthenticated(cause: Cause) -> Trouble:
    """Why a 401: the reason alone is the same for every API key; the field beside it tells them apart (8.x, real engines)."""
    beside = cause.credentials or cause.reason
    told = beside.lower()
    if "missing authentication credentials" in told:
        return Trouble("es.auth.missing", "no credentials were sent, and the cluster wants some",
                       remedy="set api_key, or username and password")  # fmt: skip
    if "illegal base64" in told or "invalid apikey value" in told:
        return Trouble("es.auth.api-key-encoding", f"the API key is not in the form the cluster reads: {beside}",
                       remedy="give the key as id:key, or its field `encoded`")  # fmt: skip
    if "is expired" in told:
        return Trouble("es.auth.api-key-expired", f"the API key has expired: {beside}", remedy="make a new API key")
    if "invalidated" in told:
        return Trouble(
            "es.auth.api-key-invalidated", f"the API key was invalidated: {beside}", remedy="make a new API key"
        )
    if "apikey authentication for id" in told or "unable to find apikey" in told:
        return Trouble("es.auth.api-key-unknown", f"the cluster knows no API key of this id: {beside}",
                       remedy="check that the key was made on this cluster")  # fmt: skip
    if "invalid credentials for api key" in told:
        return Trouble("es.auth.api-key-invalid", f"the API key's secret half is wrong: {beside}",
                       remedy="copy the key again; it is shown once, when it is made")  # fmt: skip
    if "unable to authenticate user" in told:
        return Trouble("es.auth.bad-password", f"wrong user or password: {beside}",
                       remedy="check both; bin/elasticsearch-reset-password sets a new one")  # fmt: skip
    return Trouble("es.auth.refused", f"the credentials were refused: {beside}", remedy="check the credentials")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
