"""A backend that answers every write with a success, and does something else with it: dropped, moved, put aside, not said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magictel.http.wire import Reply, Request
from magictel.sandbox.elasticsearch.emulator import SearchEmulator
from magictel.sandbox.server import Server
from tests.cli.running import Ran, magictel
from tests.emulators import elasticsearch as fuller

Change = Callable[[dict[str, Any]], dict[str, Any]]
INDEX = "magicapi-metrics"


class Says(SearchEmulator):
    """Changes the items of each bulk reply; with `store` False nothing was stored."""

    def __init__(self, change: Change, *, store: bool = False) -> None:
        super().__init__("elasticsearch")
        self._change, self._store = change, store
        self.writes = 0

    def handle(self, request: Request) -> Reply:
        if not self.is_write(request):
            return super().handle(request)
        self.writes += 1
        reply = super().handle(request)
        items = [{"create": self._change(item["create"])} for item in json.loads(reply.body)["items"]]
        if not self._store:
            for index in self.cluster.indices.values():
                index.documents.clear()
        return replace(reply, body=json.dumps({"errors": False, "items": items}).encode())


class Moves(SearchEmulator):
    """A reroute processor: what is sent to the index goes to another one."""

    def handle(self, request: Request) -> Reply:
        if self.is_write(request):
            request = replace(request, url=request.url.replace(f"/{INDEX}/", "/moved-elsewhere/"))
        return super().handle(request)


class Replies(SearchEmulator):
    """Answers each write with a body of its own, and stores it or not."""

    def __init__(self, body: bytes, *, store: bool) -> None:
        super().__init__("elasticsearch")
        self._body_of_all, self._store = body, store
        self.writes = 0

    def handle(self, request: Request) -> Reply:
        if not self.is_write(request):
            return super().handle(request)
        self.writes += 1
        if self._store:
            super().handle(request)
        return Reply(200, {"content-type": "application/json"}, self._body_of_all)


@contextmanager
def sending(emulator: SearchEmulator, folder: Path, *words: str) -> Iterator[Ran]:
    with Server(emulator) as server:
        environment = {"ELASTICSEARCH_URL": server.origin, "ELASTICSEARCH_BACKOFF_INITIAL": "10ms"}
        prepared = magictel("prepare", "elasticsearch", "--apply", folder=folder, environment=environment)
        assert prepared.code == 0, prepared
        yield magictel("send-sample", "elasticsearch", *words, folder=folder, environment=environment)


def only(ran: Ran) -> dict[str, Any]:
    target: dict[str, Any] = ran.document["targets"][0]
    return target


@pytest.mark.parametrize("words", [("--no-verify",), ("--within", "2s")])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda item: {**item, "failure_store": "used", "_index": ".fs-x-2026.01.01-000002"}, "es.write.failure-store"),
        (lambda item: {**item, "result": "noop", "_version": -3, "status": 200}, "es.write.pipeline-drop"),
    ],
    ids=["failure store", "drop"],
)
def test_what_was_not_stored_is_rejected_by_name(
    change: Change, code: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    emulator = Says(change)
    with sending(emulator, tmp_path, *words, "--format", "json") as ran:
        assert ran.code == 1, ran
        target = only(ran)
    assert (target["outcome"], target["code"]) == ("rejected", code)
    assert (target["receipt"]["delivered"], target["receipt"]["rejected"]) == (0, target["receipt"]["sent"])
    assert emulator.writes == 1


def test_documents_that_went_elsewhere_are_read_back_there_and_named(tmp_path: Path) -> None:
    with sending(Moves("elasticsearch"), tmp_path, "--format", "json") as ran:
        assert ran.code == 0, ran
        target = only(ran)
    assert target["outcome"] == "verified", target
    (reason,) = target["receipt"]["reasons"]
    assert (reason["code"], reason["fate"], reason["count"]) == ("es.write.elsewhere", "delivered", 12)
    assert "was stored in moved-elsewhere, not magicapi-metrics" in reason["message"]


def test_an_alias_is_not_called_elsewhere(tmp_path: Path) -> None:
    emulator = fuller.SearchEmulator("elasticsearch")  # the sandbox has no aliases
    alias = json.dumps({"aliases": {INDEX: {"is_write_index": True}}}).encode()
    headers = {"content-type": "application/json"}
    with Server(emulator) as server:
        environment = {"ELASTICSEARCH_URL": server.origin}
        assert magictel("prepare", "elasticsearch", "--apply", folder=tmp_path, environment=environment).code == 0
        reply = emulator.handle(Request("PUT", f"{server.origin}/behind-000001", headers, alias))
        assert reply.status == 200, reply
        words = ("send-sample", "elasticsearch", "--force", "--no-verify", "--format", "json")
        ran = magictel(*words, folder=tmp_path, environment=environment)
    assert only(ran)["receipt"]["delivered"] == 12
    assert only(ran)["receipt"]["reasons"] == []


def test_a_success_of_another_shape_is_unverified_where_nothing_is_read_back(tmp_path: Path) -> None:
    emulator = Replies(b'{"ok":true}', store=True)
    with sending(emulator, tmp_path, "--no-verify", "--format", "json") as ran:
        assert ran.code == 3, ran
        target = only(ran)
    assert (target["outcome"], target["code"]) == ("unverified", "es.write.no-verdict")
    assert (target["receipt"]["delivered"], target["receipt"]["unconfirmed"]) == (0, 12)
    assert emulator.writes == 2


@pytest.mark.parametrize(("store", "outcome", "code"), [(True, "verified", 0), (False, "unverified", 3)])
def test_a_read_back_decides_what_an_answer_left_open(store: bool, outcome: str, code: int, tmp_path: Path) -> None:
    with sending(Replies(b'{"ok":true}', store=store), tmp_path, "--within", "2s", "--format", "json") as ran:
        assert ran.code == code, ran
        target = only(ran)
    assert target["outcome"] == outcome


def test_the_page_says_unconfirmed_and_why(tmp_path: Path) -> None:
    with sending(Replies(b'{"ok":true}', store=True), tmp_path, "--no-verify") as ran:
        assert "accepted 0, unconfirmed 12" in ran.out
        assert "es.write.no-verdict" in ran.out
        assert ran.last.startswith("unverified"), ran.last
