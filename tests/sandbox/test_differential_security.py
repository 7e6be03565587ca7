"""The emulator's security against a real Elasticsearch 8 with security: who gets which 401 and 403, word for word."""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from magictel.sandbox.server import Server
from tests.emulators.elasticsearch import Principal, SearchEmulator, Security
from tests.sandbox.replay import comparable

HOW = "start_search.sh --with es8sec -- python -m pytest -m real tests/sandbox/test_differential_security.py"
WRITER = {"mts-*": ("auto_configure", "create_doc")}
KEYS: dict[str, dict[str, tuple[str, ...]]] = {
    "writer": WRITER,
    "no-auto": {"mts-*": ("create_doc",)},
    "reader": {"mts-*": ("read", "view_index_metadata")},
    "invalidated": {"*": ("all",)},
}


class Pair:
    """The two sides, and the credentials that both know."""

    def __init__(self, real: httpx.Client, emulated: httpx.Client, credentials: dict[str, str]) -> None:
        self.real, self.emulated, self.credentials = real, emulated, credentials

    def both(self, who: str, method: str, path: str, body: Any = None) -> tuple[Any, Any]:
        return (
            answer(self.real, self.credentials[who], method, path, body),
            answer(self.emulated, self.credentials[who], method, path, body),
        )


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    url = os.environ.get("MT_ESSEC_URL")
    if url is None:
        pytest.skip(f"no Elasticsearch with security here (MT_ESSEC_URL is not set); this runs it: {HOW}")
    trust = ssl.create_default_context(cafile=os.environ["MT_ESSEC_CA"])
    admin = basic(os.environ["MT_ESSEC_USER"], os.environ["MT_ESSEC_PASSWORD"])
    with httpx.Client(base_url=url, timeout=60, trust_env=False, verify=trust) as real:
        put = {"headers": {"authorization": admin}}
        keys = {}
        for name, index in KEYS.items():
            descriptor = {
                "index": [{"names": [pattern], "privileges": list(granted)} for pattern, granted in index.items()]
            }
            reply = real.post("/_security/api_key", json={"name": name, "role_descriptors": {"r": descriptor}}, **put)
            keys[name] = reply.json()
        real.request("DELETE", "/_security/api_key", json={"ids": [keys["invalidated"]["id"]]}, **put)
        real.put(
            "/_security/user/mts_off", json={"password": "disabled-pw", "roles": ["viewer"], "enabled": False}, **put
        )
        security = Security(
            users={
                "elastic": Principal(os.environ["MT_ESSEC_PASSWORD"], ("all",), {"*": ("all",)}),
                "mts_off": Principal("disabled-pw", state="disabled"),
            },
            api_keys={
                key["id"]: Principal(
                    key["api_key"], index=KEYS[name], state="invalidated" if name == "invalidated" else "valid"
                )
                for name, key in keys.items()
            },
        )
        credentials = {name: f"ApiKey {key['encoded']}" for name, key in keys.items()} | {
            "nobody": "",
            "admin": admin,
            "wrong-password": basic("elastic", "no"),
            "unknown-user": basic("somebody", "no"),
            "disabled-user": basic("mts_off", "disabled-pw"),
            "basic-without-colon": "Basic YWJj",
            "key-raw": f"ApiKey {keys['writer']['id']}:{keys['writer']['api_key']}",
            "key-without-colon": "ApiKey YWJj",
            "key-unknown": "ApiKey YWJjOmRlZg==",
            "key-wrong-secret": "ApiKey " + base64.b64encode(f"{keys['writer']['id']}:wrong".encode()).decode(),
            "bearer": "Bearer junk",
            "scheme": "Foo bar",
        }
        with (
            Server(SearchEmulator(version="8.19.0", security=security)) as server,
            httpx.Client(base_url=server.origin, timeout=60, trust_env=False) as emulated,
        ):
            yield Pair(real, emulated, credentials)


