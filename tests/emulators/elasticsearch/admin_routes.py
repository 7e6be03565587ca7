"""Indices, mappings, settings, templates, data streams."""

from __future__ import annotations

from magictel.http.wire import Reply
from magictel.sandbox.elasticsearch.routes import routes
from tests.emulators.elasticsearch import admin
from tests.emulators.elasticsearch.answers import illegal
from tests.emulators.elasticsearch.context import Context

ROUTES = routes()


@ROUTES.on("GET", "/_mapping", "/{index}/_mapping")
def _mapping(context: Context, index: str = "_all") -> Reply:
    context.may_index("indices:admin/mappings/get", index)
    return context.reply(admin.mappings(context.cluster, index, allow_missing=context.asked.allow_missing))


@ROUTES.on("GET", "/{index}/_mapping/field/(?P<pattern>[^/]+)")
def _mapping_field(context: Context, index: str, pattern: str) -> Reply:
    context.may_index("indices:admin/mappings/get", index)
    return context.reply(admin.field_mappings(context.cluster, index, pattern))


@ROUTES.on("PUT POST", "/{index}/_mapping")
def _put_mapping(context: Context, index: str) -> Reply:
    context.may_index("indices:admin/mapping/put", index)
    return context.reply(admin.put_mapping(context.cluster, index, context.asked.json()))


@ROUTES.on("GET", "/_settings", "/{index}/_settings", "/{index}/_settings/(?P<name>[^/]+)")
def _settings(context: Context, index: str = "_all", name: str | None = None) -> Reply:
    context.may_index("indices:monitor/settings/get", index)
    settings = admin.settings(
        context.cluster,
        index,
        name or "*",
        defaults=context.asked.flag("include_defaults"),
        flat=context.asked.flag("flat_settings"),
        allow_missing=context.asked.allow_missing,
    )
    return context.reply(settings)


@ROUTES.on("PUT", "/_settings", "/{index}/_settings")
def _put_settings(context: Context, index: str = "_all") -> Reply:
    context.may_index("indices:admin/settings/update", index)
    return context.reply(admin.put_settings(context.cluster, index, context.asked.json()))


@ROUTES.on("PUT", "/_cluster/settings")
def _cluster_settings(context: Context) -> Reply:
    context.may_cluster("cluster:admin/settings/update")
    body = context.asked.json()
    for group in ("persistent", "transient"):
        for name, value in body.get(group, {}).items():
            context.cluster.settings[name] = str(value).lower() if isinstance(value, bool) else value
            if value is None:
                del context.cluster.settings[name]
    return context.reply(
        {"acknowledged": True, "persistent": body.get("persistent", {}), "transient": body.get("transient", {})},
    )


@ROUTES.on(
    "GET",
    "/_(?P<kind>index_template|component_template|template)",
    "/_(?P<kind>index_template|component_template|template)/(?P<name>[^/]+)",
)
def _get_templates(context: Context, kind: str, name: str | None = None) -> Reply:
    context.may_cluster("indices:admin/index_template/get")
    templates = admin.get_templates(context.cluster, f"_{kind}", name)
    return context.reply(templates, 404 if name is not None and not templates else 200)


@ROUTES.on("PUT POST", "/_(?P<kind>index_template|component_template|template)/(?P<name>[^/_][^/]*)")
def _put_template(context: Context, kind: str, name: str) -> Reply:
    context.may_cluster("indices:admin/index_template/put")
    return context.reply(admin.put_template(context.cluster, f"_{kind}", name, context.asked.json()))


@ROUTES.on("DELETE", "/_(?P<kind>index_template|component_template|template)/(?P<name>[^/]+)")
def _delete_template(context: Context, kind: str, name: str) -> Reply:
    context.may_cluster("indices:admin/index_template/put")
    return context.reply(admin.delete_template(context.cluster, f"_{kind}", name))


@ROUTES.on("POST", "/_index_template/_simulate_index/(?P<name>[^/]+)")
def _simulate(context: Context, name: str) -> Reply:
    context.may_cluster("indices:admin/index_template/simulate_index")
    return context.reply(admin.simulate_index(context.cluster, name))


