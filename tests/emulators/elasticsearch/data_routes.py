"""Writing and reading: `_bulk`, single documents, `_search`, `_count`, `_field_caps`, `_delete_by_query`, `_refresh`."""

from __future__ import annotations

from magictel.http.wire import Reply
from magictel.sandbox.elasticsearch.routes import routes
from tests.emulators.elasticsearch import actions, admin, bulk, field_caps, search
from tests.emulators.elasticsearch.answers import Refused, illegal
from tests.emulators.elasticsearch.cluster import Cluster
from tests.emulators.elasticsearch.context import Context
from tests.emulators.elasticsearch.security import forbidden

ROUTES = routes()
# What an operation needs beside the right to send a bulk: `create_doc` creates and never replaces.
_OPERATIONS = {
    "index": ("indices:data/write/index:op_type/index",),
    "update": ("indices:data/write/index:op_type/index",),
    "delete": ("indices:data/write/delete",),
}


_CLUSTER_BLOCKS = {
    "cluster.blocks.read_only": "FORBIDDEN/6/cluster read-only (api)",
    "cluster.blocks.read_only_allow_delete": "FORBIDDEN/13/cluster read-only / allow delete (api)",
}


@ROUTES.on("POST PUT", "/_bulk", "/{index}/_bulk")
def _bulk(context: Context, index: str | None = None) -> Reply:
    cluster, asked = context.cluster, context.asked
    _check_bulk_parameters(context)
    caller = asked.caller
    if not caller.may_somewhere("indices:data/write/bulk"):
        raise forbidden(caller, cluster.dialect, "indices:data/write/bulk", "")
    if asked.query.get("perform_permission_check") in {"true", ""} and not cluster.dialect.elastic:
        return _permission_check(context)
    if context.health.breaker:
        raise Refused(
            429,
            "circuit_breaking_exception",
            "[parent] Data too large, data for [<http_request>] would be [1025/1kb], which is larger than the limit of [1024/1kb]",
            bytes_wanted=1025,
            bytes_limit=1024,
            durability="TRANSIENT",
        )
    items = actions.read(cluster.dialect, asked.body, index)
    if items:
        _closed(cluster)

    def veto(position: int, item: actions.Item) -> Refused | None:
        return refused_item(context, item) or (asked.veto(position, item) if asked.veto else None)

    results = bulk.run(cluster, items, asked.query, veto)
    errors = any("error" in result for item in results for result in item.values())
    return context.reply({"took": 1, "errors": errors, "items": results})


@ROUTES.on("POST PUT", "/{index}/_doc/(?P<id>[^/]+)", "/{index}/_create/(?P<id>[^/]+)")
@ROUTES.on("POST", "/{index}/_doc")
def _doc(context: Context, index: str, id: str | None = None) -> Reply:  # noqa: A002
    cluster, asked = context.cluster, context.asked
    operation = "create" if "/_create/" in asked.path or asked.query.get("op_type") == "create" else "index"
    item = actions.Item(operation, index, id, asked.body.replace(b"\n", b" "))
    refused = refused_item(context, item)
    if refused is not None:
        raise refused
    result = bulk.run(cluster, [item], asked.query, asked.veto)[0][operation]
    if "error" in result:
        error = result["error"]
        raise Refused(result["status"], error["type"], error["reason"], error.get("caused_by"))
    return context.reply({key: value for key, value in result.items() if key != "status"}, result["status"])


@ROUTES.on("GET", "/{index}/_doc/(?P<id>[^/]+)")
def _get_document(context: Context, index: str, id: str) -> Reply:  # noqa: A002
    context.may_index("indices:data/read/search", index)
    document = admin.get_document(context.cluster, index, id, context.asked.query.get("routing"))
    return context.reply(document, 200 if document["found"] else 404)


@ROUTES.on("GET POST", "/_search", "/{index}/_search")
def _search(context: Context, index: str = "_all") -> Reply:
    context.may_index("indices:data/read/search", index)
    asked = context.asked
    return context.reply(
        search.search(context.cluster, index, asked.json(), asked.query, allow_missing=asked.allow_missing),
    )


@ROUTES.on("GET POST", "/_count", "/{index}/_count")
def _count(context: Context, index: str = "_all") -> Reply:
    context.may_index("indices:data/read/search", index)
    asked = context.asked
    return context.reply(search.count(context.cluster, index, asked.json(), allow_missing=asked.allow_missing))


