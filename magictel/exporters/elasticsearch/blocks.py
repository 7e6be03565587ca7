"""Blocks on writing to an index or the whole cluster. They are only read; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from magictel.exporters.elasticsearch.errors import Cause, cause_of, read
from magictel.http.wire import Wire
from magictel.model.finding import Finding, Rung

ClusterSettings = Mapping[str, Mapping[str, Any]]
"""The layers of the cluster's settings, nested, in order of precedence; empty if the credentials may not read them."""
_LAYERS = ("transient", "persistent", "defaults")


def cluster_settings(wire: Wire) -> ClusterSettings:
    """Return the cluster's settings that concern writing, in one request. Raises `WireError`."""
    reply = wire.get(
        "/_cluster/settings?include_defaults=true&filter_path=*.cluster.blocks.read_only*,*.action.auto_create_index"
    )
    body = reply.json()
    if reply.status != 200 or not isinstance(body, dict):
        return {}
    return {name: layer for name in _LAYERS if isinstance(layer := body.get(name), dict)}


def of_cluster(settings: ClusterSettings) -> Finding | None:
    """Return the finding for a block on the whole cluster, which no index shows, or None."""
    for name in ("read_only", "read_only_allow_delete"):
        block = f"cluster.blocks.{name}"
        if _in_force(settings, "cluster", "blocks", name, otherwise="false") == "true":
            return Finding.failed(
                Rung.WRITE,
                "es.write.blocked",
                f"the whole cluster is blocked for writing ({block})",
                f'PUT _cluster/settings {{"persistent": {{"{block}": null}}, "transient": {{"{block}": null}}}}',
                block=block,
            )
    return None


def no_auto_create(settings: ClusterSettings, index: str) -> Finding | None:
    """Return the finding if the first write would not create the index: `action.auto_create_index` is true, false, or patterns of
    which the first match counts.
    """
    rule = _in_force(settings, "action", "auto_create_index", otherwise="true")
    if rule == "true" or (rule != "false" and _first_fitting(rule, index)):
        return None
    return Finding.failed(
        Rung.WRITE,
        "es.write.no-auto-create",
        f"{index} does not exist, and writing does not create it: action.auto_create_index is {rule}",
        f"create it with PUT {index}, or choose an index that the rule allows",
        rule=rule,
    )


def of_index(wire: Wire, index: str) -> Finding | None:
    """Return the finding for a blocked or closed index, or None. Of a data stream or alias the newest index counts."""
    reply = wire.get(f"/{quote(index)}/_settings?flat_settings=true")
    body = reply.json()
    if reply.status >= 429 and isinstance(body, dict):
        return _short(reply.status, body)
    if reply.status != 200 or not isinstance(body, dict) or not body:
        return None  # not there yet, or not for these credentials to know
    name = max(body)
    settings = body[name].get("settings", {}) if isinstance(body[name], dict) else {}
    # This block remains until the index is opened again.
    if str(settings.get("index.verified_before_close", "false")).lower() == "true":
        return Finding.failed(
            Rung.WRITE, "es.write.index-closed", f"{name} is closed", f"open it: POST {name}/_open", index=name
        )
    for block in ("read_only_allow_delete", "write", "read_only"):
        if str(settings.get(f"index.blocks.{block}", "false")).lower() != "true":
            continue
        remedy = f'PUT {name}/_settings {{"index.blocks.{block}": null}}'
        evidence = {"index": name, "block": f"index.blocks.{block}"}
        if block == "read_only_allow_delete":
            return Finding.failed(
                Rung.WRITE,
                "es.write.flood-stage",
                f"{name} is read-only: a disk was over the flood-stage watermark",
                f"free disk space or add nodes; since 7.4 the block is lifted automatically, before 7.4 by: {remedy}",
                **evidence,
            )
        return Finding.failed(
            Rung.WRITE, "es.write.blocked", f"{name} is blocked for writing (index.blocks.{block})", remedy, **evidence
        )
    return None


def _short(status: int, body: Mapping[str, Any]) -> Finding | None:
    """Return the finding for an error about an index, which also prevents writing: a tripped breaker lets OpenSearch's `GET /` pass."""
    cause = cause_of(body.get("error"))
    trouble = read(status, cause) if cause != Cause() else None
    return trouble.finding(Rung.WRITE, status=status) if trouble is not None else None


def _in_force(settings: ClusterSettings, *keys: str, otherwise: str) -> str:
    """Return a setting's text in the first layer that has it."""
    for layer in settings.values():
        value: Any = layer
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            return str(value).strip().lower()  # names of indices are lower case too
    return otherwise


def _first_fitting(rule: str, index: str) -> bool:
    for pattern in (part.strip() for part in rule.split(",")):
        if fnmatchcase(index, pattern.lstrip("+-")):
            return not pattern.startswith("-")
    return False
