from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from magictel import sandbox
from magictel.errors import UsageError

BULK = b'{"create":{"_index":"x"}}\n{"a":1}\n'


def test_every_known_emulator_starts_and_says_how_to_reach_it() -> None:
    with sandbox.start() as room:
        environment = room.environment()
        assert set(room.servers) == set(sandbox.names()) >= {"elasticsearch", "opensearch", "prometheus-remote-write"}
        assert httpx.get(environment["ELASTICSEARCH_URL"], trust_env=False).json()["tagline"] == "You Know, for Search"
        assert (
            httpx.get(environment["OPENSEARCH_URL"], trust_env=False).json()["version"]["distribution"] == "opensearch"
        )
        assert room.environment("opensearch") == {"OPENSEARCH_URL": environment["OPENSEARCH_URL"]}
        assert room.settle()
    with pytest.raises(httpx.ConnectError):
        httpx.get(environment["ELASTICSEARCH_URL"], trust_env=False)


def test_names_treat_dash_and_underscore_as_equal() -> None:
    with sandbox.start(["open-search".replace("-", ""), "opensearch"]) as room:
        assert list(room.servers) == ["opensearch"]
    with sandbox.start(["prometheus_remote_write"]) as room:
        assert list(room.servers) == ["prometheus-remote-write"]


def test_a_fault_goes_to_the_emulator_it_names() -> None:
    with sandbox.start(
        ["elasticsearch", "opensearch"], faults=["elasticsearch: 429 x3 retry-after=1, then reset"]
    ) as room:
        headers = {"content-type": "application/x-ndjson"}
        statuses = {
            name: httpx.post(server.origin + "/_bulk", content=BULK, headers=headers, trust_env=False).status_code
            for name, server in room.servers.items()
        }
    assert statuses == {"elasticsearch": 429, "opensearch": 200}


def test_the_only_emulator_needs_no_name_in_its_script() -> None:
    with sandbox.start(["opensearch"], faults=["any 401 forever"]) as room:
        assert httpx.get(room.servers["opensearch"].origin, trust_env=False).status_code == 401


@pytest.mark.parametrize(
    ("names", "faults", "code"),
    [
        (["influxdb"], [], "sandbox.unknown-emulator"),
        (["opensearch", "elasticsearch"], ["429"], "sandbox.fault-without-name"),
        (["opensearch"], ["elasticsearch: 429"], "sandbox.fault-for-none"),
        (["opensearch"], ["nobody: 429"], "sandbox.unknown-emulator"),
        (["opensearch"], ["opensearch: nonsense"], "sandbox.fault-script"),
    ],
)
def test_what_cannot_be_started_is_wrong_usage(names: list[str], faults: list[str], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        sandbox.start(names, faults=faults)
    assert caught.value.code == code


def test_importing_the_room_loads_no_server_and_no_emulator() -> None:
    code = "import sys, magictel.sandbox as s; s.names(); print(*sorted(m for m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "magictel.sandbox.table" in loaded
    for heavy in ("http", "http.server", "ssl", "httpx", "magictel.sandbox.server", "magictel.sandbox.elasticsearch"):
        assert heavy not in loaded
