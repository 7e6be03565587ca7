"""The handlers of all paths: writing, reading, indices, templates, data streams, and the node's own state."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from typing import Any

from magictel.http.wire import Reply
from magictel.sandbox.elasticsearch import bulk, search
from magictel.sandbox.elasticsearch.cluster import Cluster, nested_settings
from magictel.sandbox.elasticsearch.errors import Refused, illegal, no_such_index, reply, text_reply
from magictel.sandbox.elasticsearch.routes import Asked, dispatch, routes

ROUTES = routes()  # an index's own name comes last: `/{index}` would take everything


@ROUTES.on("GET", "/")
def _main(cluster: Cluster, asked: Asked) -> dict[str, Any]:
    elastic = cluster.dialect.elastic
    version: dict[str, Any] = {} if elastic else {"distribution": "opensearch"}
    version["number"] = cluster.dialect.version
    if elastic:
        version["build_flavor"] = "default"
    version |= {
        "build_type": "docker",
        "build_hash": "0" * 40,
        "build_date": "2025-01-01T00:00:00.000000000Z",
        "build_snapshot": False,
        "lucene_version": "9.12.2" if elastic else "9.12.3",
        "minimum_wire_compatibility_version": "7.17.0",
        "minimum_index_compatibility_version": "7.0.0",
    }
    return {
        "name": "sandbox",
        "cluster_name": cluster.name,
        "cluster_uuid": cluster.uuid,
        "version": version,
        "tagline": "You Know, for Search" if elastic else "The OpenSearch Project: https://opensearch.org/",
    }


@ROUTES.on("GET", "/_cluster/health", "/_cluster/health/{index}")
def _health(cluster: Cluster, asked: Asked, index: str | None = None) -> dict[str, Any]:
    """One node: the replicas of every index are unassigned, which makes it yellow."""
    shards = len(cluster.indices)
    lost = shards if _status(cluster) == "yellow" else 0
    elastic = cluster.dialect.elastic
    return {
        "cluster_name": cluster.name,
        "status": _status(cluster),
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        **({} if elastic else {"discovered_master": True, "discovered_cluster_manager": True}),
        "active_primary_shards": shards,
        "active_shards": shards,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": lost,
        **({"unassigned_primary_shards": 0} if elastic else {}),
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0 * shards / max(1, shards + lost),
    }


def _status(cluster: Cluster) -> str:
    replicas = [str(index.settings.get("index.number_of_replicas", "1")) for index in cluster.indices.values()]
    return "yellow" if any(number != "0" for number in replicas) else "green"


@ROUTES.on("GET", "/_cat/health")
def _cat_health(cluster: Cluster, asked: Asked) -> Any:
    epoch = int(cluster.clock.now())
    columns = {
        "epoch": str(epoch),
        "timestamp": time.strftime("%H:%M:%S", time.gmtime(epoch)),
        "cluster": cluster.name,
        "status": _status(cluster),
    }
    wanted = asked.query.get("h", ",".join(columns)).split(",")
    chosen = {name: columns[name] for name in wanted if name in columns}
    if asked.query.get("format") == "json":
        return [chosen]
    return text_reply(cluster.dialect, " ".join(chosen.values()) + "\n")


@ROUTES.on("GET", "/_security/_authenticate", "/_plugins/_security/authinfo")
def _authenticate(cluster: Cluster, asked: Asked) -> Any:
    """Security is off: what an engine without it says."""
    if cluster.dialect.elastic and asked.path == "/_security/_authenticate":
        raise asked.wrong_method(["POST"])
    raise asked.no_handler()


@ROUTES.on("GET", "/_cluster/settings")
def _cluster_settings(cluster: Cluster, asked: Asked) -> dict[str, Any]:
    settings: dict[str, Any] = {"persistent": {}, "transient": {}}
    if asked.flag("include_defaults"):
        unset = {"action.auto_create_index": "true", "cluster.name": cluster.name}
        unset |= {f"cluster.blocks.{name}": "false" for name in ("read_only", "read_only_allow_delete")}
        settings["defaults"] = nested_settings(unset)
    return settings


@ROUTES.on("POST PUT", "/_bulk", "/{index}/_bulk")
def _bulk(cluster: Cluster, asked: Asked, index: str | None = None) -> dict[str, Any]:
    bulk.check_parameters(asked.path, asked.query)
    results = bulk.run(cluster, bulk.read(cluster.dialect, asked.body, index), asked.query, asked.veto)
    errors = any("error" in result for item in results for result in item.values())
    return {"took": 1, "errors": errors, "items": results}


@ROUTES.on("GET POST", "/_search", "/{index}/_search")
def _search(cluster: Cluster, asked: Asked, index: str = "_all") -> dict[str, Any]:
    missing = asked.flag("ignore_unavailable")
    return search.search(cluster, index, asked.json(), asked.query, allow_missing=missing)


@ROUTES.on("GET POST", "/_count", "/{index}/_count")
def _count(cluster: Cluster, asked: Asked, index: str = "_all") -> dict[str, Any]:
    return search.count(cluster, index, asked.json(), allow_missing=asked.flag("ignore_unavailable"))


@ROUTES.on("GET POST", "/_field_caps", "/{index}/_field_caps")
def _field_caps(cluster: Cluster, asked: Asked, index: str = "_all") -> dict[str, Any]:
    fields = asked.query.get("fields") or ",".join(asked.json().get("fields", ()))
    if not fields:
        raise Refused(400, "action_request_validation_exception", "Validation Failed: 1: no fields specified;")
    return search.field_caps(cluster, index, fields.split(","), allow_missing=asked.flag("ignore_unavailable"))


@ROUTES.on("POST", "/{index}/_delete_by_query")
def _delete_by_query(cluster: Cluster, asked: Asked, index: str) -> dict[str, Any]:
    query = asked.json().get("query")
    if not query:
        raise Refused(400, "action_request_validation_exception", "Validation Failed: 1: query is missing;")
    deleted = 0
    for target in cluster.resolve(index):
        for document in search.matching(cluster, target, query):
            del target.documents[document.id]
            deleted += 1
    return {
        "took": 1, "timed_out": False, "total": deleted, "deleted": deleted, "batches": 1 if deleted else 0,
        "version_conflicts": 0, "noops": 0, "retries": {"bulk": 0, "search": 0}, "throttled_millis": 0,
        "requests_per_second": -1.0, "throttled_until_millis": 0, "failures": [],
    }  # fmt: skip


@ROUTES.on("GET POST", "/_refresh", "/{index}/_refresh")
def _refresh(cluster: Cluster, asked: Asked, index: str = "_all") -> dict[str, Any]:
    indices = cluster.resolve(index)
    for target in indices:
        target.refresh(cluster.clock.monotonic())
    return {"_shards": {"total": 2 * len(indices), "successful": len(indices), "failed": 0}}


@ROUTES.on("GET", "/_mapping", "/{index}/_mapping")
def _mapping(cluster: Cluster, asked: Asked, index: str = "_all") -> dict[str, Any]:
    indices = cluster.resolve(index, allow_missing=asked.flag("ignore_unavailable"))
    return {target.name: {"mappings": target.mapping.json()} for target in indices}


@ROUTES.on("GET", "/_settings", "/{index}/_settings", "/{index}/_settings/(?P<name>[^/]+)")
def _settings(cluster: Cluster, asked: Asked, index: str = "_all", name: str | None = None) -> dict[str, Any]:
    unset = {"index.refresh_interval": "1s", "index.mapping.total_fields.limit": "1000"}
    if cluster.dialect.elastic:
        unset["index.mode"] = "standard"

    def chosen(settings: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in settings.items() if fnmatchcase(key, name or "*")}
        return kept if asked.flag("flat_settings") else nested_settings(kept)

    shown: dict[str, Any] = {}
    for target in cluster.resolve(index, allow_missing=asked.flag("ignore_unavailable")):
        index_settings = target.shown_settings()
        if asked.flag("include_defaults"):
            defaults = {key: value for key, value in unset.items() if key not in index_settings}
            shown[target.name] = {"settings": chosen(index_settings), "defaults": chosen(defaults)}
        elif chosen(index_settings):
            shown[target.name] = {"settings": chosen(index_settings)}
    return shown


@ROUTES.on("GET", "/_index_template", "/_index_template/(?P<name>[^/]+)")
def _templates(cluster: Cluster, asked: Asked, name: str = "*") -> dict[str, Any]:
    names = [template for template in cluster.templates.index if fnmatchcase(template, name)]
    if not names and "*" not in name:
        raise Refused(404, "resource_not_found_exception", f"index template matching [{name}] not found")
    return {
        "index_templates": [
            {"name": template, "index_template": {"composed_of": [], **cluster.templates.index[template]}}
            for template in names
        ]
    }


@ROUTES.on("GET", "/_template")
def _legacy_templates(cluster: Cluster, asked: Asked) -> dict[str, Any]:
    return {}


@ROUTES.on("PUT POST", "/_index_template/(?P<name>[^/_][^/]*)")
def _put_template(cluster: Cluster, asked: Asked, name: str) -> dict[str, Any]:
    cluster.templates.put(name, asked.json())
    return {"acknowledged": True}


@ROUTES.on("POST", "/_index_template/_simulate_index/(?P<name>[^/]+)")
def _simulate(cluster: Cluster, asked: Asked, name: str) -> dict[str, Any]:
    """Show what an index of this name would start from: nothing where no template matches."""
    if cluster.templates.matching(name) is None:
        return {}
    settings, mappings = cluster.templates.compose(name)
    template = {"settings": nested_settings(settings), "mappings": mappings, "aliases": {}}
    return {"template": template, "overlapping": []}


@ROUTES.on("GET", "/_data_stream", "/_data_stream/(?P<name>[^/]+)")
def _data_streams(cluster: Cluster, asked: Asked, name: str = "*") -> dict[str, Any]:
    streams = [stream for stream in cluster.streams.values() if fnmatchcase(stream.name, name)]
    if not streams and "*" not in name:
        missing = no_such_index(name)
        if cluster.dialect.elastic:
            missing.more = {"index_uuid": "_na_", "index": name}
        raise missing
    return {
        "data_streams": [
            {
                "name": stream.name,
                "timestamp_field": {"name": "@timestamp"},
                "indices": [
                    {"index_name": index, "index_uuid": cluster.indices[index].uuid} for index in stream.indices
                ],
                "generation": len(stream.indices),
                "status": "YELLOW",
                "template": stream.template,
            }
            for stream in streams
        ]
    }


@ROUTES.on("POST", "/{index}/_rollover")
def _roll_over(cluster: Cluster, asked: Asked, index: str) -> dict[str, Any]:
    if index not in cluster.streams:
        raise illegal(f"rollover target [{index}] does not exist")
    old = cluster.streams[index].indices[-1]
    new = cluster.roll_over(cluster.streams[index])
    done = {"acknowledged": True, "shards_acknowledged": True, "rolled_over": True, "dry_run": False}
    return {**done, "old_index": old, "new_index": new}


@ROUTES.on("GET", "/{index}")
def _get_index(cluster: Cluster, asked: Asked, index: str) -> dict[str, Any]:
    return {
        target.name: {
            "aliases": {},
            "mappings": target.mapping.json(),
            "settings": nested_settings(target.shown_settings()),
            **({"data_stream": target.stream} if target.stream is not None else {}),
        }
        for target in cluster.resolve(index, allow_missing=asked.flag("ignore_unavailable"))
    }


@ROUTES.on("PUT", "/(?P<index>[^/]+)")
def _create_index(cluster: Cluster, asked: Asked, index: str) -> dict[str, Any]:
    cluster.create(index, asked.json())
    return {"acknowledged": True, "shards_acknowledged": True, "index": index}


def answer(cluster: Cluster, asked: Asked) -> Reply:
    """Answer one request; raises `Refused`, `PlainRefused`."""
    value = dispatch(ROUTES, cluster, asked)
    return value if isinstance(value, Reply) else reply(cluster.dialect, value)
