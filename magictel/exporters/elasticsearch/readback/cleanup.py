"""Counting and deleting the documents of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from magictel.exporters.elasticsearch.errors import cause_of
from magictel.exporters.elasticsearch.readback.run import MOST_HITS, ask, fields_of, of_run, unreadable, whole_hits
from magictel.http.wire import Wire
from magictel.model.verification import Unreadable


def count(wire: Wire, index: str, run_id: str) -> int | Unreadable:
    """Return the number of visible documents of a run. Raises `WireError`."""
    fields = fields_of(wire, index)
    if isinstance(fields, Unreadable):
        return fields if fields.code != "es.read.no-index" else 0
    which = of_run(fields, run_id)
    if which is None:
        return 0
    answer = ask(wire, f"/{quote(index)}/_count", {"query": which}, lambda answer: isinstance(answer.get("count"), int))
    return answer if isinstance(answer, Unreadable) else int(answer["count"])


def delete(wire: Wire, index: str, run_id: str) -> int | Unreadable:
    """Delete the visible documents of a run; return their number. Raises `WireError`."""
    fields = fields_of(wire, index)
    if isinstance(fields, Unreadable):
        return fields
    which = of_run(fields, run_id)
    if which is None:
        return 0
    reply = wire.post(f"/{quote(index)}/_delete_by_query?conflicts=proceed", {"query": which}, timeout=60)
    body = reply.json()
    if reply.ok and isinstance(body, dict):
        return int(body.get("deleted", 0))
    if reply.status in (400, 404, 405):  # the module that does it is not everywhere
        return _delete_one_by_one(wire, index, which)
    return _no_delete(unreadable(reply, wire))


def _delete_one_by_one(wire: Wire, index: str, which: Mapping[str, Any]) -> int | Unreadable:
    hits = whole_hits(wire, index, {"query": dict(which), "_source": False, "size": MOST_HITS})
    if isinstance(hits, Unreadable):
        return hits
    if not hits:
        return 0
    lines = [json.dumps({"delete": _where(hit)}) for hit in hits]
    body = ("\n".join(lines) + "\n").encode()
    reply = wire.request("POST", "/_bulk", body=body, headers={"Content-Type": "application/x-ndjson"}, timeout=60)
    answer = reply.json()
    if not reply.ok or not isinstance(answer, dict):
        return _no_delete(unreadable(reply, wire))
    done = [item["delete"] for item in answer.get("items", ())]
    gone = sum(item.get("status") == 200 for item in done)
    refused = next((item for item in done if item.get("status") == 403), None)
    if gone == 0 and refused is not None:
        return _no_delete(Unreadable("", str(cause_of(refused.get("error")))))
    return int(gone)


def _where(hit: Mapping[str, Any]) -> dict[str, str]:
    """Return the address of a hit, with its routing: otherwise a delete looks on another shard and answers 404."""
    place = {"_index": hit["_index"], "_id": hit["_id"]}
    return place if hit.get("_routing") is None else {**place, "routing": hit["_routing"]}


def _no_delete(why: Unreadable) -> Unreadable:
    return Unreadable(
        "es.read.no-delete", f"the written documents cannot be deleted: {why.message}", "grant delete on the index"
    )
