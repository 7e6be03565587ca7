"""Paths, methods and what they do."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from magictel.sandbox.elasticsearch import admin, bulk, capabilities, search
from magictel.sandbox.elasticsearch.answers import PlainRefused, Refused, illegal, reply, text_reply
from magictel.sandbox.elasticsearch.cluster import Cluster
from magictel.sandbox.elasticsearch.health import Health
from magictel.sandbox.elasticsearch.security import Caller, forbidden, has_privileges
from magictel.wire import Reply


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, decompressed and authenticated. `uri` is path and query as it came, `path` is decoded."""

    method: str
    path: str
    uri: str
    query: Mapping[str, str]
    body: bytes
    caller: Caller
    veto: bulk.Veto | None

    def json(self) -> dict[str, Any]:
        """The body's JSON object, empty without a body; raises `Refused`."""
        if not self.body.strip():
            return {}
        try:
            found = json.loads(self.body)
        except ValueError as problem:
            raise Refused(400, "parse_exception", f"Failed to parse content to map: {problem}") from None
        if not isinstance(found, dict):
            raise Refused(400, "parsing_exception", "Expected [START_OBJECT] but found [START_ARRAY]", line=1, col=1)
        return found

    @property
    def allow_missing(self) -> bool:
        """`ignore_unavailable`."""
        return self.query.get("ignore_unavailable", "false") in {"true", ""}


@dataclass(frozen=True, slots=True)
class _Context:
    cluster: Cluster
    health: Health
    secured: bool
    asked: Asked

    def cluster_action(self, action: str) -> None:
        if not self.asked.caller.may_cluster(action):
            raise forbidden(self.asked.caller, self.cluster.dialect, action)

    def index_action(self, action: str, expression: str) -> None:
        for name in (expression or "*").split(","):
            if not self.asked.caller.may_index(action, name):
                raise forbidden(self.asked.caller, self.cluster.dialect, action, name)


Handler = Callable[..., Reply]
_ROUTES: list[tuple[re.Pattern[str], str, Handler]] = []


def dispatch(cluster: Cluster, health: Health, secured: bool, asked: Asked) -> Reply:
    """Answer; raises `Refused` and `PlainRefused`."""
    context = _Context(cluster, health, secured, asked)
    allowed: list[str] = []
    for pattern, method, handler in _ROUTES:
        found = pattern.fullmatch(asked.path)
        if found is None:
            continue
        if method == asked.method or (method == "GET" and asked.method == "HEAD"):
            return handler(context, **found.groupdict())
        allowed.append(method)
    if allowed and asked.path != "/_security/_authenticate":
        text = ", ".join(dict.fromkeys(allowed))
        raise PlainRefused(
            405,
            f"Incorrect HTTP method for uri [{asked.uri}] and method [{asked.method}], allowed: [{text}]",
            headers={"allow": text},
        )
    raise no_handler(asked)


def known(path: str) -> bool:
    """True when some method does something at this path."""
    return any(pattern.fullmatch(path) for pattern, _, _ in _ROUTES)


def no_handler(asked: Asked) -> PlainRefused:
    """400 with a text for an error and no status."""
    return PlainRefused(400, f"no handler found for uri [{asked.uri}] and method [{asked.method}]", with_status=False)


def _route(methods: str, *paths: str) -> Callable[[Handler], Handler]:
    def add(handler: Handler) -> Handler:
        for path in paths:
            pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/_][^/]*|_all)", path))
            _ROUTES.extend((pattern, method, handler) for method in methods.split())
        return handler

    return add


@_route("GET DELETE HEAD", "/")
def _main(context: _Context) -> Reply:
    context.cluster_action("cluster:monitor/main")
    return reply(context.cluster.dialect, admin.main(context.cluster, serverless=context.health.serverless))


@_route("POST PUT", "/_bulk", "/{index}/_bulk")
def _bulk(context: _Context, index: str | None = None) -> Reply:
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
    items = bulk.read(cluster.dialect, asked.body, index)

    def veto(position: int, name: str) -> Refused | None:
        if not caller.may_index("indices:data/write/bulk[s]", name):
            return forbidden(caller, cluster.dialect, "indices:data/write/bulk[s]", name)
        if (
            name not in cluster.indices
            and name not in cluster.streams
            and not caller.may_index("indices:admin/auto_create", name)
        ):
            return forbidden(caller, cluster.dialect, "indices:admin/auto_create", name)
        return asked.veto(position, name) if asked.veto else None

    results = bulk.run(cluster, items, asked.query, veto)
    errors = any("error" in result for item in results for result in item.values())
    return reply(cluster.dialect, {"took": 1, "errors": errors, "items": results})


