"""How the node and its cluster are, and who asks: `/`, health, `_cat/health`, `_security`."""

from __future__ import annotations

import time
from typing import Any

from magictel.http.wire import Reply
from magictel.sandbox.elasticsearch.routes import routes
from tests.emulators.elasticsearch import admin
from tests.emulators.elasticsearch.answers import PlainRefused, Refused, text_reply
from tests.emulators.elasticsearch.context import Context
from tests.emulators.elasticsearch.security import has_privileges

ROUTES = routes()


@ROUTES.on("GET DELETE HEAD", "/")
def _main(context: Context) -> Reply:
    context.may_cluster("cluster:monitor/main")
    return context.reply(admin.main(context.cluster, serverless=context.health.serverless))


@ROUTES.on("GET", "/_cluster/health", "/_cluster/health/{index}")
def _health(context: Context, index: str | None = None) -> Reply:
    context.may_cluster("cluster:monitor/health")
    context.health.check(context.asked.uri, context.asked.method)
    body = context.health.body(context.cluster)
    return context.reply(body, 408 if context.health.timed_out else 200)


@ROUTES.on("GET", "/_cat/health")
def _cat_health(context: Context) -> Reply:
    context.may_cluster("cluster:monitor/health")
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
        return context.reply([chosen])
    return text_reply(context.cluster.dialect, " ".join(chosen.values()) + "\n")


@ROUTES.on("GET", "/_health_report", "/_health_report/(?P<indicator>[^/]+)")
def _health_report(context: Context, indicator: str | None = None) -> Reply:
    dialect = context.cluster.dialect
    if not dialect.elastic or dialect.number < (8, 7):
        raise Refused(
            400,
            "invalid_index_name_exception",
            "Invalid index name [_health_report], must not start with '_'.",
            index_uuid="_na_",
            index="_health_report",
        )
    context.may_cluster("cluster:monitor/health_api")
    context.health.check(context.asked.uri, context.asked.method)
    return context.reply(context.health.report(context.cluster))


@ROUTES.on("GET", "/_security/_authenticate")
def _authenticate(context: Context) -> Reply:
    dialect, caller = context.cluster.dialect, context.asked.caller
    if not dialect.elastic:
        raise context.asked.no_handler()
    if not context.secured:
        raise PlainRefused(
            405,
            f"Incorrect HTTP method for uri [{context.asked.uri}] and method [GET], allowed: [POST]",
            headers={"allow": "POST"},
        )
    user: dict[str, Any] = {
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
        user["api_key"] = {"id": caller.name, "name": caller.name}
    return context.reply(user)


@ROUTES.on("GET POST", "/_security/user/_has_privileges")
def _has_privileges(context: Context) -> Reply:
    if not context.cluster.dialect.elastic or not context.secured:
        raise context.asked.no_handler()
    return context.reply(has_privileges(context.asked.caller, context.asked.json()))


@ROUTES.on("GET", "/_plugins/_security/authinfo")
def _authinfo(context: Context) -> Reply:
    if context.cluster.dialect.elastic or not context.secured:
        raise context.asked.no_handler()
    name = context.asked.caller.name
    return context.reply(
        {"user": f"User [name={name}]", "user_name": name, "roles": [name], "backend_roles": []},
    )
