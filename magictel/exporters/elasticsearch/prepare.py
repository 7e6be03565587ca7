"""Requests that prepare an index or data stream: a template that keeps values and limits the number of fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from magictel.exporters.elasticsearch.mapping import DECIMALS, WHOLE, Mapped, effects, mapped
from magictel.exporters.elasticsearch.readback.run import unreadable
from magictel.exporters.elasticsearch.values import LONGEST_TEXT
from magictel.exporters.elasticsearch.version import Product, ask_product
from magictel.http.wire import Wire
from magictel.model.verification import Unreadable
from magictel.plugin.http_interface import Preparation

_PRIORITY = 500
"""Above the built-in templates of Elasticsearch, whose priorities are 100 and 200."""
_COMPOSABLE, _FLATTENED, _FLAT_OBJECT = (7, 8), (7, 3), (2, 7)
_STREAM_NAME = re.compile(r"(metrics|logs|traces)-[^-]+-.+")
_TEXTS = ("name", "unit", "kind", "temporality")
_LONG_TEXTS = tuple(
    f"{name}_text"
    for name in (
        "value",
        "count",
        "sum",
        "min",
        "max",
        "bounds",
        "cumulative_counts",
        "zero_count",
        "zero_threshold",
    )
)


def preparations(wire: Wire, index: str, opensearch: bool) -> Sequence[Preparation] | Unreadable:
    """Return the requests, in order. Raises `WireError`."""
    product = ask_product(wire, opensearch)
    reply = wire.get(f"/_data_stream/{quote(index)}")
    if reply.status in (401, 403) and wire.get(f"/{quote(index)}").status in (401, 403):
        return unreadable(reply, wire)
    body = reply.json()
    current = mapped(wire, index)
    behind = current.fields.indices if current is not None else ()
    stream = reply.status == 200 and isinstance(body, dict) and bool(body.get("data_streams"))
    stream = stream or any(name.startswith(".ds-") for name in behind)  # some builds have streams and cannot list them
    exists = current is not None and current.exists
    will_be_stream = not exists and not product.opensearch and _STREAM_NAME.fullmatch(index) is not None
    template = _template(index, product, stream or will_be_stream)
    if current is None or not current.exists:
        return [template]
    alias = not stream and behind and index not in behind
    if current.prepared:
        return [] if alias else [template]
    if stream:
        return [template, _roll_over(index, {})]
    if alias:  # a template goes by the names of indices: the alias's own name is never made
        return [_roll_over(index, {"mappings": mappings(product)})]
    kept = replace(template, purpose=f"{template.purpose}. {_kept(current, index)}")
    return [kept, *_move(index, product)]


def _roll_over(index: str, body: Mapping[str, Any]) -> Preparation:
    purpose = f"lets {index} continue in a new index with these types; stored documents keep theirs"
    if not body:
        purpose = (
            f"lets {index} continue in a new backing index that gets the template; stored documents keep their types"
        )
    return Preparation(purpose, "POST", f"/{quote(index)}/_rollover", body)


def _move(index: str, product: Product) -> list[Preparation]:
    """Return the requests that move a plain index to the right types under the same name, by copying the documents as sent."""
    new = f"{index}-000002"
    copy = {"source": {"index": index}, "dest": {"index": new, "op_type": "create"}, "conflicts": "proceed"}
    swap = [
        {"remove_index": {"index": index}},
        {"add": {"index": new, "alias": index, "is_write_index": True}},
    ]
    return [
        Preparation(
            f"creates {new} with types that keep the values",
            "PUT",
            f"/{quote(new)}",
            {"mappings": mappings(product)},
            True,
        ),
        Preparation(
            f"copies the documents of {index} with full precision: stop all writers first",
            "POST",
            "/_reindex",
            copy,
            True,
        ),
        Preparation(
            f"deletes {index} and makes its name an alias of {new}, in one step; restart the writers then",
            "POST",
            "/_aliases",
            {"actions": swap},
            True,
        ),
    ]


def mappings(product: Product) -> dict[str, Any]:
    """Return the mapping of a flat document."""
    flat = _flat_type(product)
    keyword = {"type": "keyword"}
    long_text = {"type": "keyword", "ignore_above": 8191}
    properties: dict[str, Any] = {
        "@timestamp": {"type": "date"},
        "start_timestamp": {"type": "date"},
        **dict.fromkeys(_TEXTS, keyword),
        "monotonic": {"type": "boolean"},
        **{name: {"type": "double"} for name in DECIMALS},
        **{name: {"type": "long"} for name in WHOLE if "." not in name},
        **dict.fromkeys(_LONG_TEXTS, long_text),
    }
    side = {"offset": {"type": "long"}, "cumulative_counts": {"type": "long"}}
    properties |= {"positive": {"properties": side}, "negative": {"properties": side}}
    properties["resource"] = {"properties": {"schema_url": keyword}}
    properties["scope"] = {"properties": {"name": keyword, "version": keyword, "schema_url": keyword}}
    mappings: dict[str, Any] = {"_meta": {"magictel": 1}, "date_detection": False, "properties": properties}
    if flat is not None:
        properties["attributes"] = flat
        properties["resource"]["properties"]["attributes"] = flat
        properties["scope"]["properties"]["attributes"] = flat
    else:
        mappings["dynamic_templates"] = [
            {"text": {"match_mapping_type": "string", "mapping": long_text}},
            {"decimals": {"match_mapping_type": "double", "mapping": {"type": "double"}}},
        ]
    return mappings


def _flat_type(product: Product) -> dict[str, Any] | None:
    """Return the type that stores a whole object as one field, so that no name or value of an attribute is refused."""
    if product.opensearch:
        return {"type": "flat_object"} if product.version[:2] >= _FLAT_OBJECT or not product.known else None
    if product.known and product.version[:2] < _FLATTENED:
        return None
    return {"type": "flattened", "ignore_above": 2 * LONGEST_TEXT}


def _template(index: str, product: Product, stream: bool) -> Preparation:
    name = quote(f"magictel-{index}")
    purpose = f"gives {'backing indices of ' if stream else ''}{index}, when created, types that keep the values"
    if product.known and not product.opensearch and product.version[:2] < _COMPOSABLE:
        body: dict[str, Any] = {"index_patterns": [index], "order": _PRIORITY, "mappings": mappings(product)}
        return Preparation(purpose, "PUT", f"/_template/{name}", body)
    body = {
        "index_patterns": [index],
        "priority": _PRIORITY,
        "template": {"mappings": mappings(product)},
        "_meta": {"description": "Created by magictel prepare"},
    }
    if stream:
        body["data_stream"] = {}
    return Preparation(purpose, "PUT", f"/_index_template/{name}", body)


def _kept(current: Mapped, index: str) -> str:
    """Return a sentence on the fields that a template cannot change in an existing index."""
    named = [f"{effect.field} ({effect.type})" for effect in effects(current.fields)]
    if not current.fields.kinds("attributes") & {"flattened", "flat_object"}:
        named.append("attributes, one field each")
    return f"It does not change {index}, which exists and keeps {', '.join(named)}: write to another index, or move it by hand as below"