@_route("POST PUT", "/{index}/_doc/{id}", "/{index}/_create/{id}")
@_route("POST", "/{index}/_doc")
def _doc(context: _Context, index: str, id: str | None = None) -> Reply:  # noqa: A002
    cluster, asked = context.cluster, context.asked
    context.index_action("indices:data/write/bulk[s]", index)
    operation = "create" if "/_create/" in asked.path or asked.query.get("op_type") == "create" else "index"
    item = bulk.Item(operation, index, id, asked.body.replace(b"\n", b" "))
    result = bulk.run(cluster, [item], asked.query, asked.veto)[0][operation]
    if "error" in result:
        error = result["error"]
        raise Refused(result["status"], error["type"], error["reason"], error.get("caused_by"))
    return reply(cluster.dialect, {key: value for key, value in result.items() if key != "status"}, result["status"])


@_route("GET POST", "/_search", "/{index}/_search")
def _search(context: _Context, index: str = "_all") -> Reply:
    context.index_action("indices:data/read/search", index)
    asked = context.asked
    return reply(
        context.cluster.dialect,
        search.search(context.cluster, index, asked.json(), asked.query, allow_missing=asked.allow_missing),
    )


@_route("GET POST", "/_count", "/{index}/_count")
def _count(context: _Context, index: str = "_all") -> Reply:
    context.index_action("indices:data/read/search", index)
    asked = context.asked
    return reply(
        context.cluster.dialect, search.count(context.cluster, index, asked.json(), allow_missing=asked.allow_missing)
    )


@_route("GET POST", "/_field_caps", "/{index}/_field_caps")
def _field_caps(context: _Context, index: str = "_all") -> Reply:
    context.index_action("indices:data/read/field_caps", index)
    asked = context.asked
    fields = asked.query.get("fields") or ",".join(asked.json().get("fields", []))
    if not fields:
        raise Refused(400, "action_request_validation_exception", "Validation Failed: 1: no fields specified;")
    return reply(
        context.cluster.dialect,
        capabilities.field_caps(context.cluster, index, fields.split(","), allow_missing=asked.allow_missing),
    )


@_route("POST", "/{index}/_delete_by_query")
def _delete_by_query(context: _Context, index: str) -> Reply:
    context.index_action("indices:data/write/delete/byquery", index)
    body = context.asked.json()
    if not body.get("query"):
        raise Refused(400, "action_request_validation_exception", "Validation Failed: 1: query is missing;")
    deleted = 0
    for one in context.cluster.resolve(index, allow_missing=context.asked.allow_missing):
        gone = search.matching(context.cluster, one, body["query"])
        if gone:
            bulk.check_blocks(context.cluster, one)
        for document in gone:
            del one.documents[document.id]
        deleted += len(gone)
    return reply(
        context.cluster.dialect,
        {
            "took": 1, "timed_out": False, "total": deleted, "deleted": deleted, "batches": 1 if deleted else 0,
            "version_conflicts": 0, "noops": 0, "retries": {"bulk": 0, "search": 0}, "throttled_millis": 0,
            "requests_per_second": -1.0, "throttled_until_millis": 0, "failures": [],
        },
    )  # fmt: skip


@_route("GET POST", "/_refresh", "/{index}/_refresh")
def _refresh(context: _Context, index: str = "_all") -> Reply:
    context.index_action("indices:admin/refresh", index)
    indices = context.cluster.resolve(index, allow_missing=context.asked.allow_missing)
    for one in indices:
        one.refresh(context.cluster.clock.monotonic())
    return reply(
        context.cluster.dialect, {"_shards": {"total": 2 * len(indices), "successful": len(indices), "failed": 0}}
    )


@_route("GET", "/_cluster/health", "/_cluster/health/{index}")
def _health(context: _Context, index: str | None = None) -> Reply:
    context.cluster_action("cluster:monitor/health")
    context.health.check(context.asked.uri, context.asked.method)
    body = context.health.body(context.cluster)
    return reply(context.cluster.dialect, body, 408 if context.health.timed_out else 200)


@_route("GET", "/_cat/health")
def _cat_health(context: _Context) -> Reply:
    context.cluster_action("cluster:monitor/health")
    context.health.check(context.asked.uri, context.asked.method)
    epoch = int(context.cluster.clock.now())
    columns = {
        "epoch": str(epoch),
        "timestamp": time.strftime("%H:%M:%S", time.gmtime(epoch)),
        "cluster": context.cluster.name,
        "status": context.health.now(context.cluster),
    }
    chosen = {
        name: columns[name] for name in context.asked.query.get("h", ",".join(columns)).split(",") if name in columns
    }
    if context.asked.query.get("format") == "json":
        return reply(context.cluster.dialect, [chosen])
    return text_reply(context.cluster.dialect, " ".join(chosen.values()) + "\n")


