"""The lines of a `_bulk` request: actions, their metadata, the documents behind them."""

from __future__ import annotations

import json
from typing import Any

from magictel.sandbox.elasticsearch.bulk import Item
from tests.emulators.elasticsearch.answers import Refused, illegal
from tests.emulators.elasticsearch.dialect import Dialect

_METADATA = {
    "_index", "_id", "_type", "routing", "version", "version_type", "if_seq_no", "if_primary_term", "retry_on_conflict",
    "pipeline", "require_alias", "op_type", "_routing",
}  # fmt: skip
_OPERATIONS = ("create", "delete", "index", "update")


def read(dialect: Dialect, body: bytes, default_index: str | None) -> list[Item]:
    """The operations of a body; raises `Refused` for the whole request."""
    if not body:
        raise Refused(400, "parse_exception", "request body is required")
    lines = body.split(b"\n")
    if lines[-1]:
        raise illegal("The bulk request must be terminated by a newline [\\n]")
    lines.pop()
    items: list[Item] = []
    at = 0
    while at < len(lines):
        line, at = lines[at].rstrip(b"\r"), at + 1
        if not line:
            continue
        operation, metadata = _action(dialect, line, at)
        document = b""
        if operation != "delete":
            if at >= len(lines):
                break  # an action without its document is passed over
            document, at = lines[at].rstrip(b"\r"), at + 1
        if not operation:
            continue
        index = metadata.pop("_index", None) or default_index
        doc_id = metadata.pop("_id", None)
        items.append(Item(operation, str(index or ""), None if doc_id is None else str(doc_id), document, metadata))
    _validate(items)
    return items


def _action(dialect: Dialect, line: bytes, number: int) -> tuple[str, dict[str, Any]]:
    try:
        action = json.loads(line)
    except ValueError:
        word = line.decode("utf-8", "replace").split("{")[0][:40] or line.decode("utf-8", "replace")[:40]
        reason = f"Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        if dialect.modern:
            raise Refused(
                400, "x_content_parse_exception", f"[1:8] {reason}", {"type": "json_parse_exception", "reason": reason}
            ) from None
        raise Refused(400, "json_parse_exception", reason) from None
    if not isinstance(action, dict):
        kind = {list: "START_ARRAY", str: "VALUE_STRING", int: "VALUE_NUMBER", float: "VALUE_NUMBER"}.get(
            type(action), "VALUE_NULL"
        )
        raise illegal(f"Malformed action/metadata line [{number}], expected START_OBJECT but found [{kind}]")
    if not action:
        raise illegal(f"Malformed action/metadata line [{number}], expected FIELD_NAME but found [END_OBJECT]")
    operation, metadata = next(iter(action.items()))
    if operation not in _OPERATIONS:
        expected = (
            "field [create], [delete], [index] or [update]"
            if dialect.elastic
            else "one of [create, delete, index, update]"
        )
        if not dialect.typed:
            raise illegal(f"Malformed action/metadata line [{number}], expected {expected} but found [{operation}]")
        return "", {}  # 7.x passes over it and its document
    if not isinstance(metadata, dict):
        raise illegal(f"Malformed action/metadata line [{number}], expected START_OBJECT but found [VALUE_STRING]")
    known = _METADATA | (
        {"dynamic_templates", "require_data_stream", "list_executed_pipelines"} if dialect.elastic else set()
    )
    for name, value in metadata.items():
        if (isinstance(value, (dict, list)) and name != "dynamic_templates") or (
            name == "dynamic_templates" and not dialect.elastic
        ):
            kind = "START_ARRAY" if isinstance(value, list) else "START_OBJECT"
            raise illegal(
                f"Malformed action/metadata line [{number}], expected a simple value for field [{name}] but found [{kind}]"
            )
        if name not in known:
            raise illegal(f"Action/metadata line [{number}] contains an unknown parameter [{name}]")
    return operation, metadata


def _validate(items: list[Item]) -> None:
    problems: list[str] = []
    if not items:
        problems.append("no requests added")
    for item in items:
        if not item.index:
            problems.append("index is missing")
        if item.operation == "delete" and item.id is None:
            problems.append("id is missing")
        if item.id is not None and len(item.id.encode()) > 512:
            problems.append(
                f"id [{item.id}] is too long, must be no longer than 512 bytes but was: {len(item.id.encode())}"
            )
    if problems:
        text = "".join(f" {number}: {problem};" for number, problem in enumerate(problems, 1))
        raise Refused(400, "action_request_validation_exception", f"Validation Failed:{text}")
