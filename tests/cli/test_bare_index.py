"""A sample never makes an index without a template: types that the first document decides spoil all that comes later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magictel import sandbox
from magictel.cli.sandbox_targets import prepare_all
from magictel.http.wire import Request
from magictel.sandbox.sandbox import Sandbox
from magictel.sandbox.server import Server
from tests.cli.running import Ran, magictel
from tests.emulators.elasticsearch import SearchEmulator

INDEX = "magicapi-metrics"
ENGINES = ("elasticsearch", "opensearch")
JSON = {"content-type": "application/json"}


def ask(emulator: Any, method: str, path: str, body: Any) -> None:
    reply = emulator.handle(Request(method, f"http://x{path}", JSON, json.dumps(body).encode()))
    assert reply.ok, reply


def sent(name: str, room: Sandbox, folder: Path, *words: str) -> Ran:
    return magictel("send-sample", name, *words, "--format", "json", folder=folder, environment=room.environment())


@pytest.mark.parametrize("name", ENGINES)
def test_send_sample_stops_before_the_first_write_and_goes_on_by_force_or_prepared(name: str, tmp_path: Path) -> None:
    with sandbox.start([name]) as room:
        ran = sent(name, room, tmp_path)
        target = ran.document["targets"][0]
        assert (ran.code, target["outcome"], target["code"]) == (1, "undelivered", "es.mapping.unprepared")
        assert target["remedy"] == f"magictel prepare {name} --apply"
        assert f"create {INDEX} without a template" in target["message"]
        assert "--force" in target["message"]
        assert target["receipt"]["attempts"] == 0
        assert not room.emulators[name].cluster.indices  # type: ignore[attr-defined]
        prepared = magictel("prepare", name, "--apply", folder=tmp_path, environment=room.environment())
        assert prepared.code == 0, prepared
        assert sent(name, room, tmp_path).code == 0
    with sandbox.start([name]) as room:
        forced = sent(name, room, tmp_path, "--force")
        assert (forced.code, forced.document["targets"][0]["outcome"]) == (0, "verified")


@pytest.mark.parametrize("name", ENGINES)
def test_the_round_trip_of_check_stops_too(name: str, tmp_path: Path) -> None:
    with sandbox.start([name]) as room:
        words = ("check", name, "--round-trip", "--format", "json")
        ran = magictel(*words, folder=tmp_path, environment=room.environment())
        last = ran.document["targets"][0]["rungs"][-1]
        assert (ran.code, last["rung"], last["outcome"]) == (1, "round-trip", "fail")
        assert last["code"] == "es.mapping.unprepared"
        assert not room.emulators[name].cluster.indices  # type: ignore[attr-defined]
        assert magictel("check", name, folder=tmp_path, environment=room.environment()).code == 0  # it only warns
        assert magictel(*words, "--force", folder=tmp_path, environment=room.environment()).code == 0


DOUBLES = {"properties": {"value_double": {"type": "double"}}}
RULE = {"dynamic_templates": [{"decimals": {"match_mapping_type": "double", "mapping": {"type": "double"}}}]}
TEMPLATES: list[tuple[str, dict[str, Any]]] = [
    ("/_index_template/own", {"index_patterns": ["magicapi-*"], "template": {"mappings": DOUBLES}}),
    ("/_index_template/own", {"index_patterns": ["magicapi-*"], "template": {"mappings": RULE}}),
    ("/_index_template/own", {"index_patterns": ["magicapi-*"], "template": {"mappings": {"dynamic": False}}}),
    ("/_index_template/own", {"index_patterns": ["magicapi-*"], "data_stream": {}}),
    ("/_template/own", {"index_patterns": ["magicapi-*"], "mappings": DOUBLES}),
]


@pytest.mark.parametrize(("path", "body"), TEMPLATES)
def test_a_template_of_the_users_own_is_their_decision(path: str, body: dict[str, Any], tmp_path: Path) -> None:
    emulator = SearchEmulator()
    ask(emulator, "PUT", path, body)
    with Server(emulator) as server:
        words = ("send-sample", "elasticsearch", "--no-verify", "--format", "json")
        ran = magictel(*words, folder=tmp_path, environment={"ELASTICSEARCH_URL": server.origin})
        target = ran.document["targets"][0]
        assert target["receipt"]["attempts"] == 1, target


@pytest.mark.parametrize(
    "other", [{"index_patterns": ["other-*"]}, {"template": {"settings": {"number_of_replicas": 0}}}]
)
def test_a_template_that_says_nothing_of_this_indexs_fields_is_none(other: dict[str, Any], tmp_path: Path) -> None:
    with sandbox.start(["elasticsearch"]) as room:
        path, body = TEMPLATES[0]
        ask(room.emulators["elasticsearch"], "PUT", path, {**body, **other})
        assert sent("elasticsearch", room, tmp_path).code == 1


def test_an_index_that_exists_unprepared_is_written_to_with_a_warning(tmp_path: Path) -> None:
    with sandbox.start(["elasticsearch"]) as room:
        ask(room.emulators["elasticsearch"], "PUT", f"/{INDEX}", {})
        ran = sent("elasticsearch", room, tmp_path)
        target = ran.document["targets"][0]
        assert (ran.code, target["outcome"]) == (0, "verified")
        assert [finding["code"] for finding in target["findings"]] == ["es.mapping.unprepared"]


def test_a_key_that_may_only_write_is_not_stopped_by_what_it_cannot_know(tmp_path: Path) -> None:
    key = {"secret": "s3cret-of-the-key", "index": {"*": ["create_doc", "auto_configure"]}}
    emulator = SearchEmulator(security={"api_keys": {"w": key}})
    with Server(emulator) as server:
        environment = {"ELASTICSEARCH_URL": server.origin, "ELASTICSEARCH_API_KEY": "w:s3cret-of-the-key"}
        words = ("send-sample", "elasticsearch", "--no-verify", "--format", "json")
        ran = magictel(*words, folder=tmp_path, environment=environment)
        assert (ran.code, ran.document["targets"][0]["outcome"]) == (0, "accepted"), ran


def test_a_replay_is_of_data_that_somebody_wants_there_and_warns(tmp_path: Path) -> None:
    with sandbox.start(["elasticsearch"]) as room:
        words = ("replay", "@gateway", "--to", "elasticsearch", "--format", "json")
        ran = magictel(*words, folder=tmp_path, environment=room.environment())
        assert ran.code == 0, ran
        codes = [finding["code"] for finding in ran.document["targets"][0]["findings"]]
        assert codes == ["es.mapping.unprepared"]


@pytest.mark.parametrize(
    "words",
    [
        ("replay", "@gateway", "--to", "elasticsearch", "--to", "opensearch", "--verify"),
        ("send-sample",),
        ("check", "--round-trip"),
    ],
    ids=lambda words: words[0],
)
def test_the_sandbox_is_prepared_and_green(words: tuple[str, ...], tmp_path: Path) -> None:
    ran = magictel(*words, "--sandbox", "--strict", folder=tmp_path)
    assert ran.code == 0, ran
    assert "es.mapping" not in ran.out


def test_the_bare_sandbox_shows_the_other_story(tmp_path: Path) -> None:
    ran = magictel("replay", "@gateway", "--to", "elasticsearch", "--verify", "--sandbox-bare", folder=tmp_path)
    assert ran.code == 1, ran
    assert "altered" in ran.last


def test_preparing_the_sandbox_uses_up_no_scripted_fault() -> None:
    with sandbox.start(["elasticsearch"], faults=["elasticsearch: 503 forever"]) as room:
        prepare_all(room)
        assert not room.servers["elasticsearch"].faults.fired
        assert room.emulators["elasticsearch"].cluster.templates.index  # type: ignore[attr-defined]
