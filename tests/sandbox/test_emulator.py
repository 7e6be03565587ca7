"""What no engine here can be brought to show on demand, and what tests set: visibility, health, windows, security."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from magictel.http.wire import Reply, Request
from tests.emulators.elasticsearch import Principal, SearchEmulator, Security
from tests.fake_clock import FakeClock

NDJSON = {"content-type": "application/x-ndjson"}


def ask(
    emulator: SearchEmulator, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Reply:
    sent = dict(headers or {})
    content = b""
    if isinstance(body, bytes):
        content = body
        sent = {**NDJSON, **sent}
    elif isinstance(body, list):
        content = b"".join(json.dumps(line).encode() + b"\n" for line in body)
        sent = {**NDJSON, **sent}
    elif body is not None:
        content = json.dumps(body).encode()
        sent = {"content-type": "application/json", **sent}
    return emulator.handle(Request(method, f"http://emulator:9200{path}", sent, content))


def hits(emulator: SearchEmulator, index: str = "x") -> int:
    return int(ask(emulator, "POST", f"/{index}/_search", {}).json()["hits"]["total"]["value"])


CREATE = [{"create": {"_index": "x", "_id": "1"}}, {"a": 1}]


def test_a_write_is_seen_after_the_refresh_interval() -> None:
    clock = FakeClock()
    emulator = SearchEmulator(clock=clock)
    assert ask(emulator, "POST", "/_bulk", CREATE).json()["errors"] is False
    assert hits(emulator) == 0
    assert len(emulator.documents("x")) == 1
    clock.pass_time(0.9)
    assert hits(emulator) == 0
    clock.pass_time(0.2)
    assert hits(emulator) == 1


@pytest.mark.parametrize(("interval", "seconds"), [("5s", 5), ("200ms", 0.2), ("1m", 60)])
def test_the_refresh_interval_is_the_indexs_own(interval: str, seconds: float) -> None:
    clock = FakeClock()
    emulator = SearchEmulator(clock=clock)
    ask(emulator, "PUT", "/x", {"settings": {"index.refresh_interval": interval}})
    ask(emulator, "POST", "/_bulk", CREATE)
    clock.pass_time(seconds * 0.9)
    assert hits(emulator) == 0
    clock.pass_time(seconds * 0.2)
    assert hits(emulator) == 1


def test_an_interval_of_minus_one_never_shows_anything_by_itself() -> None:
    clock = FakeClock()
    emulator = SearchEmulator(clock=clock)
    ask(emulator, "PUT", "/x", {"settings": {"refresh_interval": -1}})
    ask(emulator, "POST", "/_bulk", CREATE)
    clock.pass_time(1e6)
    assert hits(emulator) == 0
    emulator.refresh()
    assert hits(emulator) == 1


def test_the_backends_clock_is_the_injected_one() -> None:
    emulator = SearchEmulator(clock=FakeClock(1_700_000_000.9))
    assert ask(emulator, "GET", "/_cat/health?h=epoch").text == "1700000000\n"


@pytest.mark.parametrize("status", ["green", "yellow", "red"])
def test_health_is_what_a_test_sets(status: Any) -> None:
    emulator = SearchEmulator()
    emulator.health.status = status
    assert ask(emulator, "GET", "/_cluster/health").json()["status"] == status


def test_health_is_told_from_replicas_where_nothing_is_set() -> None:
    emulator = SearchEmulator()
    assert ask(emulator, "GET", "/_cluster/health").json()["status"] == "green"
    ask(emulator, "PUT", "/x", {})
    assert ask(emulator, "GET", "/_cluster/health").json()["status"] == "yellow"
    ask(emulator, "PUT", "/x/_settings", {"number_of_replicas": 0})
    assert ask(emulator, "GET", "/_cluster/health").json()["status"] == "green"


def test_health_timed_out_no_master_and_serverless() -> None:
    emulator = SearchEmulator()
    emulator.health.timed_out = True
    timed_out = ask(emulator, "GET", "/_cluster/health")
    assert (timed_out.status, timed_out.json()["timed_out"]) == (408, True)
    emulator.health.master = False
    headless = ask(emulator, "GET", "/_cluster/health")
    assert (headless.status, headless.json()["error"]["reason"]) == (503, None)
    assert headless.json()["error"]["type"] == "master_not_discovered_exception"
    emulator.health.serverless = True
    serverless = ask(emulator, "GET", "/_cluster/health")
    assert serverless.status == 410
    assert serverless.json()["error"]["type"] == "api_not_available_exception"
    assert ask(emulator, "GET", "/").json()["version"]["build_flavor"] == "serverless"


def test_flood_stage_shows_in_items_and_in_the_report_not_in_the_status() -> None:
    emulator = SearchEmulator()
    ask(emulator, "PUT", "/x", {"settings": {"index.blocks.read_only_allow_delete": True}})
    item = ask(emulator, "POST", "/_bulk", CREATE).json()["items"][0]["create"]
    assert (item["status"], item["error"]["type"]) == (429, "cluster_block_exception")
    assert "flood-stage" in item["error"]["reason"]
    assert ask(emulator, "GET", "/_health_report").json()["indicators"]["disk"]["status"] == "red"
    assert ask(emulator, "GET", "/_cluster/health").json()["status"] == "yellow"


def test_the_breaker_refuses_the_whole_request() -> None:
    emulator = SearchEmulator()
    emulator.health.breaker = True
    refused = ask(emulator, "POST", "/_bulk", CREATE)
    assert (refused.status, refused.json()["error"]["type"]) == (429, "circuit_breaking_exception")
    assert refused.json()["error"]["durability"] == "TRANSIENT"


def test_too_large_counts_the_decompressed_body_and_says_nothing() -> None:
    emulator = SearchEmulator(max_content_length=1000)
    big = json.dumps({"create": {"_index": "x"}}).encode() + b"\n" + json.dumps({"pad": "x" * 5000}).encode() + b"\n"
    for body, headers in ((big, NDJSON), (gzip.compress(big), {**NDJSON, "content-encoding": "gzip"})):
        reply = ask(emulator, "POST", "/_bulk", body, headers)
        assert (reply.status, reply.body, "content-type" in reply.headers) == (413, b"", False)
    small = gzip.compress(b'{"create":{"_index":"x"}}\n{"a":1}\n')
    assert ask(emulator, "POST", "/_bulk", small, {**NDJSON, "content-encoding": "gzip"}).json()["errors"] is False


def test_the_window_of_a_time_series_stream_lies_around_the_clock() -> None:
    clock = FakeClock(1_795_000_000)
    emulator = SearchEmulator(clock=clock)
    mappings = {"properties": {"host": {"type": "keyword", "time_series_dimension": True}}}
    template = {"settings": {"index.mode": "time_series"}, "mappings": mappings}
    body = {"index_patterns": ["metrics-*"], "data_stream": {}, "priority": 1, "template": template}
    assert ask(emulator, "PUT", "/_index_template/t", body).ok
    statuses = []
    for offset in (0, -3600, -3 * 3600, 3600):
        moment = {"@timestamp": (1_795_000_000 + offset) * 1000, "host": "h"}
        item = ask(emulator, "POST", "/_bulk", [{"create": {"_index": "metrics-x"}}, moment]).json()["items"][0][
            "create"
        ]
        statuses.append((item["status"], item.get("error", {}).get("type")))
    assert statuses == [(201, None), (201, None), (400, "timestamp_error"), (400, "timestamp_error")]


def test_auto_create_may_be_refused() -> None:
    emulator = SearchEmulator()
    ask(emulator, "PUT", "/_cluster/settings", {"persistent": {"action.auto_create_index": ".*,metrics-*"}})
    item = ask(emulator, "POST", "/_bulk", CREATE).json()["items"][0]["create"]
    assert (item["status"], item["error"]["type"]) == (404, "index_not_found_exception")
    assert "[action.auto_create_index] ([.*,metrics-*]) doesn't match" in item["error"]["reason"]


def test_delete_by_query_deletes_what_a_search_sees() -> None:
    emulator = SearchEmulator()
    ask(emulator, "POST", "/_bulk?refresh=true", [*CREATE, {"create": {"_index": "x", "_id": "2"}}, {"a": 2}])
    gone = ask(emulator, "POST", "/x/_delete_by_query", {"query": {"term": {"a": 2}}}).json()
    assert (gone["deleted"], [document["_id"] for document in emulator.documents()]) == (1, ["1"])
    assert ask(emulator, "POST", "/x/_delete_by_query", {}).status == 400


SECURITY = Security(
    users={"elastic": Principal("secret-pw", ("all",), {"*": ("all",)}), "old": Principal("old-pw", state="disabled")},
    api_keys={
        "writer": Principal("k1", (), {"metrics-*": ("auto_configure", "create_doc")}),
        "gone": Principal("k2", state="invalidated"),
        "late": Principal("k3", state="expired"),
    },
    tokens={"good-token": Principal("", ("monitor",), {})},
)


def key(name: str, secret: str) -> dict[str, str]:
    return {"authorization": "ApiKey " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def basic(name: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ({"authorization": "ApiKey writer:k1"}, "API key: Illegal base64 character 3a"),
        ({"authorization": "ApiKey d3JpdGVy"}, "API key: invalid ApiKey value"),
        (key("nobody", "k1"), "API key: unable to find apikey with id nobody"),
        (key("writer", "wrong"), "API key: invalid credentials for API key [writer]"),
        (key("gone", "k2"), "API key: api key [gone] has been invalidated"),
        (key("late", "k3"), "API key: api key is expired"),
    ],
)
def test_why_an_api_key_fails_stands_beside_the_reason(headers: dict[str, str], cause: str) -> None:
    refused = ask(SearchEmulator(security=SECURITY), "GET", "/", headers=headers)
    assert refused.status == 401
    assert refused.json()["error"]["reason"].startswith("unable to authenticate with provided credentials")
    assert refused.json()["error"]["additional_unsuccessful_credentials"] == cause
    assert "X-elastic-product" not in refused.headers


def test_users_and_tokens_are_told_apart() -> None:
    emulator = SearchEmulator(security=SECURITY)
    assert ask(emulator, "GET", "/", headers=basic("elastic", "secret-pw")).ok
    assert ask(emulator, "GET", "/", headers={"authorization": "Bearer good-token"}).ok
    for headers in (basic("elastic", "no"), basic("old", "old-pw"), basic("nobody", "x")):
        assert "unable to authenticate user" in ask(emulator, "GET", "/", headers=headers).json()["error"]["reason"]
    assert "missing authentication" in ask(emulator, "GET", "/").json()["error"]["reason"]


def test_opensearchs_plugin_says_401_in_plain_text_and_403_in_its_own_words() -> None:
    emulator = SearchEmulator("opensearch", "2.19.4", security=SECURITY)
    refused = ask(emulator, "GET", "/")
    assert (refused.status, refused.text, refused.content_type) == (401, "Unauthorized", "text/plain")
    users = {"limited": {"password": "p", "index": {"metrics-*": ["create_doc"]}}}
    limited = SearchEmulator("opensearch", security={"users": users})
    denied = ask(limited, "GET", "/", headers=basic("limited", "p"))
    assert denied.status == 403
    assert denied.json()["error"]["reason"].startswith(
        "no permissions for [cluster:monitor/main] and User [name=limited"
    )
    assert (
        ask(limited, "GET", "/_plugins/_security/authinfo", headers=basic("limited", "p")).json()["user_name"]
        == "limited"
    )


def test_the_permission_check_answers_without_writing_from_3_2_on() -> None:
    users = {"w": {"password": "p", "index": {"metrics-*": ["auto_configure", "create_doc"]}}}
    for version, index, expected in (
        ("3.3.0", "metrics-a", (200, True)),
        ("3.3.0", "other", (200, False)),
        ("2.19.4", "metrics-a", (400, None)),
    ):
        emulator = SearchEmulator("opensearch", version, security={"users": users})
        body = [{"create": {"_index": index}}, {"a": 1}]
        reply = ask(emulator, "POST", "/_bulk?perform_permission_check=true", body, basic("w", "p"))
        assert (reply.status, reply.json().get("accessAllowed")) == expected
        assert emulator.documents() == []


def test_secrets_of_principals_are_not_printed() -> None:
    assert "secret-pw" not in repr(SECURITY)
    assert "k1" not in repr(SECURITY)


def test_documents_gives_sources_with_ids_whatever_is_visible() -> None:
    emulator = SearchEmulator()
    ask(emulator, "POST", "/_bulk", [*CREATE, {"create": {"_index": "y", "_id": "2"}}, {"b": [1, 2]}])
    assert emulator.documents() == [{"a": 1, "_id": "1", "_index": "x"}, {"b": [1, 2], "_id": "2", "_index": "y"}]
    assert emulator.documents("y") == [{"b": [1, 2], "_id": "2", "_index": "y"}]
    assert emulator.documents("nothing") == []


def test_threads_may_share_it() -> None:
    emulator = SearchEmulator()

    def send(number: int) -> bool:
        lines = [{"create": {"_index": "x", "_id": str(number)}}, {f"f{number}": number}]
        return bool(ask(emulator, "POST", "/_bulk", lines).json()["errors"])

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(send, range(100)))
    assert len(emulator.documents()) == 100
    assert len(ask(emulator, "GET", "/x/_mapping").json()["x"]["mappings"]["properties"]) == 100