@ROUTES.on("GET", "/_data_stream", "/_data_stream/(?P<name>[^/]+)")
def _data_streams(context: Context, name: str = "*") -> Reply:
    context.may_index("indices:admin/data_stream/get", name)
    return context.reply(admin.data_streams(context.cluster, name))


@ROUTES.on("PUT", "/_data_stream/(?P<name>[^/]+)")
def _put_data_stream(context: Context, name: str) -> Reply:
    context.may_index("indices:admin/data_stream/create", name)
    context.cluster.create_stream(name)
    return context.reply({"acknowledged": True})


@ROUTES.on("DELETE", "/_data_stream/(?P<name>[^/]+)")
def _delete_data_stream(context: Context, name: str) -> Reply:
    context.may_index("indices:admin/data_stream/delete", name)
    context.cluster.delete_stream(name)
    return context.reply({"acknowledged": True})


@ROUTES.on("POST", "/{index}/_rollover")
def _rollover(context: Context, index: str) -> Reply:
    context.may_index("indices:admin/rollover", index)
    if index not in context.cluster.streams:
        raise illegal(f"rollover target [{index}] does not exist")
    stream = context.cluster.streams[index]
    old = stream.indices[-1]
    new = context.cluster.rollover(stream)
    return context.reply(
        {
            "acknowledged": True,
            "shards_acknowledged": True,
            "old_index": old,
            "new_index": new,
            "rolled_over": True,
            "dry_run": False,
        },
    )


@ROUTES.on("GET", "/{index}/_alias")
def _get_aliases(context: Context, index: str) -> Reply:
    context.may_index("indices:admin/aliases/get", index)
    indices = admin.get_index(context.cluster, index, allow_missing=context.asked.allow_missing)
    return context.reply({name: {"aliases": shown["aliases"]} for name, shown in indices.items()})


@ROUTES.on("GET", "/{index}")
def _get_index(context: Context, index: str) -> Reply:
    context.may_index("indices:admin/get", index)
    return context.reply(admin.get_index(context.cluster, index, allow_missing=context.asked.allow_missing))


@ROUTES.on("PUT", "/(?P<index>[^/]+)")
def _create_index(context: Context, index: str) -> Reply:
    context.may_index("indices:admin/create", index)
    context.cluster.create(index, context.asked.json())
    return context.reply({"acknowledged": True, "shards_acknowledged": True, "index": index})


@ROUTES.on("DELETE", "/{index}")
def _delete_index(context: Context, index: str) -> Reply:
    context.may_index("indices:admin/delete", index)
    context.cluster.delete(index)
    return context.reply({"acknowledged": True})


@ROUTES.on("PUT", "/_ingest/pipeline/(?P<name>[^/]+)")
def _put_pipeline(context: Context, name: str) -> Reply:
    context.may_cluster("cluster:admin/ingest/pipeline/put")
    context.cluster.pipelines[name] = context.asked.json()
    return context.reply({"acknowledged": True})


@ROUTES.on("GET", "/_ingest/pipeline/(?P<name>[^/]+)")
def _get_pipeline(context: Context, name: str) -> Reply:
    context.may_cluster("cluster:admin/ingest/pipeline/get")
    pipelines = {name: context.cluster.pipelines[name]} if name in context.cluster.pipelines else {}
    return context.reply(pipelines, 200 if pipelines else 404)


@ROUTES.on("PUT POST", "/{index}/_alias/(?P<name>[^/]+)")
def _put_alias(context: Context, index: str, name: str) -> Reply:
    context.may_index("indices:admin/settings/update", index)
    for concrete in context.cluster.resolve(index):
        context.cluster.aliases.setdefault(name, set()).add(concrete.name)
    return context.reply({"acknowledged": True, **({"errors": False} if context.cluster.dialect.modern else {})})


@ROUTES.on("GET", "/_cluster/settings")
def _get_cluster_settings(context: Context) -> Reply:
    context.may_cluster("cluster:monitor/settings")
    settings = admin.cluster_settings(context.cluster, defaults=context.asked.flag("include_defaults"))
    return context.reply(settings)
