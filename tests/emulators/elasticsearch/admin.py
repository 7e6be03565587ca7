"""Settings, mappings, templates, data streams: the API around writing and reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.elasticsearch.answers import Refused, illegal, no_such_index
from tests.emulators.elasticsearch.cluster import Cluster
from tests.emulators.elasticsearch.fields import Field
from tests.emulators.elasticsearch.index import Index, duration
from tests.emulators.elasticsearch.mapping import IndexMapping
from tests.emulators.elasticsearch.templates import flat_settings, merged_mappings, nested_settings

_LUCENE = {7: "8.11.3", 8: "9.12.2", 9: "10.3.1"}


def main(cluster: Cluster, *, serverless: bool) -> dict[str, Any]:
    """`GET /`."""
    dialect = cluster.dialect
    version: dict[str, Any] = {} if dialect.elastic else {"distribution": "opensearch"}
    version["number"] = dialect.version
    if dialect.elastic:
        version["build_flavor"] = "serverless" if serverless else "default"
    version.update(
        {
            "build_type": "docker",
            "build_hash": "0" * 40,
            "build_date": "2025-01-01T00:00:00.000000000Z",
            "build_snapshot": False,
            "lucene_version": _LUCENE.get(dialect.number[0], "10.3.1") if dialect.elastic else "9.12.3",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        }
    )
    tagline = "You Know, for Search" if dialect.elastic else "The OpenSearch Project: https://opensearch.org/"
    return {
        "name": "sandbox",
        "cluster_name": cluster.name,
        "cluster_uuid": cluster.uuid,
        "version": version,
        "tagline": tagline,
    }


def mappings(cluster: Cluster, expression: str, *, allow_missing: bool) -> dict[str, Any]:
    """`_mapping`."""
    return {
        index.name: {"mappings": index.mapping.json()}
        for index in cluster.resolve(expression, allow_missing=allow_missing)
    }


def field_mappings(cluster: Cluster, expression: str, pattern: str) -> dict[str, Any]:
    """`_mapping/field/PATTERN`."""
    by_index: dict[str, Any] = {}
    for index in cluster.resolve(expression):
        by_index[index.name] = {
            "mappings": {
                path: {"full_name": path, "mapping": {path.rsplit(".", 1)[-1]: leaf.json()}}
                for path, leaf in index.mapping.flat.items()
                if isinstance(leaf, Field) and any(fnmatchcase(path, part) for part in pattern.split(","))
            }
        }
    return by_index


def put_mapping(cluster: Cluster, expression: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """`PUT _mapping`."""
    for index in cluster.resolve(expression):
        trial = index.mapping.copy()
        trial.merge(body)
        index.mapping.merge(body)
    return {"acknowledged": True}


def settings(
    cluster: Cluster, expression: str, names: str = "*", *, defaults: bool, flat: bool, allow_missing: bool
) -> dict[str, Any]:
    """`_settings`, all or those whose names match; with `defaults` also the ones that nobody set."""
    unset = {"index.refresh_interval": "1s", "index.mapping.total_fields.limit": "1000"}
    if cluster.dialect.modern:
        unset["index.mode"] = "standard"
    by_index: dict[str, Any] = {}

    def chosen(given: Mapping[str, Any]) -> dict[str, Any]:
        kept = {
            name: value for name, value in given.items() if any(fnmatchcase(name, part) for part in names.split(","))
        }
        return kept if flat else nested_settings(kept)

    for index in cluster.resolve(expression, allow_missing=allow_missing):
        shown = _shown_settings(cluster, index)
        kept = chosen(shown)
        if kept or defaults:
            by_index[index.name] = {"settings": kept}
        if defaults:
            by_index[index.name]["defaults"] = chosen(
                {name: value for name, value in unset.items() if name not in shown}
            )
    return by_index


def put_settings(cluster: Cluster, expression: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """`PUT _settings`; None takes a setting back."""
    changes = flat_settings(body.get("settings", body))
    cluster.check_settings(changes)
    if changes.get("index.refresh_interval") is not None:
        duration(str(changes["index.refresh_interval"]))
    for index in cluster.resolve(expression):
        for name, value in changes.items():
            if value is None:
                index.settings.pop(name, None)
            else:
                index.settings[name] = value
        index.parser = None
    return {"acknowledged": True}


def get_index(cluster: Cluster, expression: str, *, allow_missing: bool) -> dict[str, Any]:
    """`GET /INDEX`."""
    by_index: dict[str, Any] = {}
    for index in cluster.resolve(expression, allow_missing=allow_missing):
        by_index[index.name] = {
            "aliases": {alias: {} for alias, names in cluster.aliases.items() if index.name in names},
            "mappings": index.mapping.json(),
            "settings": nested_settings(_shown_settings(cluster, index)),
        }
        if index.stream is not None:
            by_index[index.name]["data_stream"] = index.stream
    return by_index


def data_streams(cluster: Cluster, expression: str) -> dict[str, Any]:
    """`GET _data_stream`."""
    patterns = expression.split(",")
    streams = [
        stream for name, stream in cluster.streams.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
    for pattern in patterns:
        if "*" not in pattern and pattern not in cluster.streams:
            missing = no_such_index(pattern)
            if cluster.dialect.elastic:
                missing.more = {"index_uuid": "_na_", "index": pattern}
            raise missing
    return {
        "data_streams": [
            {
                "name": stream.name,
                "timestamp_field": {"name": "@timestamp"},
                "indices": [{"index_name": name, "index_uuid": cluster.indices[name].uuid} for name in stream.indices],
                "generation": stream.generation,
                "status": "YELLOW",
                "template": stream.template,
                **({"time_series": {}} if cluster.indices[stream.indices[-1]].series is not None else {}),
            }
            for stream in streams
        ]
    }


def get_templates(cluster: Cluster, kind: str, pattern: str | None) -> dict[str, Any]:
    """`GET _index_template`, `_component_template`, `_template`."""
    templates = _templates(cluster, kind)
    names = [
        name for name in templates if pattern is None or any(fnmatchcase(name, part) for part in pattern.split(","))
    ]
    if kind == "_template":
        return {name: templates[name] for name in names}
    if not names and pattern is not None and "*" not in pattern:
        noun = "index template" if kind == "_index_template" else "component template"
        raise Refused(404, "resource_not_found_exception", f"{noun} matching [{pattern}] not found")
    key = kind.strip("_")
    return {f"{key}s": [{"name": name, key: _shown_template(templates[name])} for name in names]}


def put_template(cluster: Cluster, kind: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """`PUT _index_template`, `_component_template`, `_template`."""
    if kind == "_index_template":
        trial = dict(cluster.templates.index)
        cluster.templates.put_index(name, body)
        try:
            _, layers = cluster.templates.composed(cluster.templates.index[name])
            IndexMapping(cluster.dialect, merged_mappings(layers))
        except Refused as refusal:
            cluster.templates.index = trial
            raise _invalid_template(name, refusal) from None
    elif kind == "_component_template":
        cluster.templates.component[name] = dict(body)
    else:
        patterns = body.get("index_patterns", [])
        cluster.templates.legacy[name] = {
            "order": int(body.get("order", 0)),
            "index_patterns": patterns if isinstance(patterns, list) else [patterns],
            "settings": nested_settings(flat_settings(body.get("settings", {}))),
            "mappings": body.get("mappings", {}),
            "aliases": body.get("aliases", {}),
        }
    return {"acknowledged": True}


def delete_template(cluster: Cluster, kind: str, pattern: str) -> dict[str, Any]:
    """`DELETE _index_template`, `_component_template`, `_template`."""
    templates = _templates(cluster, kind)
    names = [name for name in templates if any(fnmatchcase(name, part) for part in pattern.split(","))]
    if not names and "*" not in pattern:
        if kind == "_component_template" and cluster.dialect.elastic:
            raise Refused(404, "resource_not_found_exception", pattern)
        raise Refused(404, "index_template_missing_exception", f"index_template [{pattern}] missing")
    for name in names:
        using = sorted(stream.name for stream in cluster.streams.values() if stream.template == name)
        if kind == "_index_template" and using:
            raise illegal(
                f"unable to remove composable templates [{name}] as they are in use by a data streams [{', '.join(using)}]"
            )
        del templates[name]
    return {"acknowledged": True}


def simulate_index(cluster: Cluster, name: str) -> dict[str, Any]:
    """`POST _index_template/_simulate_index/NAME`: nothing where no template matches."""
    if cluster.templates.matching(name) is None:
        return {}
    simulated, layers = cluster.templates.compose(name)
    template = {"settings": nested_settings(simulated), "mappings": merged_mappings(layers), "aliases": {}}
    return {"template": template, "overlapping": []}


def cluster_settings(cluster: Cluster, *, defaults: bool) -> dict[str, Any]:
    """`GET _cluster/settings`."""
    shown: dict[str, Any] = {"persistent": nested_settings(cluster.settings), "transient": {}}
    if defaults:
        blocks = {f"cluster.blocks.{block}": "false" for block in ("read_only", "read_only_allow_delete")}
        unset = {"action.auto_create_index": "true", "cluster.name": cluster.name, **blocks}
        shown["defaults"] = nested_settings(
            {name: value for name, value in unset.items() if name not in cluster.settings}
        )
    return shown


def get_document(cluster: Cluster, name: str, doc_id: str, routing: str | None = None) -> dict[str, Any]:
    """`GET /INDEX/_doc/ID`: in real time, visible or not; on the shard that the routing chooses."""
    try:
        indices = cluster.resolve(name)
    except Refused as refused:
        if not cluster.dialect.modern:
            refused.more = {**refused.more, "resource.type": "index_expression"}
        raise
    for index in indices:
        if routing is None and index.requires_routing:
            raise index.routing_missing(doc_id)
        document = index.documents.get(index.place(doc_id, routing))
        if document is not None:
            return {
                "_index": index.name,
                **({"_type": "_doc"} if cluster.dialect.typed else {}),
                "_id": doc_id,
                "_version": document.version,
                "_seq_no": document.seq_no,
                "_primary_term": 1,
                **({"_routing": document.routing} if document.routing is not None else {}),
                "found": True,
                "_source": json.loads(document.source),
            }
    typed = {"_type": "_doc"} if cluster.dialect.typed else {}
    return {"_index": name, **typed, "_id": doc_id, "found": False}


def _invalid_template(name: str, refusal: Refused) -> Refused:
    inner = {
        "type": "illegal_argument_exception",
        "reason": f"invalid composite mappings for [{name}]",
        "caused_by": refusal.error(),
    }
    reason = f"composable template [{name}] template after composition is invalid"
    return Refused(400, "illegal_argument_exception", reason, inner)


def _templates(cluster: Cluster, kind: str) -> dict[str, dict[str, Any]]:
    templates = {"_index_template": cluster.templates.index, "_component_template": cluster.templates.component}
    return templates.get(kind, cluster.templates.legacy)


def _shown_template(template: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = dict(template)
    if "index_patterns" in shown:
        shown.setdefault("composed_of", [])
    inner = dict(shown.get("template", {}))
    if inner.get("settings"):
        inner["settings"] = nested_settings(flat_settings(inner["settings"]))
    if "template" in shown:
        shown["template"] = inner
    return shown


def _shown_settings(cluster: Cluster, index: Index) -> dict[str, Any]:
    return {
        "index.number_of_shards": "1",
        "index.number_of_replicas": "1",
        "index.provided_name": index.name,
        "index.creation_date": str(int(index.created * 1000)),
        "index.uuid": index.uuid,
        **index.settings,
    }
