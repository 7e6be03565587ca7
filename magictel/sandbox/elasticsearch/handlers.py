"""The handlers of all paths: writing, reading, indices, templates, data streams, and the state of the node."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from magictel.http.wire import Reply
from magictel.sandbox.elasticsearch import bulk, search
from magictel.sandbox.elasticsearch.cluster import Cluster, nested_settings
from magictel.sandbox.elasticsearch.errors import Refused, illegal, no_such_index, reply, text_reply
from magictel.sandbox.elasticsearch.routes import Asked, dispatch, routes

ROUTES = routes()  # `/{index}` comes last: it matches every path


@ROUTES.on("GET", "/")
def _main(cluster: Cluster, asked: Asked) -> dict[str, Any]:
    elastic = cluster.dialect.elastic
    number = {"number": cluster.dialect.version}
    version: dict[str, Any] = {
        **({**number, "build_flavor": "default"} if elastic else {"distribution": "opensearch", **number}),
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


@ROUTES.on("GET", "/_cluster/health")
def _health(cluster: Cluster, asked: Asked) -> dict[str, Any]:
    """Show one node, where the replicas of every index are unassigned: yellow."""
    replicas = any(index.settings.get("index.number_of_replicas") != "0" for index in cluster.indices.values())
    shards, elastic = len(cluster.indices), cluster.dialect.elastic
    unassigned = shards if replicas else 0
    return {
        "cluster_name": cluster.name,
        "status": "yellow" if replicas else "green",
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        **({} if elastic else {"discovered_master": True, "discovered_cluster_manager": True}),
        "active_primary_shards": shards,
        "active_shards": shards,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": unassigned,
        **({"unassigned_primary_shards": 0} if elastic else {}),
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0 * shards / max(1, shards + unassigned),
    }


@ROUTES.on("GET", "/_cat/health")
def _cat_health(cluster: Cluster, asked: Asked) -> Reply:
    if asked.query.get("h") != "epoch" or "format" in asked.query:
        raise illegal("the sandbox shows [h=epoch] only")
    return text_reply(cluster.dialect, f"{int(cluster.clock.now())}\n")


@ROUTES.on("GET", "/_security/_authenticate", "/_plugins/_security/authinfo")
def _authenticate(cluster: Cluster, asked: Asked) -> Any:
    """Reply as an engine without security."""
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


@ROUTES.on("GET", "/_index_template")
def _templates(cluster: Cluster, asked: Asked) -> dict[str, Any]:
    templates = cluster.templates.index.items()
    shown = [{"name": name, "index_template": {"composed_of": [], **template}} for name, template in templates]
    return {"index_templates": shown}


@ROUTES.on("GET", "/_template")
def _legacy_templates(cluster: Cluster, asked: Asked) -> dict[str, Any]:
    return {}


@ROUTES.on("PUT POST", "/_index_template/(?P<name>[^/_][^/]*)")
def _put_template(cluster: Cluster, asked: Asked, name: str) -> dict[str, Any]:
    cluster.templates.put(name, asked.json())
    return {"acknowledged": True}


@ROUTES.on("POST", "/_index_template/_simulate_index/(?P<name>[^/]+)")
def _simulate(cluster: Cluster, asked: Asked, name: str) -> dict[str, Any]:
    """Show the settings and mapping of a new index of this name; nothing if no template matches."""
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


@ROUTES.on("PUT", "/(?P<index>[^/]+)")
def _create_index(cluster: Cluster, asked: Asked, index: str) -> dict[str, Any]:
    cluster.create(index, asked.json())
    return {"acknowledged": True, "shards_acknowledged": True, "index": index}


def answer(cluster: Cluster, asked: Asked) -> Reply:
    """Answer one request. Raise `Refused`, `PlainRefused`."""
    value = dispatch(ROUTES, cluster, asked)
    return value if isinstance(value, Reply) else reply(cluster.dialect, value)
