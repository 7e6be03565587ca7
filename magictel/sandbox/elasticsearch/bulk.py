"""`_bulk`: the lines of a request, and a result for each item."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from magictel.sandbox.elasticsearch import documents
from magictel.sandbox.elasticsearch.cluster import Cluster, Document, Index, new_uuid
from magictel.sandbox.elasticsearch.errors import Dialect, Refused, illegal, no_such_index

_OPERATIONS = ("create", "delete", "index")


@dataclass(slots=True)
class Item:
    """One requested operation: its metadata and the line of its document."""

    operation: str
    index: str
    id: str | None
    line: bytes
    more: dict[str, Any] = field(default_factory=dict)


Veto = Callable[[int, Item], Refused | None]


def read(dialect: Dialect, body: bytes, default_index: str | None) -> list[Item]:
    """Return the operations of a body. Raise `Refused` for the whole request."""
    if not body:
        raise Refused(400, "parse_exception", "request body is required")
    if not body.endswith(b"\n"):
        raise illegal("The bulk request must be terminated by a newline [\\n]")
    items: list[Item] = []
    lines = iter([line.rstrip(b"\r") for line in body.split(b"\n")[:-1]])
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        operation, metadata = _action(dialect, line, number + len(items))
        document = b"" if operation == "delete" else next(lines, None)
        if document is None:
            break  # the engine ignores an action without its document
        index, doc_id = metadata.pop("_index", None) or default_index, metadata.pop("_id", None)
        items.append(Item(operation, str(index or ""), None if doc_id is None else str(doc_id), document, metadata))
    problems = [] if items else ["no requests added"]
    problems += ["index is missing" for item in items if not item.index]
    if problems:
        text = "".join(f" {number}: {problem};" for number, problem in enumerate(problems, 1))
        raise Refused(400, "action_request_validation_exception", f"Validation Failed:{text}")
    return items


def _action(dialect: Dialect, line: bytes, number: int) -> tuple[str, dict[str, Any]]:
    try:
        action = json.loads(line)
    except ValueError as problem:
        raise Refused(400, "x_content_parse_exception", dialect.at(str(problem))) from None
    operation, metadata = next(iter(action.items())) if isinstance(action, dict) and action else ("", None)
    if operation not in _OPERATIONS or not isinstance(metadata, dict):
        named = ", ".join(f"[{name}]" for name in _OPERATIONS)
        raise illegal(f"Malformed action/metadata line [{number}], expected field {named} but found [{operation}]")
    return operation, metadata


def run(
    cluster: Cluster, items: list[Item], parameters: Mapping[str, str], veto: Veto | None = None
) -> list[dict[str, Any]]:
    """Perform every operation that `veto` (called with its position and itself) allows; return the items of the reply."""
    refresh = parameters.get("refresh")
    results: list[dict[str, Any]] = []
    for position, item in enumerate(items):
        try:
            refused = veto(position, item) if veto else None
            if refused is not None:
                raise refused
            result = _done(cluster, item, parameters)
        except Refused as refusal:
            result = _failure(cluster, item, refusal)
        if refresh in {"", "true"} and "error" not in result:
            result["forced_refresh"] = True
        results.append({item.operation: result})
    if refresh in {"", "true", "wait_for"}:
        # A pure emulator cannot wait for the next refresh: wait_for refreshes as well.
        for index in _touched(cluster, items):
            index.refresh(cluster.clock.monotonic())
    return results


def _touched(cluster: Cluster, items: list[Item]) -> Iterator[Index]:
    for name in {item.index for item in items}:
        yield from cluster.resolve(name, allow_missing=True)


def _done(cluster: Cluster, item: Item, parameters: Mapping[str, str]) -> dict[str, Any]:
    pipeline = item.more.get("pipeline", parameters.get("pipeline"))
    if pipeline and pipeline != "_none":
        raise illegal(f"pipeline with id [{pipeline}] does not exist")
    if item.operation != "create" and cluster.is_stream(item.index):
        raise illegal("only write ops with an op_type of create are allowed in data streams")
    routing = item.more.get("routing", parameters.get("routing"))
    if item.operation == "delete" and item.index not in cluster.indices:
        missing = no_such_index(item.index)
        missing.more = {"index_uuid": "_na_", "index": item.index}
        raise missing
    index = cluster.write_index(item.index)
    if routing is not None and index.stream == item.index:
        why = (
            " but the [allow_custom_routing] setting was not enabled in the data stream's template."
            if cluster.dialect.elastic
            else ". target the backing indices directly or remove the custom routing."
        )
        raise illegal(f"index request targeting data stream [{item.index}] specifies a custom routing{why}")
    if item.operation == "delete":
        gone = index.documents.pop(item.id or "", None)
        version, result = (gone.version + 1, "deleted") if gone else (1, "not_found")
        doc_id, seq_no, status = item.id or "", index.next_seq_no(), 200 if gone else 404
    else:
        document, fresh = _store(cluster, index, item, None if routing is None else str(routing))
        doc_id, version, seq_no = document.id, document.version, document.seq_no
        result, status = ("created", 201) if fresh else ("updated", 200)
    return {
        "_index": index.name,
        "_id": doc_id,
        "_version": version,
        "result": result,
        "_shards": {"total": 2, "successful": 1, "failed": 0},
        "_seq_no": seq_no,
        "_primary_term": 1,
        "status": status,
    }


def _store(cluster: Cluster, index: Index, item: Item, routing: str | None) -> tuple[Document, bool]:
    """Parse and store a document; return it, and False if it replaced one. Raise `Refused`."""
    before = index.documents.get(item.id) if item.id is not None else None
    if item.operation == "create" and before is not None:
        raise Refused(
            409,
            "version_conflict_engine_exception",
            f"[{item.id}]: version conflict, document already exists (current version [{before.version}])",
            index_uuid=index.uuid,
            shard="0",
            index=index.name,
        )
    source = documents.load(cluster.dialect, item.line)
    doc_id = item.id if item.id is not None else new_uuid()[:20]
    described = f"in document with id '{doc_id}'"
    parsed = documents.parse(index.mapping, source, described)
    if index.stream is not None and len(parsed.values.get("@timestamp", ())) != 1:
        raise _no_timestamp(cluster.dialect)
    documents.apply(index.mapping, parsed)
    version = before.version + 1 if before else 1
    visible_at = cluster.clock.monotonic() + index.refresh_interval
    index.documents.pop(doc_id, None)
    document = Document(doc_id, item.line, parsed, index.next_seq_no(), version, visible_at, routing)
    index.documents[doc_id] = document
    return document, before is None


def _no_timestamp(dialect: Dialect) -> Refused:
    reason = "data stream timestamp field [@timestamp] is missing"
    if not dialect.elastic:
        reason = "documents must contain a single-valued timestamp field '@timestamp' of date type"
    text = dialect.at(f"failed to parse: {reason}") if dialect.elastic else "failed to parse"
    return Refused(400, dialect.document_error, text, {"type": "illegal_argument_exception", "reason": reason})


def _failure(cluster: Cluster, item: Item, refusal: Refused) -> dict[str, Any]:
    """Return a refused item, with the name of the write index if that was chosen before the refusal."""
    stream = cluster.streams.get(item.index)
    before = ("only write ops", "index request targeting") if cluster.dialect.elastic else ()
    early = refusal.kind in {"security_exception", "timestamp_error"}
    early = early or (refusal.reason or "").startswith(("pipeline with id", *before))
    early = early or (item.operation == "delete" and not cluster.dialect.elastic)
    name = item.index if stream is None or early else stream.indices[-1]
    return {"_index": name, "_id": item.id, "status": refusal.status, "error": refusal.error()}
