"""What values become: types from the first document, what later ones do to them."""

from __future__ import annotations

from tests.sandbox.scenarios.step import FIELDS, LONG_TEXT, MAPPING, TYPED, Scenario, bulk, get, index, search

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
)
