"""`_bulk`: one verdict an item."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

from magictel.sandbox.elasticsearch import errors
from magictel.sandbox.elasticsearch.bulk import Item, Veto
from tests.emulators.elasticsearch import streams
from tests.emulators.elasticsearch.answers import Refused, illegal
from tests.emulators.elasticsearch.cluster import Cluster
from tests.emulators.elasticsearch.dialect import Dialect
from tests.emulators.elasticsearch.index import Document, Index
from tests.emulators.elasticsearch.lines import load
from tests.emulators.elasticsearch.parsing import Parsed

PARAMETERS = {
    "refresh", "routing", "timeout", "pipeline", "wait_for_active_shards", "require_alias", "filter_path", "pretty",
    "human", "error_trace", "_source", "_source_includes", "_source_excludes", "list_executed_pipelines", "type",
    "include_source_on_error",
}  # fmt: skip
# Refusals that come before the engine makes an id.
_EARLY = ("Error extracting routing", "only write ops", "pipeline with id")
_BEFORE_IDS = {"index_not_found_exception", "security_exception", "invalid_index_name_exception", "timestamp_error"}


def run(
    cluster: Cluster, items: list[Item], parameters: Mapping[str, str], veto: Veto | None = None
) -> list[dict[str, Any]]:
    """Do every operation that `veto` (of its position and itself) lets pass; the items of the reply."""
    refresh = parameters.get("refresh")
    results: list[dict[str, Any]] = []
    touched: dict[str, Index] = {}
    created: set[str] = set()
    for position, item in enumerate(items):
        try:
            refused = veto(position, item) if veto else None
            if refused is not None:
                raise refused
            index, result = _do(cluster, item, parameters, created)
            touched[index.name] = index
        except errors.Refused as refusal:
            if (
                item.id is None
                and refusal.kind not in _BEFORE_IDS
                and not (refusal.reason or "").startswith(("only write ops", "index request targeting"))
                and not _series(cluster, item.index)
            ):
                refusal.made_id = getattr(refusal, "made_id", None) or _new_id()
            result = _failure(cluster, item, refusal)
        results.append({item.operation: result})
    if refresh in {"", "true", "wait_for"}:
        # A pure emulator cannot wait for the next refresh: wait_for refreshes as well.
        for index in touched.values():
            index.refresh(cluster.clock.monotonic())
        if refresh != "wait_for":
            for entry in results:
                for result in entry.values():
                    if "error" not in result:
                        result["forced_refresh"] = True
    return results


def store(cluster: Cluster, index: Index, item: Item, routing: str | None = None) -> tuple[Document, bool]:
    """Parse and keep one document; False where it replaced one. Raises `Refused`."""
    dialect = cluster.dialect
    if item.operation == "create" and index.series is None and item.id is not None:
        standing = index.documents.get(index.place(item.id, routing))
        if standing is not None:
            raise _conflict(index, f"[{item.id}]", standing)
    source = load(dialect, item.line)
    if index.stream is not None:
        streams.check_series_time(index, source)
    if index.series is not None:
        index.series.check_routing(source)
    doc_id = item.id if item.id is not None else _new_id()
    parser = index.document_parser()
    described = f"in document with id '{doc_id}'"
    if index.series is not None:
        described = f"in a time series document at [{source.get('@timestamp')}]"
    parsed = _parsed(index, index.place(doc_id, routing)[0], source, described)
    if index.stream is not None:
        streams.check_timestamp(dialect, parsed, source, described)
    label = f"[{doc_id}]"
    if index.series is not None:
        doc_id, label = streams.series_identity(index, index.series, item, parsed, source)
    place = index.place(doc_id, routing)
    if item.operation == "create" and place in index.documents:
        refused = _conflict(index, label, index.documents[place])
        refused.made_id = doc_id
        raise refused
    parser.new_fields.apply(parsed.new)
    before = index.documents.pop(place, None)
    visible_at = cluster.clock.monotonic() + index.refresh_interval
    version = before.version + 1 if before else index.gone.pop(place, 0) + 1
    number = index.next_seq_no(place[0])
    document = Document(doc_id, item.line, parsed, number, version, visible_at, routing, place[0])
    index.documents[place] = document
    return document, before is None


def _parsed(index: Index, shard: int, source: Mapping[str, Any], described: str) -> Parsed:
    try:
        return index.document_parser().parse(source, described)
    except Refused as refused:
        if (refused.reason or "").startswith("Document contains at least one immense term"):
            index.next_seq_no(shard)  # refused by Lucene, where the number is spent already
        raise


def check_blocks(cluster: Cluster, index: Index) -> None:
    """Refuse writes to a blocked index."""
    if index.flag("index.blocks.read_only"):
        reason, status = "FORBIDDEN/5/index read-only (api)", 403
    elif index.flag("index.blocks.write"):
        reason, status = "FORBIDDEN/8/index write (api)", 403
    elif index.flag("index.blocks.read_only_allow_delete"):
        reason, status = (
            "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block",
            429,
        )
        if cluster.dialect.modern:
            version = ".".join(map(str, cluster.dialect.number))
            page = (
                f"guide/en/elasticsearch/reference/{version}/fix-watermark-errors.html"
                if cluster.dialect.number < (9, 0)
                else f"docs/troubleshoot/elasticsearch/fix-watermark-errors?version={version}"
            )
            reason += f"; for more information, see https://www.elastic.co/{page}"
    else:
        return
    raise Refused(status, "cluster_block_exception", f"index [{index.name}] blocked by: [{reason}];")


def _do(cluster: Cluster, item: Item, parameters: Mapping[str, str], created: set[str]) -> tuple[Index, dict[str, Any]]:
    _check_required(cluster, item, parameters)
    _check_pipeline(cluster, item, parameters)
    if item.operation != "create" and streams.is_stream(cluster, item.index):
        raise streams.only_create(cluster, item.index, resolved=item.index in created)
    if item.operation == "create":
        created.add(item.index)
    if item.operation in {"delete", "update"} and not cluster.resolve(item.index, allow_missing=True):
        raise _missing(item.index)
    index = cluster.write_index(item.index)
    routing = item.more.get("routing", item.more.get("_routing", parameters.get("routing")))
    if routing is not None and index.stream is not None and index.stream == item.index:
        raise streams.custom_routing(cluster, item.index)
    routing = None if routing is None else str(routing)
    if routing is None and index.requires_routing:
        raise index.routing_missing(item.id or _new_id())
    check_blocks(cluster, index)
    if item.more.get("dynamic_templates"):
        _check_dynamic_templates(cluster.dialect, index, item)
    if item.operation == "delete":
        return index, _delete(cluster, index, item.id or "", routing)
    if item.operation == "update":
        raise illegal("the sandbox does not update")
    document, fresh = store(cluster, index, item, routing)
    result = _success(cluster, index, document.id, document.version, "created" if fresh else "updated", document.seq_no)
    return index, {**result, "status": 201 if fresh else 200}


def _delete(cluster: Cluster, index: Index, doc_id: str, routing: str | None) -> dict[str, Any]:
    """One document is taken from the shard that the routing chooses; on another one it stays."""
    place = index.place(doc_id, routing)
    gone = index.documents.pop(place, None)
    version = (gone.version if gone else index.gone.get(place, 0)) + 1
    index.gone[place] = version
    number = index.next_seq_no(place[0])
    result = _success(cluster, index, doc_id, version, "deleted" if gone else "not_found", number)
    return {**result, "status": 200 if gone else 404}


def _check_required(cluster: Cluster, item: Item, parameters: Mapping[str, str]) -> None:
    """`require_data_stream`, of the request or the item."""
    wanted = item.more.get("require_data_stream", parameters.get("require_data_stream"))
    if wanted is None or str(wanted).lower() not in {"", "true"} or item.index in cluster.streams:
        return
    name = item.index
    if name in cluster.indices:
        raise Refused(
            404,
            "resource_not_found_exception",
            f"[require_data_stream] request flag is [true] and [{name}] is not a data stream",
        )
    template = cluster.templates.matching(name)
    if template is None or "data_stream" not in template[1]:
        refused = _missing(name)
        refused.reason = (
            f"no such index [{name}] and the index creation request requires a data stream, "
            "but no matching index template with data stream template was found for it"
        )
        raise refused


def _check_pipeline(cluster: Cluster, item: Item, parameters: Mapping[str, str]) -> None:
    wanted = item.more.get("pipeline", parameters.get("pipeline"))
    if wanted and wanted != "_none" and wanted not in cluster.pipelines:
        raise illegal(f"pipeline with id [{wanted}] does not exist")


def _success(cluster: Cluster, index: Index, doc_id: str, version: int, result: str, seq_no: int) -> dict[str, Any]:
    return {
        "_index": index.name,
        **({"_type": "_doc"} if cluster.dialect.typed else {}),
        "_id": doc_id,
        "_version": version,
        "result": result,
        "_shards": {"total": 2, "successful": 1, "failed": 0},
        "_seq_no": seq_no,
        "_primary_term": 1,
    }


def _failure(cluster: Cluster, item: Item, refusal: Refused) -> dict[str, Any]:
    stream = cluster.streams.get(item.index)
    name = item.index
    # What is refused before the write index is chosen carries the stream's name.
    reason = refusal.reason or ""
    early = refusal.kind in {"security_exception", "timestamp_error"} or reason.startswith(_EARLY)
    if cluster.dialect.elastic:
        early = early or reason.startswith("index request targeting data stream")
    elif item.operation in {"update", "delete"}:
        early = True
    else:
        early = early and not reason.startswith("only write ops")
    if stream is not None and not early:
        name = stream.indices[-1]
    return {
        "_index": name,
        **({"_type": "_doc"} if cluster.dialect.typed else {}),
        "_id": getattr(refusal, "made_id", None) or item.id,
        "status": refusal.status,
        "error": refusal.error(),
    }


def _conflict(index: Index, label: str, standing: Document) -> Refused:
    return Refused(
        409,
        "version_conflict_engine_exception",
        f"{label}: version conflict, document already exists (current version [{standing.version}])",
        index_uuid=index.uuid,
        shard=str(standing.shard),
        index=index.name,
    )


def _series(cluster: Cluster, name: str) -> bool:
    return any(index.series is not None for index in cluster.resolve(name, allow_missing=True)) if name else False


def _missing(name: str) -> Refused:
    return Refused(404, "index_not_found_exception", f"no such index [{name}]", index_uuid="_na_", index=name)


def _check_dynamic_templates(dialect: Dialect, index: Index, item: Item) -> None:
    known = {name for entry in index.mapping.top.get("dynamic_templates", []) for name in entry}
    for path, name in item.more["dynamic_templates"].items():
        if name not in known:
            reason = f"Can't find dynamic template for dynamic template name [{name}] of field [{path}]"
            raise Refused(400, dialect.document_error, dialect.at(reason))


def _new_id() -> str:
    return base64.urlsafe_b64encode(os.urandom(15)).decode()