@pytest.mark.real
@pytest.mark.parametrize(
    "who",
    ["nobody", "wrong-password", "unknown-user", "disabled-user", "basic-without-colon", "key-raw", "key-without-colon",
     "key-unknown", "key-wrong-secret", "invalidated", "bearer", "scheme"],
)  # fmt: skip
def test_refused_credentials_are_refused_in_the_same_words(pair: Pair, who: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/_cluster/health"), ("GET", "/_security/_authenticate")):
        real, emulated = pair.both(who, method, path)
        assert real["status"] == 401
        assert emulated == real


@pytest.mark.real
def test_a_write_only_key_may_write_and_nothing_else(pair: Pair) -> None:
    index = f"mts-{uuid.uuid4().hex[:8]}"
    wanted = {
        "cluster": ["monitor"],
        "index": [{"names": [index], "privileges": ["auto_configure", "create_doc", "read"]}],
    }
    for method, path, body in (
        ("GET", "/", None),
        ("GET", "/_cluster/health", None),
        ("GET", "/_cat/health?h=epoch", None),
        ("GET", "/_health_report", None),
        ("POST", "/_bulk", [{"create": {"_index": index, "_id": "1"}}, {"a": 1}]),
        ("POST", "/_bulk", [{"create": {"_index": "other", "_id": "1"}}, {"a": 1}]),
        (
            "POST",
            "/_bulk",
            [{"create": {"_index": index, "_id": "2"}}, {"a": 1}, {"create": {"_index": "other"}}, {"a": 1}],
        ),
        ("POST", "/_bulk", [{"index": {"_index": index, "_id": "1"}}, {"a": 1}]),
        ("POST", f"/{index}/_count", {}),
        ("POST", f"/{index}/_search", {}),
        ("GET", f"/{index}/_field_caps?fields=*", None),
        ("GET", f"/{index}/_mapping", None),
        ("GET", f"/{index}/_settings", None),
        ("GET", f"/{index}", None),
        (
            "GET",
            "/_cluster/settings?include_defaults=true&filter_path=*.cluster.blocks.read_only*,*.action.auto_create_index",
            None,
        ),
        ("POST", f"/_index_template/_simulate_index/{index}", None),
        ("GET", "/_index_template/none", None),
        ("GET", "/_ingest/pipeline/none", None),
        ("POST", f"/{index}/_rollover", None),
        ("POST", "/_security/user/_has_privileges", wanted),
    ):
        real, emulated = pair.both("writer", method, path, body)
        assert emulated == real, f"{method} {path} {body}"


@pytest.mark.real
def test_keys_without_auto_configure_and_without_write(pair: Pair) -> None:
    index = f"mts-{uuid.uuid4().hex[:8]}"
    wanted = {"index": [{"names": [index, "else"], "privileges": ["create_doc", "auto_configure"]}]}
    create = [{"create": {"_index": index, "_id": "1"}}, {"a": 1}]
    for who, method, path, body in (
        ("no-auto", "POST", "/_bulk", create),
        ("reader", "POST", "/_bulk", create),
        ("admin", "POST", "/_bulk?refresh=true", create),
        ("no-auto", "POST", "/_bulk", [{"create": {"_index": index, "_id": "2"}}, {"a": 1}]),
        ("reader", "POST", f"/{index}/_count", {"query": {"match_all": {}}}),
        ("reader", "GET", f"/{index}/_field_caps?fields=a", None),
        ("reader", "GET", f"/{index}/_mapping", None),
        ("no-auto", "POST", "/_security/user/_has_privileges", wanted),
        ("reader", "POST", "/_security/user/_has_privileges", wanted),
        ("admin", "POST", "/_security/user/_has_privileges", wanted),
        ("admin", "PUT", f"/not-{index}", {}),
        ("writer", "POST", "/_bulk", [{"create": {"_index": f"not-{index}", "_id": "1"}}, {"a": 1}]),
        ("writer", "POST", "/_bulk", [{"delete": {"_index": index, "_id": "1"}}]),
        ("writer", "PUT", f"/{index}/_settings", {"index.blocks.write": True}),
        ("writer", "PUT", f"/_index_template/{index}", {"index_patterns": [index]}),
        ("writer", "DELETE", f"/{index}", None),
        ("writer", "PUT", f"/{index}-new", {}),
        ("writer", "POST", f"/{index}/_refresh", None),
        ("admin", "DELETE", f"/{index}", None),
        ("admin", "DELETE", f"/not-{index}", None),
    ):
        real, emulated = pair.both(who, method, path, body)
        assert emulated == real, f"{who} {method} {path} {body}"


@pytest.mark.real
def test_who_one_is(pair: Pair) -> None:
    for who in ("admin", "writer"):
        real, emulated = pair.both(who, "GET", "/_security/_authenticate")
        assert real["status"] == emulated["status"] == 200
        for key in ("username", "enabled", "authentication_type"):
            assert emulated["body"][key] == real["body"][key]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def answer(client: httpx.Client, authorization: str, method: str, path: str, body: Any) -> dict[str, Any]:
    headers = {"authorization": authorization} if authorization else {}
    content = None
    if isinstance(body, list):
        content = b"".join(json.dumps(line).encode() + b"\n" for line in body)
        headers["content-type"] = "application/x-ndjson"
    elif body is not None:
        content = json.dumps(body).encode()
        headers["content-type"] = "application/json"
    reply = client.request(method, path, content=content, headers=headers)
    return {
        "status": reply.status_code,
        "product": reply.headers.get("x-elastic-product"),
        "content_type": reply.headers.get("content-type"),
        "challenges": re.findall("Basic|Bearer|ApiKey", reply.headers.get("www-authenticate", "")),
        "body": comparable(reply.json(), "no-name"),
    }
