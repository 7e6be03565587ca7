"""`_bulk` requests and their items."""

from __future__ import annotations

from tests.sandbox.scenarios.step import MAPPING, Scenario, Step, bulk, get, index, lines, search

SCENARIOS: tuple[Scenario, ...] = (
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
        "an unknown parameter is refused",
        (lines({"create": {"_index": "{x}", "_id": "1"}}, {"a": 1}, path="/_bulk?refrehs=true"),),
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
        "routing chooses the shard of several, and an operation with another one misses",
        (
            index(settings={"number_of_shards": 3}),
            lines(
                *(
                    part
                    for number in range(6)
                    for part in (
                        {"create": {"_index": "{x}", "_id": str(number), "routing": f"r{number % 2}"}},
                        {"n": number},
                    )
                )
            ),
            lines(
                {"delete": {"_index": "{x}", "_id": "0", "routing": "b"}},
                {"delete": {"_index": "{x}", "_id": "1"}},
                {"delete": {"_index": "{x}", "_id": "2", "routing": "r0"}},
                {"delete": {"_index": "{x}", "_id": "2", "routing": "r0"}},
                {"create": {"_index": "{x}", "_id": "2", "routing": "r0"}},
                {"n": 7},
                {"create": {"_index": "{x}", "_id": "3", "routing": "b"}},
                {"n": 8},
                {"create": {"_index": "{x}", "_id": "3", "routing": "r1"}},
                {"n": 9},
            ),
            lines({"delete": {"_id": "4"}}, path="/{x}/_bulk?routing=r0&refresh=true"),
            search(sort=["n"], version=True, seq_no_primary_term=True),
            get("/{x}/_doc/3"),
            get("/{x}/_doc/3?routing=b"),
            get("/{x}/_doc/3?routing=r1"),
        ),
    ),
    Scenario(
        "a mapping requires routing",
        (
            index({"_routing": {"required": True}}, {"number_of_shards": 3}),
            bulk({"n": 0}),
            bulk({"n": 0}, {"n": 1}, routing="r0"),
            lines({"delete": {"_index": "{x}", "_id": "0"}}, {"delete": {"_index": "{x}", "_id": "1", "routing": "b"}}),
            search(sort=["n"]),
            get("/{x}/_doc/0"),
            get("/{x}/_doc/0?routing=r0"),
            MAPPING,
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
)
