"""Named scenarios for the differential test: requests that engine and emulator must answer alike.

`{x}` in a path, an action or a body is the scenario's own index name. A step whose body is a list is a bulk.
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


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "dynamic types come from the first document",
        (
            bulk(
                {
                    "i": 1,
                    "d": 0.5,
                    "s": "x",
                    "b": True,
                    "t": "2026-11-24T03:04:05Z",
                    "o": {"p": 1, "q.r": "s"},
                    "n": None,
                    "e": [],
                }
            ),
            MAPPING,
            get("/{x}/_field_caps?fields=*"),
        ),
    ),
    Scenario(
        "a long truncates decimals and shows what it kept",
        (
            bulk(
                {"v": 1},
                {"v": 0.7},
                {"v": -3.9},
                {"v": "12"},
                {"v": "0.7"},
                {"v": 9007199254740993},
                {"v": ""},
                {"v": [3, 1, 3]},
            ),
            search(docvalue_fields=["v"]),
            FIELDS,
        ),
    ),
    Scenario(
        "a long refuses text, booleans, objects and numbers too large",
        (
            bulk({"v": 1}, {"v": "x"}, {"v": True}, {"v": {"w": 1}}, {"v": 2**63}, {"v": -(2**63)}, {"v": None}),
            MAPPING,
            FIELDS,
        ),
    ),
    Scenario(
        "decimals become 32-bit floats",
        (
            bulk(
                {"v": 0.1},
                {"v": 16777217.0},
                {"v": 1e-50},
                {"v": [0.5, -0.5, 0.5]},
                {"v": -0.0},
                {"v": 3},
                {"v": "0.25"},
            ),
            search(docvalue_fields=["v"]),
            FIELDS,
            bulk({"w": 0.5}, {"w": 2**53 + 1}, op="index"),
            search(docvalue_fields=["w"]),
        ),
    ),
    Scenario(
        "a dynamic decimal refuses what 32 bits cannot hold",
        (
            bulk({"v": 1e300}),
            bulk({"w": 0.5}, {"w": 1e300}, {"w": "NaN"}, {"w": "x"}, {"w": False}, {"w": {"a": 1}}),
            MAPPING,
        ),
    ),
    Scenario(
        "JSON has no NaN",
        (bulk(b'{"v":NaN}', b'{"v":Infinity}'),),
    ),
    Scenario(
        "a double keeps its bits",
        (
            index(TYPED),
            bulk(
                {"double": [1e300, -0.0, 0.0, 0.1, 2**53 + 1, 5e-324]},
                {"double": "1e3"},
                {"double": 1},
                {"double": "1e400"},
                {"double": True},
            ),
            search(docvalue_fields=["double"]),
            FIELDS,
        ),
    ),
    Scenario(
        "half floats and integers round and overflow",
        (
            index(TYPED),
            bulk(
                {"half": [0.1, 65504]},
                {"half": 70000},
                {"integer": 3.9},
                {"integer": 2**31},
                {"integer": -3.9},
                {"float": "1e39"},
                {"float": 0.1},
            ),
            search(docvalue_fields=["half", "integer", "float"]),
        ),
    ),
    Scenario(
        "number arrays come sorted with repeats, keywords sorted without",
        (
            bulk({"n": [3, 1, 2, 3], "k": ["b", "a", "b", "ä", "Z"], "b": [True, False, True]}),
            search(docvalue_fields=["n", "k.keyword", "b"]),
            search(fields=["n", "k", "b"], _source=False),
        ),
    ),
    Scenario(
        "text over 256 characters is stored and not found",
        (
            bulk({"s": LONG_TEXT}, {"s": "short"}, {"s": "k" * 256}, {"s": "😀" * 200}),
            search(docvalue_fields=["s.keyword"]),
            search(query={"term": {"s.keyword": LONG_TEXT}}),
            search(query={"term": {"s.keyword": "short"}}, _source=False),
            FIELDS,
        ),
    ),
    Scenario(
        "a text field among docvalue_fields is a 400 for the whole search",
        (
            bulk({"s": "x", "n": 1}),
            search(docvalue_fields=["s"]),
            search(docvalue_fields=["n", "s"]),
            search(docvalue_fields=["n"]),
        ),
    ),
    Scenario(
        "docvalue_fields of everything is a 400",
        (
            bulk({"n": 1}),
            search(docvalue_fields=["*"]),
            search(docvalue_fields=["n*"]),
            search(docvalue_fields=["nope", "n"]),
        ),
    ),
    Scenario(
        "more than a hundred docvalue_fields are a 400",
        (
            bulk({f"f{number:03d}": number for number in range(101)}),
            search(docvalue_fields=[f"f{number:03d}" for number in range(100)]),
            search(docvalue_fields=[f"f{number:03d}" for number in range(101)]),
            search(docvalue_fields=["f0*"]),
            search(docvalue_fields=["f*"]),
        ),
    ),
    Scenario(
        "fields without doc values are a 400 and are shown by fields",
        (
            index(TYPED),
            bulk({"bare": "v", "nothing": 7, "unindexed": "u", "text": "t"}),
            search(docvalue_fields=["bare"]),
            search(docvalue_fields=["nothing"]),
            search(docvalue_fields=["unindexed"]),
            FIELDS,
        ),
    ),
    Scenario(
        "a keyword's ignore_above is told on Elasticsearch",
        (
            index(TYPED),
            bulk({"keyword": ["toolong", "ok"]}, {"keyword": "toolong"}, {"keyword": 1.0}),
            search(docvalue_fields=["keyword"]),
            FIELDS,
        ),
    ),
    Scenario(
        "ignore_malformed answers 201 and leaves the value out",
        (
            index(
                {
                    "properties": {
                        "v": {"type": "long", "ignore_malformed": True},
                        "w": {"type": "double"},
                        "d": {"type": "date", "ignore_malformed": True},
                    }
                }
            ),
            bulk({"v": "x", "w": 1}, {"v": [4, "y"], "w": 2}, {"v": True}, {"d": "monday"}, {"w": "x"}),
            search(docvalue_fields=["v", "w", "d"]),
        ),
    ),
    Scenario(
        "ignore_malformed of a whole index",
        (
            index(
                {"properties": {"v": {"type": "long"}, "s": {"type": "keyword"}}},
                {"index.mapping.ignore_malformed": True},
            ),
            bulk({"v": "x", "s": "a"}, {"v": 1, "s": "b"}),
            search(docvalue_fields=["v", "s"]),
        ),
    ),
    Scenario(
        "dates are detected, and then nothing else is",
        (
            bulk(
                {"d": "2026-11-24"},
                {"d": "monday"},
                {"d": 5},
                {"d": True},
                {"d": ""},
                {"d": "2026-11-24T00:00:00.123456789Z"},
            ),
            search(docvalue_fields=["d"]),
            FIELDS,
        ),
    ),
    Scenario(
        "which texts look like dates",
        (
            bulk(
                {
                    "a": "2026-11-24T03:04:05Z",
                    "b": "2026-11",
                    "c": "2026",
                    "d": "2026/11/24",
                    "e": "2026-11-24T03",
                    "f": "2026-11-24 03:04:05",
                    "g": "2026/11/24 03:04:05",
                    "h": "20261124",
                    "i": "2026-11-24T03:04:05+01:00",
                    "j": "2026-13-24",
                    "k": "2026-11-24T03:04:05.123456789Z",
                    "l": "1.2.3",
                    "m": "2026-11-24Z",
                    "n": "26-11-24",
                }
            ),
            MAPPING,
        ),
    ),
    Scenario(
        "date formats and zones in doc values",
        (
            index(TYPED),
            bulk(
                {
                    "@timestamp": "2026-11-24T03:04:05.123456789Z",
                    "nanos": "2026-11-24T03:04:05.123456789Z",
                    "millis": 1700000000123,
                },
                {"@timestamp": 1700000000123, "nanos": "2026-11-24T03:04:05Z", "millis": "1700000000123"},
                {"@timestamp": "2026-11-24T03:04:05+01:00"},
                {"@timestamp": "2026-11-24"},
                {"@timestamp": "yesterday"},
                {"millis": "2026-11-24"},
            ),
            search(docvalue_fields=["@timestamp", "nanos", "millis"]),
            search(
                docvalue_fields=[
                    {"field": "@timestamp", "format": "epoch_millis"},
                    {"field": "nanos", "format": "strict_date_optional_time_nanos"},
                ]
            ),
        ),
    ),
    Scenario(
        "a number as @timestamp is mapped as long",
        (bulk({"@timestamp": 1700000000123}), MAPPING, search(docvalue_fields=["@timestamp"])),
    ),
    Scenario(
        "date_detection off keeps text",
        (index({"date_detection": False}), bulk({"d": "2026-11-24"}, {"d": "monday"}), MAPPING),
    ),
    Scenario(
        "numeric_detection reads numbers in text",
        (index({"numeric_detection": True}), bulk({"a": "12", "b": "0.5", "c": "x"}), MAPPING),
    ),
    Scenario(
        "a boolean refuses everything else",
        (
            bulk({"b": True}, {"b": "x"}, {"b": "true"}, {"b": 1}, {"b": ""}, {"b": {"c": 1}}, {"b": "false"}),
            search(docvalue_fields=["b"]),
        ),
    ),
    Scenario(
        "a text takes numbers and booleans, not objects",
        (bulk({"s": "x"}, {"s": 1}, {"s": True}, {"s": {"t": 1}}, {"s": 1.0}), search(docvalue_fields=["s.keyword"])),
    ),
    Scenario(
        "lists of mixed types are refused",
        (
            bulk({"a": [1, "x"]}),
            bulk({"a": ["x", 1]}),
            bulk({"a": [1, 1.5]}),
            bulk({"a": [True, "x"]}),
            bulk({"a": [1.5, 1]}),
        ),
    ),
    Scenario(
        "a list of objects and scalars is refused",
        (bulk({"a": [{"b": 1}, 2]}), bulk({"a": [2, {"b": 1}]}), bulk({"a": [[1, 2], [3]]}), MAPPING),
    ),
    Scenario(
        "a beside a.b in one document",
        (bulk({"a": 1, "a.b": 2}), bulk({"a.b": 2, "a": 1}), bulk({"attributes": {"a": "x", "a.b": "y"}})),
    ),
    Scenario(
        "a first, then a.b",
        (bulk({"n": 1, "s": "x"}, {"n.b": 2}, {"s.b": 2}, {"n": {"b": 2}}, {"n.b.c": "deep"}), MAPPING),
    ),
    Scenario(
        "a.b first, then a",
        (
            bulk({"a.b": 1}, {"a": 2}, {"a": "s"}, {"a": None}, {"a": {"c": 1}}, {"a": [{"b": 2}, {"b": 3}]}),
            MAPPING,
            search(docvalue_fields=["a.b", "a.c"]),
        ),
    ),
    Scenario(
        "empty and blank names",
        (
            bulk(
                {"": 1}, {"x": {"": 1}}, {" ": 1}, {".": 1}, {".a": 1}, {"a.": 1}, {"a..b": 1}, {"a. .b": 1}, {"..": 1}
            ),
            MAPPING,
        ),
    ),
    Scenario(
        "the field limit counts objects and multi-fields",
        (
            index({"properties": {"@timestamp": {"type": "date"}}}, {"index.mapping.total_fields.limit": 4}),
            bulk({"a": 1, "b": 2, "c": 3, "d": 4}, {"o": {"p": 1}}, {"s": "x"}, {"a": 1}, {"t": "y"}, {"u": 1, "v": 1}),
            MAPPING,
        ),
    ),
    Scenario("repeated keys and broken JSON", (bulk(b'{"a":1,"a":2}', b'{"a":1,', b"[1]", b'{"a":}'),)),
    Scenario(
        "nulls, empty lists and empty objects make no field but an object",
        (bulk({"a": None}, {"b": []}, {"c": [None]}, {"d": {}}), MAPPING, search(query={"exists": {"field": "d"}})),
    ),
    Scenario(
        "dynamic false keeps and does not index",
        (
            index({"dynamic": False, "properties": {"a": {"type": "long"}}}),
            bulk({"a": 1, "b": 2}),
            MAPPING,
            FIELDS,
            search(query={"term": {"b": 2}}),
        ),
    ),
    Scenario(
        "dynamic strict refuses",
        (
            index(
                {
                    "dynamic": "strict",
                    "properties": {"a": {"type": "long"}, "o": {"properties": {"p": {"type": "long"}}}},
                }
            ),
            bulk({"a": 1}, {"b": 2}, {"o": {"q": 1}}, {"c.d": 1}),
        ),
    ),
    Scenario(
        "dynamic templates by path and by type",
        (
            index(
                {
                    "date_detection": False,
                    "dynamic_templates": [
                        {"doubles": {"match_mapping_type": "double", "mapping": {"type": "double"}}},
                        {
                            "whole": {
                                "path_match": "values.*",
                                "match_mapping_type": "long",
                                "mapping": {"type": "double"},
                            }
                        },
                        {
                            "attributes": {
                                "path_match": "attributes.*",
                                "match_mapping_type": "*",
                                "mapping": {"type": "keyword", "ignore_above": 1024},
                            }
                        },
                        {
                            "texts": {
                                "match_mapping_type": "string",
                                "unmatch": "*_text",
                                "mapping": {"type": "keyword"},
                            }
                        },
                    ],
                }
            ),
            bulk(
                {
                    "d": 0.1,
                    "values": {"i": 1},
                    "attributes": {"n": 1, "s": LONG_TEXT, "b": True},
                    "s": "x",
                    "a_text": "words here",
                    "i": 5,
                }
            ),
            MAPPING,
            search(docvalue_fields=["d", "values.i", "attributes.n", "attributes.s", "attributes.b", "s", "i"]),
        ),
    ),
    Scenario(
        "a repeat of a create is a 409",
        (
            bulk({"a": 1}),
            bulk({"a": 2}),
            search(docvalue_fields=["a"]),
            bulk({"a": 3}, op="index"),
            search(docvalue_fields=["a"], version=True, seq_no_primary_term=True),
        ),
    ),
    Scenario(
        "an id of 513 bytes refuses the whole request",
        (
            lines(
                {"create": {"_index": "{x}", "_id": "i" * 513}},
                {"a": 1},
                {"create": {"_index": "{x}", "_id": "ok"}},
                {"a": 1},
            ),
            lines({"create": {"_index": "{x}", "_id": "i" * 512}}, {"a": 1}),
        ),
    ),
    Scenario(
        "a bulk without its last newline",
        (Step("POST", "/_bulk", raw=b'{"create":{"_index":"{x}"}}\n{"a":1}', content_type="application/x-ndjson"),),
    ),
    Scenario(
        "an empty bulk",
        (
            Step("POST", "/_bulk", raw=b"", content_type="application/x-ndjson"),
            Step("POST", "/_bulk", raw=b"\n", content_type="application/x-ndjson"),
        ),
    ),
    Scenario(
        "an extra blank line at the end",
        (
            Step(
                "POST",
                "/_bulk?refresh=true",
                raw=b'{"create":{"_index":"{x}","_id":"1"}}\n{"a":1}\n\n',
                content_type="application/x-ndjson",
            ),
        ),
    ),
    Scenario(
        "malformed action lines",
        (
            lines({"creat": {"_index": "{x}"}}, {"a": 1}),
            lines({"create": {"_index": "{x}", "foo": 1}}, {"a": 1}),
            lines({"create": {"_index": "{x}", "_id": {"a": 1}}}, {"a": 1}),
            lines({"create": {}}, {"a": 1}),
            lines({}, {"a": 1}),
            Step("POST", "/_bulk", raw=b"garbage\n", content_type="application/x-ndjson"),
            lines({"delete": {"_index": "{x}"}}),
        ),
    ),
    Scenario(
        "the index may stand in the path, and PUT will do",
        (
            lines({"create": {"_id": "1"}}, {"a": 1}, path="/{x}/_bulk?refresh=true"),
            Step(
                "PUT", "/{x}/_bulk?refresh=true", [{"index": {"_id": "1"}}, {"a": 2}], content_type="application/json"
            ),
            search(docvalue_fields=["a"]),
        ),
    ),
    Scenario(
        "filter_path keeps the order of items",
        (bulk({"a": 1}, {"a": "x"}, {"a": 2}, query="filter_path=errors,items.*.error.type,items.*.status"),),
    ),
    Scenario(
        "deletes answer by item",
        (
            bulk({"a": 1}, {"a": 2}),
            lines({"delete": {"_index": "{x}", "_id": "0"}}, {"delete": {"_index": "{x}", "_id": "9"}}),
            search(docvalue_fields=["a"]),
        ),
    ),
    Scenario(
        "bad index names are refused by item",
        (
            lines(
                {"create": {"_index": "BAD"}},
                {"a": 1},
                {"create": {"_index": "_bad"}},
                {"a": 1},
                {"create": {"_index": "b d"}},
                {"a": 1},
            ),
        ),
    ),
    Scenario(
        "blocks refuse by item",
        tuple(
            step
            for block in ("write", "read_only", "read_only_allow_delete")
            for step in (
                index() if block == "write" else get("/{x}/_mapping"),
                Step("PUT", "/{x}/_settings", {f"index.blocks.{block}": True}),
                bulk({"a": 1}),
                Step("PUT", "/{x}/_settings", {f"index.blocks.{block}": None}),
            )
        ),
    ),
    Scenario(
        "what is not indexed, or only by doc values, is searched so",
        (
            index(TYPED),
            bulk({"unindexed": "u", "nothing": 7, "bare": "v"}),
            search(query={"term": {"unindexed": "u"}}),
            search(query={"term": {"nothing": 7}}),
            search(query={"term": {"bare": "v"}}),
            get("/{x}/_field_caps?fields=unindexed,nothing,bare"),
        ),
    ),
    Scenario(
        "queries for reading back",
        (
            index(TYPED),
            bulk(
                {
                    "keyword": "a",
                    "long": 1,
                    "@timestamp": "2026-11-24T00:00:00Z",
                    "text": "Hello brave world",
                    "bool": True,
                    "double": 0.5,
                },
                {
                    "keyword": ["b", "c"],
                    "long": 2,
                    "@timestamp": "2026-11-25T00:00:00Z",
                    "text": "hello",
                    "bool": False,
                },
                {"keyword": "c", "long": [3, 30], "ip": "::1"},
            ),
            *(
                search(query=query, _source=False)
                for query in (
                    {"term": {"keyword": "c"}},
                    {"term": {"keyword": {"value": "a"}}},
                    {"terms": {"keyword": ["a", "b"]}},
                    {"term": {"long": 30}},
                    {"term": {"long": "2"}},
                    {"term": {"long": 2.5}},
                    {"term": {"bool": True}},
                    {"term": {"double": 0.5}},
                    {"match": {"text": "HELLO there"}},
                    {"term": {"text": "Hello"}},
                    {"term": {"text": "hello"}},
                    {"match_phrase": {"text": "brave world"}},
                    {"ids": {"values": ["0", "2", "9"]}},
                    {"exists": {"field": "ip"}},
                    {"exists": {"field": "text"}},
                    {"match_all": {}},
                    {"match_none": {}},
                    {"range": {"long": {"gt": 1, "lte": 3}}},
                    {"range": {"@timestamp": {"gte": "2026-11-24T12:00:00Z"}}},
                    {"prefix": {"keyword": "b"}},
                    {"wildcard": {"keyword": "*"}},
                    {"bool": {"filter": [{"term": {"keyword": "c"}}, {"range": {"long": {"gte": 3}}}]}},
                    {"bool": {"must_not": {"term": {"keyword": "c"}}}},
                    {"bool": {"should": [{"term": {"long": 1}}, {"term": {"long": 2}}]}},
                    {"bool": {"must": [{"match_all": {}}], "should": [{"term": {"long": 1}}]}},
                    {"term": {"nope": 1}},
                    {"term": {"_id": "1"}},
                    {"bool": {}},
                    {"term": {"@timestamp": "2026-11-24T00:00:00Z"}},
                    {"constant_score": {"filter": {"term": {"long": 1}}}},
                )
            ),
        ),
    ),
    Scenario(
        "queries that are refused",
        (
            index(TYPED),
            bulk({"long": 1, "@timestamp": "2026-11-24T00:00:00Z"}),
            search(query={"foo": {}}),
            search(query={"term": {"long": "xx"}}),
            search(query={"range": {"@timestamp": {"gte": "monday"}}}),
            search(query={}),
            search(query={"term": {"long": 1}, "match_all": {}}),
            unsorted(foo={}),
            unsorted(size=10001),
            search("/no-such-{x}/_search"),
            search("/no-such-{x}*/_search"),
            search("/no-such-{x}/_search?ignore_unavailable=true"),
            get("/no-such-{x}/_mapping"),
            get("/no-such-{x}/_field_caps?fields=*"),
            get("/no-such-{x}/_count"),
            Step("POST", "/{x}/_count", {"size": 3}),
        ),
    ),
    Scenario(
        "sorting, paging and totals",
        (
            bulk({"n": 3, "s": "b"}, {"n": [1, 9], "s": "a"}, {"s": "c"}, {"n": 2.0}),
            search(sort=[{"n": "desc"}], _source=False),
            search(sort=["n"], _source=False),
            search(sort=[{"s.keyword": {"order": "asc"}}, {"n": "asc"}], _source=False),
            search(sort=["nope"]),
            search(sort=["s"]),
            search(sort=[{"nope": {"order": "asc", "unmapped_type": "long"}}], _source=False),
            search(size=2, _source=False),
            search(size=2, **{"from": 1}, _source=False),
            search(size=0),
            search(track_total_hits=False, size=1, _source=False),
            search(track_total_hits=2, size=0),
            search("/{x}/_search?size=1&filter_path=hits.total,hits.hits._id"),
            Step("POST", "/{x}/_count", {"query": {"term": {"n": 9}}}),
            get("/{x}/_count"),
        ),
    ),
    Scenario(
        "parts of the source",
        (
            bulk({"a": {"b": 1, "c": "x"}, "d": [1, 2], "e.f": 1}),
            search(_source=["a.b", "d"]),
            search(_source="a"),
            search(_source={"includes": ["a.*"], "excludes": ["a.c"]}),
            search(_source=False),
            search(_source=["e.f"]),
        ),
    ),
    Scenario(
        "a refresh interval of -1 shows nothing until a refresh",
        (
            index(None, {"index.refresh_interval": "-1"}),
            bulk({"a": 1}, query="timeout=10s"),
            search(),
            Step("POST", "/{x}/_refresh"),
            search(docvalue_fields=["a"]),
        ),
    ),
    Scenario(
        "templates compose",
        (
            Step(
                "PUT",
                "/_component_template/{x}-c",
                {
                    "template": {
                        "settings": {"index.mapping.total_fields.limit": 50},
                        "mappings": {"properties": {"a": {"type": "keyword"}, "b": {"type": "long"}}},
                    }
                },
            ),
            Step(
                "PUT",
                "/_index_template/{x}-t",
                {
                    "index_patterns": ["{x}*"],
                    "composed_of": ["{x}-c"],
                    "priority": 700,
                    "template": {"mappings": {"dynamic": False, "properties": {"b": {"type": "double"}}}},
                },
            ),
            bulk({"a": "x", "b": 0.5, "c": 1}),
            MAPPING,
            search(docvalue_fields=["a", "b"]),
            get("/_index_template/{x}-t"),
            get("/_component_template/{x}-c"),
            get("/_index_template/{x}-none"),
            Step(
                "PUT",
                "/_index_template/{x}-u",
                {"index_patterns": ["{x}u*"], "composed_of": ["{x}-none"], "priority": 701},
            ),
        ),
    ),
    Scenario(
        "mappings that are refused",
        (
            index({"properties": {"a": {"type": "nope"}}}),
            index({"properties": {"a": {"type": "long", "foo": 1}}}),
            index({"foo": {"a": 1}}),
            index({"properties": {"a": {"type": "long"}}}),
            index(),
            Step("PUT", "/{x}/_mapping", {"properties": {"a": {"type": "double"}}}),
            Step("PUT", "/{x}/_mapping", {"properties": {"a": {"properties": {"b": {"type": "long"}}}}}),
            Step("PUT", "/{x}/_mapping", {"properties": {"c": {"type": "double"}}}),
            MAPPING,
        ),
    ),
    Scenario("unknown settings are refused", (index(None, {"index.foo": 1}),)),
    Scenario(
        "data streams take only create, and need @timestamp",
        (
            Step("PUT", "/_index_template/{x}-t", STREAM_TEMPLATE),
            lines(
                {"create": {"_index": "{x}", "_id": "1"}},
                {"@timestamp": "2026-11-24T00:00:00Z", "run": "r"},
                {"index": {"_index": "{x}", "_id": "2"}},
                {"@timestamp": "2026-11-24T00:00:00Z", "run": "r"},
                {"create": {"_index": "{x}", "_id": "3"}},
                {"run": "no timestamp"},
                {"create": {"_index": "{x}", "_id": "4"}},
                {"@timestamp": ["2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"]},
                {"create": {"_index": "{x}", "_id": "1"}},
                {"@timestamp": "2026-11-24T00:00:00Z", "run": "again"},
                {"create": {"_index": "{x}", "_id": "5"}},
                {"@timestamp": 1700000000123, "run": 5},
            ),
            search(docvalue_fields=["@timestamp", "run"]),
            get("/{x}/_count"),
            get("/{x}/_field_caps?fields=run,@timestamp"),
            Step("DELETE", "/{x}"),
        ),
        EVERY - {"es7"},
    ),
    Scenario(
        "require_data_stream refuses a plain index",
        (lines({"create": {"_index": "{x}", "_id": "1"}}, {"a": 1}, path="/_bulk?require_data_stream=true"),),
    ),
    Scenario(
        "an unknown parameter is refused",
        (lines({"create": {"_index": "{x}", "_id": "1"}}, {"a": 1}, path="/_bulk?refrehs=true"),),
    ),
    Scenario(
        "a time-series stream makes its own ids and refuses others",
        (
            Step("PUT", "/_index_template/{x}-t", SERIES_TEMPLATE),
            lines(
                {"create": {"_index": "{x}"}},
                {"@timestamp": "{now}", "host": "h1", "value": 1.0},
                {"create": {"_index": "{x}"}},
                {"@timestamp": "{now}", "host": "h1", "value": 2.0},
                {"create": {"_index": "{x}", "_id": "own"}},
                {"@timestamp": "{now}", "host": "h2", "value": 1.0},
                {"create": {"_index": "{x}"}},
                {"@timestamp": "{now}", "value": 1.0},
                {"create": {"_index": "{x}"}},
                {"@timestamp": "{now}", "host": "h3", "value": "x"},
                {"create": {"_index": "{x}"}},
                {"host": "h4", "value": 1.0},
            ),
            search(docvalue_fields=["host", "value"], _source=False),
            get("/{x}/_field_caps?fields=host,value"),
        ),
        MODERN,
    ),
    Scenario(
        "a time-series stream has a window",
        (
            Step("PUT", "/_index_template/{x}-t", SERIES_TEMPLATE),
            lines(
                {"create": {"_index": "{x}"}},
                {"@timestamp": "2020-01-01T00:00:00Z", "host": "h1", "value": 1.0},
                {"create": {"_index": "{x}"}},
                {"@timestamp": "{now}", "host": "h1", "value": 2.0},
                {"create": {"_index": "{x}"}},
                {"@timestamp": "2036-01-01T00:00:00Z", "host": "h1", "value": 2.0},
            ),
        ),
        frozenset({"es8"}),
    ),
    Scenario(
        "a time-series index has a window",
        (
            Step("PUT", "/{x}", SERIES_INDEX),
            lines(
                {"create": {"_index": "{x}"}},
                {"@timestamp": "2026-01-01T12:00:00Z", "host": "h1", "value": 1.0},
                {"create": {"_index": "{x}"}},
                {"@timestamp": "2026-01-03T00:00:00Z", "host": "h1", "value": 1.0},
                {"create": {"_index": "{x}"}},
                {"@timestamp": "2025-12-31T00:00:00Z", "host": "h1", "value": 1.0},
                {"index": {"_index": "{x}"}},
                {"@timestamp": "2026-01-01T12:00:00Z", "host": "h1", "value": 3.0},
            ),
            search(docvalue_fields=["value"], _source=False),
        ),
        MODERN,
    ),
    flat_scenario("flattened", MODERN),
    flat_scenario("flat_object", OPEN),
    Scenario(
        "wrong paths and methods",
        (
            get("/_bulk"),
            Step("POST", "/v1/metrics", {"a": 1}),
            Step("POST", "/", {}),
            Step("POST", "/_nope/x", {}),
            get("/_bulk?x=1"),
        ),
        EVERY - {"es7"},
    ),
    Scenario(
        "wrong content types",
        tuple(
            Step("POST", "/_bulk", raw=b'{"create":{"_index":"{x}","_id":"1"}}\n{"a":1}\n', content_type=content_type)
            for content_type in ("text/plain", "", "application/json; charset=utf-8", "application/xml")
        ),
    ),
    Scenario(
        "dynamic_templates in the action",
        (
            lines(
                {"create": {"_index": "{x}", "_id": "1", "dynamic_templates": {"m.x": "gauge_long"}}}, {"m": {"x": 1}}
            ),
        ),
    ),
    Scenario(
        "an action without its document, an empty document, carriage returns",
        (
            Step("POST", "/_bulk", raw=b'{"create":{"_index":"{x}"}}\n', content_type="application/x-ndjson"),
            Step(
                "POST", "/_bulk", raw=b'{"create":{"_index":"{x}","_id":"0"}}\n\n', content_type="application/x-ndjson"
            ),
            Step(
                "POST",
                "/_bulk?refresh=true",
                raw=b'{"create":{"_index":"{x}","_id":"1"}}\r\n{"a":1}\r\n',
                content_type="application/x-ndjson",
            ),
            search(docvalue_fields=["a"]),
        ),
    ),
    Scenario(
        "a body that is announced as gzip and is not",
        (Step("POST", "/_bulk", raw=b"junk", content_type="application/x-ndjson", encoding="gzip"),),
    ),
    Scenario(
        "a pipeline that is not there",
        (
            bulk({"a": 1}, query="pipeline=nope"),
            bulk({"a": 1}, pipeline="nope"),
            bulk({"a": 1}, query="pipeline=_none"),
        ),
    ),
    Scenario(
        "routing is shown in hits",
        (
            bulk({"a": 1}, query="routing=r1&refresh=true"),
            bulk({"b": 1}, op="index", routing="r2"),
            search(),
            get("/{x}/_mapping"),
        ),
    ),
    Scenario(
        "data streams refuse routing, updates, deletes and plain creation",
        (
            Step("PUT", "/_index_template/{x}-t", STREAM_TEMPLATE),
            Step("PUT", "/{x}", {}),
            lines({"index": {"_index": "{x}"}}, {"@timestamp": "2026-11-24T00:00:00Z"}),
            lines({"create": {"_index": "{x}", "routing": "r"}}, {"@timestamp": "2026-11-24T00:00:00Z"}),
            lines({"create": {"_index": "{x}", "_id": "1"}}, {"@timestamp": "2026-11-24T00:00:00Z"}),
            lines({"delete": {"_index": "{x}", "_id": "1"}}),
            get("/{x}/_mapping"),
            Step("DELETE", "/_index_template/{x}-t"),
        ),
        EVERY - {"es7"},
    ),
    Scenario(
        "the engine's own fields may not stand in a document",
        (bulk({"_id": "x"}, {"_index": "y"}, {"_source": 1}, {"_foo": 1}, {"a": {"_id": 1}}), MAPPING),
    ),
    Scenario(
        "keywords keep numbers as they were written",
        (
            index({"properties": {name: {"type": "keyword"} for name in "abcdef"}}),
            bulk(b'{"a":1e3,"b":1.0,"c":1e300,"d":100000000.0,"e":0.0001,"f":true}'),
            search(docvalue_fields=list("abcdef")),
            search(query={"term": {"a": "1e3"}}, _source=False),
        ),
    ),
    Scenario(
        "a keyword of more than 32766 bytes is refused",
        (
            index({"properties": {"a": {"type": "keyword"}}}),
            bulk({"a": "v" * 33000}),
            bulk({"t": "v" * 33000}, op="index"),
        ),
    ),
    Scenario(
        "objects inside objects have a limit",
        (bulk(nested(25)), bulk(nested(18), op="index"), bulk(nested(20), op="index"), bulk(nested(21), op="index")),
    ),
    Scenario(
        "names have a limit where it is set",
        (
            index(None, {"index.mapping.field_name_length.limit": 30}),
            bulk({"n" * 31: 1}, {"m" * 30: 1}, {"o" * 10 + "." + "p" * 30: 1}),
        ),
    ),
    Scenario(
        "dynamic templates for several JSON types",
        (
            index(
                {
                    "dynamic_templates": [
                        {"t": {"match_mapping_type": ["long", "string"], "mapping": {"type": "keyword"}}}
                    ]
                }
            ),
            bulk({"a": 1, "b": "x", "c": 0.5}),
            MAPPING,
        ),
    ),
    Scenario(
        "a dynamic template without a JSON type takes objects too",
        (
            index({"dynamic_templates": [{"t": {"path_match": "attributes.*", "mapping": {"type": "keyword"}}}]}),
            bulk({"attributes": {"a": {"b": 1}}}, {"attributes": {"c": "x", "d": 1, "e": ["y", 2]}}),
            MAPPING,
            search(docvalue_fields=["attributes.c", "attributes.d", "attributes.e"]),
        ),
    ),
    Scenario(
        "dynamic templates fill in the type",
        (
            index(
                {"dynamic_templates": [{"t": {"match": "*", "mapping": {"type": "{dynamic_type}", "index": False}}}]}
            ),
            bulk({"a": 1, "b": "x", "c": 0.5, "d": True}),
            MAPPING,
        ),
    ),
    Scenario(
        "disabled objects, defaults for null, no coercion",
        (
            index(
                {
                    "properties": {
                        "off": {"type": "object", "enabled": False},
                        "nul": {"type": "long", "null_value": 7},
                        "exact": {"type": "long", "coerce": False},
                        "fixed": {"dynamic": False, "properties": {"x": {"type": "long"}}},
                        "strict": {"dynamic": "strict", "properties": {"x": {"type": "long"}}},
                    }
                }
            ),
            bulk(
                {"off": {"x": 1}, "nul": None},
                {"off": 5, "nul": [None, 2]},
                {"exact": 1.5},
                {"exact": "1"},
                {"exact": 1.0},
                {"fixed": {"x": 1, "y": 2}},
                {"strict": {"x": 1, "y": 2}},
            ),
            MAPPING,
            search(docvalue_fields=["nul", "exact", "fixed.x"]),
        ),
    ),
    Scenario(
        "fields beyond the limit may be ignored instead",
        (
            index(
                None,
                {"index.mapping.total_fields.limit": 2, "index.mapping.total_fields.ignore_dynamic_beyond_limit": True},
            ),
            bulk({"a": 1, "b": 2, "c": 3, "d": 4}, {"e": 1}),
            MAPPING,
            search(docvalue_fields=["a", "b"]),
        ),
        MODERN,
    ),
    Scenario(
        "dates at the edges",
        (
            index({"properties": {"d": {"type": "date"}, "n": {"type": "date_nanos"}}}),
            bulk(
                {"d": "9999-12-31T23:59:59Z"},
                {"d": "0001-01-01"},
                {"d": "1969-12-31T23:59:59.999Z"},
                {"n": "1960-01-01"},
                {"n": "2300-01-01"},
                {"d": "12345"},
            ),
            search(docvalue_fields=["d"]),
        ),
    ),
    Scenario(
        "settings are read and refused",
        (
            index(None, {"index.refresh_interval": "5s"}),
            get("/{x}/_settings/index.refresh_interval"),
            get("/{x}/_settings/index.mapping.total_fields.limit?include_defaults=true"),
            get("/{x}/_settings/index.mode?include_defaults=true"),
            Step("PUT", "/{x}/_settings", {"index": {"refresh_interval": "nope"}}),
            Step("PUT", "/{x}/_settings", {"index": {"foo": 1}}),
            Step("PUT", "/{x}/_settings", {"index": {"refresh_interval": None}}),
            get("/{x}/_settings/index.refresh_interval?include_defaults=true"),
            get("/{x}/_settings/index.refresh_interval?include_defaults=true&flat_settings=true"),
        ),
    ),
    Scenario(
        "templates that are refused",
        (
            Step("PUT", "/_index_template/{x}-t", {"index_patterns": ["{x}-*"], "priority": 9001}),
            Step("PUT", "/_index_template/{x}-u", {"index_patterns": ["{x}-a*"], "priority": 9001}),
            Step("PUT", "/_index_template/{x}-u", {"index_patterns": ["{x}-b*"], "priority": 9002, "foo": 1}),
            Step(
                "PUT",
                "/_index_template/{x}-u",
                {
                    "index_patterns": ["{x}-c*"],
                    "priority": 9003,
                    "template": {"mappings": {"properties": {"a": {"type": "nope"}}}},
                },
            ),
            Step("PUT", "/_index_template/{x}-u", {"priority": 9004}),
            Step("DELETE", "/_index_template/{x}-u"),
            Step("DELETE", "/_component_template/{x}-u"),
            get("/_template/{x}-none"),
        ),
    ),
    Scenario(
        "legacy templates",
        (
            Step(
                "PUT",
                "/_template/{x}-t",
                {
                    "index_patterns": ["{x}*"],
                    "order": 1,
                    "settings": {"index.refresh_interval": "7s"},
                    "mappings": {"properties": {"a": {"type": "keyword"}}},
                },
            ),
            get("/_template/{x}-t"),
            bulk({"a": 1}),
            MAPPING,
            get("/{x}/_settings/index.refresh_interval"),
            Step("DELETE", "/_template/{x}-t"),
        ),
    ),
    Scenario(
        "documents by id, at once",
        (bulk({"a": 1}, query="timeout=9s"), get("/{x}/_doc/0"), get("/{x}/_doc/9"), get("/no-{x}/_doc/9")),
    ),
    Scenario(
        "aliases stand for their index",
        (
            bulk({"a": 1}),
            Step("PUT", "/{x}/_alias/{x}-al"),
            get("/{x}-al/_mapping"),
            search("/{x}-al/_search", docvalue_fields=["a"]),
            lines({"create": {"_index": "{x}-al", "_id": "7"}}, {"a": 2}),
        ),
    ),
    Scenario(
        "security is not there",
        (
            get("/_plugins/_security/authinfo"),
            Step("POST", "/_security/user/_has_privileges", {"cluster": ["monitor"]}),
            lines({"create": {"_index": "{x}"}}, {"a": 1}, path="/_bulk?perform_permission_check=true"),
        ),
        EVERY - {"es7"},
    ),
    Scenario(
        "what flattened shows",
        (
            index({"properties": {"attributes": {"type": "flattened"}}}),
            bulk(
                {
                    "attributes": {
                        "a": 1,
                        "a.b": "two",
                        "c": ["z", "y", "z"],
                        "d": True,
                        "e": 0.5,
                        "f": {"g": "h"},
                        "t": 1e300,
                        "n": -0.0,
                    }
                },
                {"attributes": {"a": "text", "": "e"}},
                {"attributes": 5},
                {"attributes": ["x"]},
                {"attributes": [{"x": 1}, {"x": 2}]},
                {"attributes": {"v": "v" * 33000}},
                {"attributes": {"k" * 33000: "v"}},
            ),
            search(docvalue_fields=["attributes"]),
            search(
                docvalue_fields=[
                    "attributes.a",
                    "attributes.a.b",
                    "attributes.c",
                    "attributes.f.g",
                    "attributes.x",
                    "attributes.t",
                    "attributes.n",
                    "attributes.nope",
                ]
            ),
            search(fields=["attributes"], _source=False),
            search(fields=["attributes.a", "attributes.c", "attributes.f.g"], _source=False),
            search(query={"term": {"attributes": "two"}}, _source=False),
            search(query={"terms": {"attributes.c": ["y"]}}, _source=False),
            search(query={"exists": {"field": "attributes"}}, _source=False),
            search(sort=["attributes.a"], _source=False),
            get("/{x}/_field_caps?fields=attributes.a"),
        ),
        MODERN,
    ),
    Scenario(
        "what flat_object shows",
        (
            index({"properties": {"attributes": {"type": "flat_object"}}}),
            bulk(
                {
                    "attributes": {
                        "a": 1,
                        "a.b": "two",
                        "c": ["z", "y", "z"],
                        "d": True,
                        "e": 0.5,
                        "f": {"g": "h"},
                        "t": 1e300,
                        "n": -0.0,
                    }
                },
                {"attributes": {"a": "text"}},
                {"attributes": 5},
                {"attributes": ["x"]},
                {"attributes": {"v": "v" * 33000}},
                {"attributes": {"k" * 33000: "v"}},
            ),
            search(docvalue_fields=["attributes"]),
            search(
                docvalue_fields=[
                    "attributes.a",
                    "attributes.a.b",
                    "attributes.c",
                    "attributes.f.g",
                    "attributes.t",
                    "attributes.n",
                    "attributes.nope",
                ]
            ),
            search(query={"term": {"attributes": "two"}}, _source=False),
            search(query={"terms": {"attributes.c": ["y"]}}, _source=False),
            search(query={"exists": {"field": "attributes"}}, _source=False),
            get("/{x}/_field_caps?fields=attributes.a"),
        ),
        OPEN,
    ),
)