@_route("GET", "/_health_report", "/_health_report/{indicator}")
def _health_report(context: _Context, indicator: str | None = None) -> Reply:
    dialect = context.cluster.dialect
    if not dialect.elastic or dialect.number < (8, 7):
        raise Refused(
            400,
            "invalid_index_name_exception",
            "Invalid index name [_health_report], must not start with '_'.",
            index_uuid="_na_",
            index="_health_report",
        )
    context.cluster_action("cluster:monitor/health_api")
    context.health.check(context.asked.uri, context.asked.method)
    return reply(dialect, context.health.report(context.cluster))


@_route("GET", "/_security/_authenticate")
def _authenticate(context: _Context) -> Reply:
    dialect, caller = context.cluster.dialect, context.asked.caller
    if not dialect.elastic:
        raise no_handler(context.asked)
    if not context.secured:
        raise PlainRefused(
            405,
            f"Incorrect HTTP method for uri [{context.asked.uri}] and method [GET], allowed: [POST]",
            headers={"allow": "POST"},
        )
    found: dict[str, Any] = {
        "username": caller.principal.owner if caller.kind == "api_key" else caller.name,
        "roles": [] if caller.kind == "api_key" else [caller.name],
        "full_name": None,
        "email": None,
        "metadata": {},
        "enabled": True,
        "authentication_realm": {
            "name": "_es_api_key" if caller.kind == "api_key" else "native1",
            "type": "_es_api_key" if caller.kind == "api_key" else "native",
        },
        "authentication_type": "api_key" if caller.kind == "api_key" else "realm",
    }
    if caller.kind == "api_key":
        found["api_key"] = {"id": caller.name, "name": caller.name}
    return reply(dialect, found)


@_route("GET POST", "/_security/user/_has_privileges")
def _has_privileges(context: _Context) -> Reply:
    if not context.cluster.dialect.elastic or not context.secured:
        raise no_handler(context.asked)
    return reply(context.cluster.dialect, has_privileges(context.asked.caller, context.asked.json()))


@_route("GET", "/_plugins/_security/authinfo")
def _authinfo(context: _Context) -> Reply:
    if context.cluster.dialect.elastic or not context.secured:
        raise no_handler(context.asked)
    name = context.asked.caller.name
    return reply(
        context.cluster.dialect,
        {"user": f"User [name={name}]", "user_name": name, "roles": [name], "backend_roles": []},
    )


@_route("GET", "/_mapping", "/{index}/_mapping")
def _mapping(context: _Context, index: str = "_all") -> Reply:
    context.index_action("indices:admin/mappings/get", index)
    return reply(
        context.cluster.dialect, admin.mappings(context.cluster, index, allow_missing=context.asked.allow_missing)
    )


@_route("GET", "/{index}/_mapping/field/(?P<pattern>[^/]+)")
def _mapping_field(context: _Context, index: str, pattern: str) -> Reply:
    context.index_action("indices:admin/mappings/get", index)
    return reply(context.cluster.dialect, admin.field_mappings(context.cluster, index, pattern))


@_route("PUT POST", "/{index}/_mapping")
def _put_mapping(context: _Context, index: str) -> Reply:
    context.index_action("indices:admin/mapping/put", index)
    return reply(context.cluster.dialect, admin.put_mapping(context.cluster, index, context.asked.json()))


@_route("GET", "/_settings", "/{index}/_settings", "/{index}/_settings/(?P<name>[^/]+)")
def _settings(context: _Context, index: str = "_all", name: str | None = None) -> Reply:
    context.index_action("indices:monitor/settings/get", index)
    query = context.asked.query
    found = admin.settings(
        context.cluster,
        index,
        defaults=query.get("include_defaults") in {"true", ""},
        flat=query.get("flat_settings") in {"true", ""},
        allow_missing=context.asked.allow_missing,
    )
    return reply(context.cluster.dialect, found)


@_route("PUT", "/_settings", "/{index}/_settings")
def _put_settings(context: _Context, index: str = "_all") -> Reply:
    context.index_action("indices:admin/settings/update", index)
    return reply(context.cluster.dialect, admin.put_settings(context.cluster, index, context.asked.json()))


@_route("PUT", "/_cluster/settings")
def _cluster_settings(context: _Context) -> Reply:
    context.cluster_action("cluster:admin/settings/update")
    body = context.asked.json()
    for group in ("persistent", "transient"):
        for name, value in body.get(group, {}).items():
            context.cluster.settings[name] = value
            if value is None:
                del context.cluster.settings[name]
    return reply(
        context.cluster.dialect,
        {"acknowledged": True, "persistent": body.get("persistent", {}), "transient": body.get("transient", {})},
    )


