"""`magictel prepare`: shown always, done only with `--apply`."""

from __future__ import annotations

import json
from pathlib import Path

from magictel import sandbox
from magictel.http.wire import Request
from magictel.sandbox.server import Server
from tests.cli.running import magictel, refused
from tests.emulators.elasticsearch import SearchEmulator

ES = "elasticsearch"


def test_it_shows_the_exact_requests_and_does_nothing(tmp_path: Path) -> None:
    with sandbox.start([ES]) as room:
        ran = magictel("prepare", ES, folder=tmp_path, environment=room.environment())
        after = magictel("check", ES, folder=tmp_path, environment=room.environment())
    assert ran.code == 0, ran
    request, _, body = ran.out.partition("\n{")
    assert request.split("\n")[-1] == "PUT /_index_template/magictel-magicapi-metrics"
    assert json.loads("{" + body.rpartition("\n\n")[0])["index_patterns"] == ["magicapi-metrics"]
    assert ran.last == "nothing was sent: magictel prepare elasticsearch --apply sends it"
    assert "es.mapping.unprepared" in after.out


def test_apply_sends_them_and_the_warning_is_gone(tmp_path: Path) -> None:
    with sandbox.start([ES]) as room:
        ran = magictel("prepare", ES, "--apply", folder=tmp_path, environment=room.environment())
        after = magictel("check", ES, "--strict", folder=tmp_path, environment=room.environment())
        sent = magictel("send-sample", ES, "--thorough", folder=tmp_path, environment=room.environment())
    assert ran.code == 0, ran
    assert "→ 200 " in ran.out
    assert ran.last == "elasticsearch is prepared: 1 request sent"
    assert after.code == 0, after
    assert sent.code == 0, sent
    assert sent.last.startswith("verified")


def test_the_document(tmp_path: Path) -> None:
    ran = magictel("prepare", ES, "--sandbox", "--format", "json", folder=tmp_path)
    assert ran.code == 0
    document = ran.document
    assert (document["schema"], document["outcome"], document["applied"]) == ("magictel.prepare/1", "planned", False)
    (request,) = document["requests"]
    assert (request["method"], request["status"]) == ("PUT", None)
    assert "template" in request["body"]


def test_a_backend_that_needs_nothing_says_so(tmp_path: Path) -> None:
    ran = magictel("prepare", "console", folder=tmp_path)
    assert (ran.code, ran.last) == (0, "console needs no preparation")


def test_trouble_is_said_and_is_exit_1_or_78(tmp_path: Path) -> None:
    dead = magictel("prepare", ES, folder=tmp_path, environment={"ELASTICSEARCH_URL": f"http://127.0.0.1:{refused()}"})
    assert dead.code == 1, dead
    assert "more:  magictel explain net.tcp.refused" in dead.out
    assert dead.last == "elasticsearch is not prepared"
    unusable = magictel("prepare", ES, folder=tmp_path, environment={"ELASTICSEARCH_URL": "http://${NOWHERE}"})
    assert unusable.code == 78
    assert "from ELASTICSEARCH_URL" in unusable.out
    assert magictel("prepare", folder=tmp_path).code == 2
    assert magictel("prepare", "elastik", folder=tmp_path).code == 2


def put(room: sandbox.Sandbox, path: str, body: object) -> None:
    request = Request("PUT", f"http://x{path}", {"Content-Type": "application/json"}, json.dumps(body).encode())
    assert room.emulators[ES].handle(request).ok


def test_what_a_template_cannot_change_is_said_with_the_requests_that_move_it_and_they_are_never_sent(
    tmp_path: Path,
) -> None:
    with sandbox.start([ES]) as room:
        put(room, "/magicapi-metrics", {"mappings": {"properties": {"value_double": {"type": "float"}}}})
        words = ("prepare", ES, "--apply", "--format", "json")
        document = magictel(*words, folder=tmp_path, environment=room.environment()).document
        ran = magictel("prepare", ES, "--apply", folder=tmp_path, environment=room.environment())
        indices = list(room.emulators[ES].cluster.indices)  # type: ignore[attr-defined]
    assert ran.code == 0, ran
    assert "keeps value_double (float)" in ran.out
    assert "keeps its types until you send the 3 manual requests" in ran.last
    assert [
        (request["method"], request["path"], request["by_hand"], request["status"]) for request in document["requests"]
    ] == [
        ("PUT", "/_index_template/magictel-magicapi-metrics", False, 200),
        ("PUT", "/magicapi-metrics-000002", True, None),
        ("POST", "/_reindex", True, None),
        ("POST", "/_aliases", True, None),
    ]
    assert indices == ["magicapi-metrics"]


def test_an_alias_continues_in_a_new_index_and_then_needs_nothing(tmp_path: Path) -> None:
    emulator = SearchEmulator()  # the sandbox has no aliases
    body = json.dumps({"aliases": {"magicapi-metrics": {"is_write_index": True}}}).encode()
    with Server(emulator) as server:
        headers = {"Content-Type": "application/json"}
        assert emulator.handle(Request("PUT", f"{server.origin}/behind-000001", headers, body)).ok
        plan = magictel("prepare", ES, folder=tmp_path, environment={"ELASTICSEARCH_URL": server.origin})
        assert "POST /magicapi-metrics/_rollover" in plan.out
        assert "_index_template" not in plan.out  # it goes by the names of indices, and this is none
