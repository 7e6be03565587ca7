"""Templates, settings, mappings, blocks, paths."""

from __future__ import annotations

from tests.sandbox.scenarios.step import EVERY, MAPPING, Scenario, Step, bulk, get, index, lines, search

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "parameters that an end point does not know are refused before anything else",
        (
            *(get(f"/{{x}}/{end}?foo=1&fields=n") for end in ("_mapping", "_settings", "_count", "_search")),
            *(
                get(f"/{{x}}{end}?foo=1")
                for end in ("", "/", "/_mapping", "/_settings/index.mode", "/_count", "/_search")
            ),
            search("/{x}/_search?foo=1&bar=2"),
            search("/_search?scrol"),
            *(get(f"/{path}?foo=1") for path in ("", "_cluster/health", "_cluster/settings", "_cat/health", "_search")),
        ),
    ),
    Scenario(
        "an index that is not there is a 404, in every way it is asked for, with or without a slash at the end",
        (
            *(get(f"/{{x}}{end}") for end in ("", "/", "/_mapping", "/_settings", "/_count", "/_search/", "/_alias")),
            get("/{x}?ignore_unavailable=true"),
            index(),
            get("/{x}/?filter_path=*.aliases"),
            search("/{x}/_search/"),
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
        "what a climb of the ladder asks of an index that is not there, and of one that is",
        (
            get("/{x}"),
            get("/{x}/_settings?flat_settings=true&filter_path=*.settings.index.blocks*"),
            get("/{x}/_settings/index.mode?flat_settings=true"),
            get("/{x}/_settings/index.refresh_interval?flat_settings=true&include_defaults=true"),
            get("/{x}/_field_caps?fields=*&ignore_unavailable=false"),
            Step("POST", "/_index_template/_simulate_index/{x}"),
            get(
                "/_cluster/settings?include_defaults=true&filter_path=*.cluster.blocks.read_only*,*.action.auto_create_index"
            ),
            bulk({"a": 1, "s": "x"}),
            get("/{x}?filter_path=*.mappings,*.aliases"),
            get("/{x}/_settings/index.mode?flat_settings=true"),
            Step("PUT", "/{x}/_settings", {"index.blocks.write": True}),
            get("/{x}/_settings/index.blocks.*?flat_settings=true"),
            Step("PUT", "/{x}/_settings", {"index.blocks.write": None}),
        ),
    ),
    Scenario(
        "what a template makes of an index, told before",
        (
            Step(
                "PUT",
                "/_index_template/{x}-t",
                {
                    "index_patterns": ["{x}*"],
                    "priority": 500,
                    "_meta": {"description": "d"},
                    "template": {
                        "settings": {"index.refresh_interval": "3s"},
                        "mappings": {
                            "_meta": {"magictel": 1},
                            "date_detection": False,
                            "properties": {
                                "a": {"type": "double"},
                                "o": {"properties": {"k": {"type": "keyword", "ignore_above": 8191}}},
                            },
                        },
                    },
                },
            ),
            Step(
                "POST",
                "/_index_template/_simulate_index/{x}?filter_path=template.mappings,overlapping,template.aliases,template.settings.index.refresh_interval",
            ),
            get("/_index_template/{x}-t"),
            bulk({"a": 1, "o": {"k": "2026-11-24", "n": "2026-11-24"}}),
            MAPPING,
            search(docvalue_fields=["a", "o.k"]),
            Step("PUT", "/{x}/_mapping", {"properties": {"a": {"type": "double"}, "b": {"type": "long"}}}),
            MAPPING,
        ),
    ),
)