@ROUTES.on("GET POST", "/_field_caps", "/{index}/_field_caps")
def _field_caps(context: Context, index: str = "_all") -> Reply:
    context.may_index("indices:data/read/field_caps", index)
    asked = context.asked
    fields = asked.query.get("fields") or ",".join(asked.json().get("fields", []))
    if not fields:
        raise Refused(400, "action_request_validation_exception", "Validation Failed: 1: no fields specified;")
    return context.reply(
        field_caps.field_caps(context.cluster, index, fields.split(","), allow_missing=asked.allow_missing),
    )


@ROUTES.on("POST", "/{index}/_delete_by_query")
def _delete_by_query(context: Context, index: str) -> Reply:
    context.may_index("indices:data/write/delete/byquery", index)
    body = context.asked.json()
    if not body.get("query"):
        raise Refused(400, "action_request_validation_exception", "Validation Failed: 1: query is missing;")
    deleted = 0
    for concrete in context.cluster.resolve(index, allow_missing=context.asked.allow_missing):
        gone = search.matching(context.cluster, concrete, body["query"])
        if gone:
            bulk.check_blocks(context.cluster, concrete)
        for document in gone:
            del concrete.documents[document.shard, document.id]
        deleted += len(gone)
    return context.reply(
        {
            "took": 1, "timed_out": False, "total": deleted, "deleted": deleted, "batches": 1 if deleted else 0,
            "version_conflicts": 0, "noops": 0, "retries": {"bulk": 0, "search": 0}, "throttled_millis": 0,
            "requests_per_second": -1.0, "throttled_until_millis": 0, "failures": [],
        },
    )  # fmt: skip


@ROUTES.on("GET POST", "/_refresh", "/{index}/_refresh")
def _refresh(context: Context, index: str = "_all") -> Reply:
    context.may_index("indices:admin/refresh", index)
    indices = context.cluster.resolve(index, allow_missing=context.asked.allow_missing)
    for concrete in indices:
        concrete.refresh(context.cluster.clock.monotonic())
    return context.reply({"_shards": {"total": 2 * len(indices), "successful": len(indices), "failed": 0}})


def refused_item(context: Context, item: actions.Item) -> Refused | None:
    """Why the caller may not do this one operation."""
    cluster, caller, name = context.cluster, context.asked.caller, item.index
    needed = ["indices:data/write/bulk[s]", *_OPERATIONS.get(item.operation, ())]
    if name not in cluster.indices and name not in cluster.streams and name not in cluster.aliases:
        needed.insert(0, "indices:admin/auto_create")
    for action in needed:
        if not caller.may_index(action, name):
            return forbidden(caller, cluster.dialect, action, name)
    return None


def _check_bulk_parameters(context: Context) -> None:
    dialect = context.cluster.dialect
    allowed = set(bulk.PARAMETERS)
    if dialect.elastic and dialect.number >= (8, 12):
        allowed.add("require_data_stream")
    if not dialect.elastic:
        allowed |= {"batch_size", "perform_permission_check"}
    for name in context.asked.query:
        if name not in allowed:
            near = {"refrehs": "refresh", "require_data_stream": "require_alias"}.get(name)
            hint = f" -> did you mean [{near}]?" if near else ""
            raise illegal(f"request [{context.asked.path}] contains unrecognized parameter: [{name}]{hint}")


def _permission_check(context: Context) -> Reply:
    dialect = context.cluster.dialect
    if dialect.number < (3, 2) or not context.secured:
        # An older engine does not know the parameter and would write: never send it there.
        raise illegal("request [/_bulk] contains unrecognized parameter: [perform_permission_check]")
    items = actions.read(dialect, context.asked.body, None) if context.asked.body else []
    caller = context.asked.caller
    missing = [item.index for item in items if not caller.may_index("indices:data/write/bulk[s]", item.index)]
    return context.reply(
        {"accessAllowed": not missing, "missingPrivileges": ["indices:data/write/bulk[s]"] if missing else []}
    )


def _closed(cluster: Cluster) -> None:
    """A block on the whole cluster refuses the whole request."""
    shut = [why for name, why in _CLUSTER_BLOCKS.items() if cluster.settings.get(name) == "true"]
    if shut:
        raise Refused(403, "cluster_block_exception", "".join(f"blocked by: [{why}];" for why in shut))
