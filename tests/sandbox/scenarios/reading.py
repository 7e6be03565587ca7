"""Searches, doc values, fields, queries, flattened objects."""

from __future__ import annotations

from tests.sandbox.scenarios.step import (
    FIELDS,
    MODERN,
    OPEN,
    TYPED,
    Scenario,
    Step,
    bulk,
    flat_scenario,
    get,
    index,
    search,
    unsorted,
)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "number arrays come sorted with repeats, keywords sorted without",
        (
            bulk({"n": [3, 1, 2, 3], "k": ["b", "a", "b", "ä", "Z"], "b": [True, False, True]}),
            search(docvalue_fields=["n", "k.keyword", "b"]),
            search(fields=["n", "k", "b"], _source=False),
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
    flat_scenario("flattened", MODERN),
    flat_scenario("flat_object", OPEN),
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
