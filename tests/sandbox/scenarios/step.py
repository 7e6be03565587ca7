"""Steps and scenarios: requests that engine and emulator must answer alike.

`{x}` in a path, an action or a body is the scenario's own index name, `{now}` a moment in every window. A step whose body is
a list is a bulk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ELASTIC = frozenset({"es7", "es8", "es9"})
OPEN = frozenset({"os2", "os3"})
MODERN = frozenset({"es8", "es9"})
EVERY = ELASTIC | OPEN


@dataclass(frozen=True)
class Step:
    method: str
    path: str
    body: Any = None
    raw: bytes | None = None
    content_type: str = "application/json"
    encoding: str = ""


@dataclass(frozen=True)
class Scenario:
    name: str
    steps: tuple[Step, ...]
    engines: frozenset[str] = EVERY

    def __str__(self) -> str:
        return self.name


def index(mappings: Any = None, settings: Any = None) -> Step:
    body = {"mappings": mappings} if mappings else {}
    if settings:
        body["settings"] = settings
    return Step("PUT", "/{x}", body)


def bulk(*documents: Any, op: str = "create", query: str = "refresh=true", **metadata: Any) -> Step:
    """Documents with the ids 0, 1, 2 …; a text or bytes goes as it is."""
    lines = []
    for number, document in enumerate(documents):
        lines += [{op: {"_index": "{x}", "_id": str(number), **metadata}}, document]
    return Step("POST", f"/_bulk?{query}", lines, content_type="application/x-ndjson")


def lines(*parts: Any, path: str = "/_bulk?refresh=true") -> Step:
    return Step("POST", path, list(parts), content_type="application/x-ndjson")


def search(path: str = "/{x}/_search", **body: Any) -> Step:
    return Step("POST", path, {"sort": ["_doc"], **body} if "sort" not in body else body)


def unsorted(**body: Any) -> Step:
    return Step("POST", "/{x}/_search", body)


def get(path: str) -> Step:
    return Step("GET", path)


MAPPING = get("/{x}/_mapping")
FIELDS = search(fields=["*"], _source=False)
LONG_TEXT = "k" * 300
TYPED = {
    "properties": {
        "@timestamp": {"type": "date"},
        "long": {"type": "long"},
        "double": {"type": "double"},
        "float": {"type": "float"},
        "half": {"type": "half_float"},
        "integer": {"type": "integer"},
        "keyword": {"type": "keyword", "ignore_above": 5},
        "text": {"type": "text"},
        "nanos": {"type": "date_nanos"},
        "millis": {"type": "date", "format": "epoch_millis"},
        "bool": {"type": "boolean"},
        "ip": {"type": "ip"},
        "bare": {"type": "keyword", "doc_values": False},
        "unindexed": {"type": "keyword", "index": False},
        "nothing": {"type": "long", "index": False, "doc_values": False},
    }
}
STREAM_TEMPLATE = {
    "index_patterns": ["{x}*"],
    "data_stream": {},
    "priority": 500,
    "template": {"mappings": {"properties": {"@timestamp": {"type": "date"}, "run": {"type": "keyword"}}}},
}
SERIES_TEMPLATE = {
    "index_patterns": ["{x}*"],
    "data_stream": {},
    "priority": 600,
    "template": {
        "settings": {"index.mode": "time_series", "index.routing_path": ["host"]},
        "mappings": {
            "properties": {
                "@timestamp": {"type": "date"},
                "host": {"type": "keyword", "time_series_dimension": True},
                "value": {"type": "double", "time_series_metric": "gauge"},
            }
        },
    },
}
SERIES_INDEX = {
    "settings": {
        "index.mode": "time_series",
        "index.routing_path": ["host"],
        "index.time_series.start_time": "2026-01-01T00:00:00Z",
        "index.time_series.end_time": "2026-01-02T00:00:00Z",
    },
    "mappings": SERIES_TEMPLATE["template"]["mappings"],  # type: ignore[index]
}


def nested(depth: int) -> bytes:
    """A document of objects inside each other."""
    return b'{"a":' * depth + b"1" + b"}" * depth


def flat_scenario(kind: str, engines: frozenset[str]) -> Scenario:
    return Scenario(
        f"a {kind} field takes conflicting attributes as keywords",
        (
            index({"properties": {"attributes": {"type": kind}}}),
            bulk(
                {"attributes": {"a": 1, "a.b": "two", "c": ["z", "y", "z"], "d": True, "e": 0.5, "f": {"g": "h"}}},
                {"attributes": {"a": "text", "f": "scalar", "empty": "", "nul": None}},
                {"attributes": {}},
            ),
            MAPPING,
            search(query={"term": {"attributes.a": "1"}}, _source=False),
            search(query={"term": {"attributes.a.b": "two"}}, _source=False),
            search(query={"term": {"attributes.f.g": "h"}}, _source=False),
            search(query={"term": {"attributes.c": "y"}}, _source=False),
            search(query={"term": {"attributes.d": "true"}}, _source=False),
            search(query={"term": {"attributes.nope": "h"}}, _source=False),
            search(query={"exists": {"field": "attributes.f"}}, _source=False),
            get("/{x}/_field_caps?fields=attributes"),
        ),
        engines,
    )
