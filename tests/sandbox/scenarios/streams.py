"""Data streams and time series."""

from __future__ import annotations

from tests.sandbox.scenarios.step import (
    EVERY,
    MODERN,
    SERIES_INDEX,
    SERIES_TEMPLATE,
    STREAM_TEMPLATE,
    Scenario,
    Step,
    get,
    lines,
    search,
)

SCENARIOS: tuple[Scenario, ...] = (
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
        "a data stream rolls over, and its documents are deleted where they lie",
        (
            Step("PUT", "/_index_template/{x}-t", STREAM_TEMPLATE),
            lines({"create": {"_index": "{x}", "_id": "1"}}, {"@timestamp": "2026-11-24T00:00:00Z", "run": "r"}),
            Step("POST", "/{x}/_rollover?filter_path=acknowledged,rolled_over,dry_run,old_index,new_index", {}),
            lines({"create": {"_index": "{x}", "_id": "1"}}, {"@timestamp": "2026-11-24T00:00:01Z", "run": "r"}),
            search(query={"term": {"run": "r"}}, docvalue_fields=["@timestamp"], sort=["@timestamp"]),
            get("/{x}/_settings/index.hidden?flat_settings=true"),
            get("/{x}?filter_path=*.data_stream"),
        ),
        EVERY - {"es7"},
    ),
)
