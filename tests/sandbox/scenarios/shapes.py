"""Names, objects, lists, limits and dynamic templates."""

from __future__ import annotations

from tests.sandbox.scenarios.step import FIELDS, LONG_TEXT, MAPPING, MODERN, Scenario, bulk, index, nested, search

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "a long refuses text, booleans, objects and numbers too large",
        (
            bulk({"v": 1}, {"v": "x"}, {"v": True}, {"v": {"w": 1}}, {"v": 2**63}, {"v": -(2**63)}, {"v": None}),
            MAPPING,
            FIELDS,
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
        "the engine's own fields may not stand in a document",
        (bulk({"_id": "x"}, {"_index": "y"}, {"_source": 1}, {"_foo": 1}, {"a": {"_id": 1}}), MAPPING),
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
)