@_route(
    "GET",
    "/_(?P<kind>index_template|component_template|template)",
    "/_(?P<kind>index_template|component_template|template)/(?P<name>[^/]+)",
)
def _get_templates(context: _Context, kind: str, name: str | None = None) -> Reply:
    context.cluster_action("indices:admin/index_template/get")
    found = admin.get_templates(context.cluster, f"_{kind}", name)
    return reply(context.cluster.dialect, found, 404 if not found else 200)


@_route("PUT POST", "/_(?P<kind>index_template|component_template|template)/(?P<name>[^/_][^/]*)")
def _put_template(context: _Context, kind: str, name: str) -> Reply:
    context.cluster_action("indices:admin/index_template/put")
    return reply(context.cluster.dialect, admin.put_template(context.cluster, f"_{kind}", name, context.asked.json()))


@_route("DELETE", "/_(?P<kind>index_template|component_template|template)/(?P<name>[^/]+)")
def _delete_template(context: _Context, kind: str, name: str) -> Reply:
    context.cluster_action("indices:admin/index_template/put")
    return reply(context.cluster.dialect, admin.delete_template(context.cluster, f"_{kind}", name))


@_route("POST", "/_index_template/_simulate_index/(?P<name>[^/]+)")
def _simulate(context: _Context, name: str) -> Reply:
    return reply(context.cluster.dialect, admin.simulate_index(context.cluster, name))


@_route("GET", "/_data_stream", "/_data_stream/(?P<name>[^/]+)")
def _data_streams(context: _Context, name: str = "*") -> Reply:
    context.index_action("indices:admin/data_stream/get", name)
    return reply(context.cluster.dialect, admin.data_streams(context.cluster, name))


@_route("PUT", "/_data_stream/(?P<name>[^/]+)")
def _put_data_stream(context: _Context, name: str) -> Reply:
    context.index_action("indices:admin/data_stream/create", name)
    context.cluster.create_stream(name)
    return reply(context.cluster.dialect, {"acknowledged": True})


@_route("DELETE", "/_data_stream/(?P<name>[^/]+)")
def _delete_data_stream(context: _Context, name: str) -> Reply:
    context.index_action("indices:admin/data_stream/delete", name)
    context.cluster.delete_stream(name)
    return reply(context.cluster.dialect, {"acknowledged": True})


@_route("POST", "/{index}/_rollover")
def _rollover(context: _Context, index: str) -> Reply:
    context.index_action("indices:admin/create", index)
    if index not in context.cluster.streams:
        raise illegal(f"rollover target [{index}] does not exist")
    stream = context.cluster.streams[index]
    old = stream.indices[-1]
    new = context.cluster.rollover(stream)
    return reply(
        context.cluster.dialect,
        {
            "acknowledged": True,
            "shards_acknowledged": True,
            "old_index": old,
            "new_index": new,
            "rolled_over": True,
            "dry_run": False,
        },
    )


@_route("GET", "/{index}")
def _get_index(context: _Context, index: str) -> Reply:
    context.index_action("indices:admin/get", index)
    return reply(
        context.cluster.dialect, admin.get_index(context.cluster, index, allow_missing=context.asked.allow_missing)
    )


@_route("PUT", "/(?P<index>[^/]+)")
def _create_index(context: _Context, index: str) -> Reply:
    context.index_action("indices:admin/create", index)
    context.cluster.create(index, context.asked.json())
    return reply(context.cluster.dialect, {"acknowledged": True, "shards_acknowledged": True, "index": index})


@_route("DELETE", "/{index}")
def _delete_index(context: _Context, index: str) -> Reply:
    context.index_action("indices:admin/delete", index)
    context.cluster.delete(index)
    return reply(context.cluster.dialect, {"acknowledged": True})


def _check_bulk_parameters(context: _Context) -> None:
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


def _permission_check(context: _Context) -> Reply:
    dialect = context.cluster.dialect
    if dialect.number < (3, 2) or not context.secured:
        # An older engine does not know the parameter and would write: never send it there.
        raise illegal("request [/_bulk] contains unrecognized parameter: [perform_permission_check]")
    items = bulk.read(dialect, context.asked.body, None) if context.asked.body else []
    caller = context.asked.caller
    missing = [item.index for item in items if not caller.may_index("indices:data/write/bulk[s]", item.index)]
    return reply(
        dialect, {"accessAllowed": not missing, "missingPrivileges": ["indices:data/write/bulk[s]"] if missing else []}
    )
