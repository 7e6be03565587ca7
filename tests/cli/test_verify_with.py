"""`verify_with`: what a Collector accepts is read back from the backend behind it, with that backend's own exporter and credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel.http.wire import Reply, Request
from magictel.sandbox.otlp import OtlpEmulator
from magictel.sandbox.prometheus_remote_write import Parameters
from magictel.sandbox.server import Server
from tests.cli.running import Ran, magictel

SECRET = "collector-secret-0123456789"


class Collector(OtlpEmulator):
    """A receiver at the Collector's path, which cannot be queried, in front of a Prometheus that holds what it forwards."""

    def __init__(self) -> None:
        super().__init__()
        self.forwards = True
        self.hides_get = False
        self.asked: list[Request] = []
        self.routes.on("POST", "/v1/metrics")(self.collect)
        self.routes.on("GET", "/v1/metrics")(self.not_a_write)

    def collect(self, request: Request, parameters: Parameters) -> Reply:
        return self.export(request, parameters) if self.forwards else Reply(200)

    def handle(self, request: Request) -> Reply:
        self.asked.append(request)
        if self.hides_get and (request.method, request.path) == ("GET", "/v1/metrics"):
            return Reply(404)
        return super().handle(request)


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    emulator = Collector()
    with Server(emulator) as server:
        yield emulator, server.origin


def write_file(folder: Path, origin: str, more: str = "") -> None:
    (folder / "magictel.toml").write_text(
        f"""
[targets.collector]
exporter = "otlp"
url = "{origin}/v1/metrics"
headers = {{ X-Secret = "{SECRET}" }}
{more}

[targets.prom]
exporter = "otlp"
url = "{origin}/api/v1/otlp/v1/metrics"

[targets.screen]
exporter = "console"
"""
    )


def sent(folder: Path, *options: str, to: str = "collector") -> tuple[Ran, Any]:
    ran = magictel("send-sample", to, *options, "--format", "json", folder=folder)
    return ran, ran.document["targets"][0]


VERIFY = 'verify = { target = "prom" }'


@pytest.mark.parametrize(("setting", "options"), [(VERIFY, ()), ("", ("--verify-with", "prom"))])
def test_the_backend_behind_a_collector_verifies_what_it_accepted(
    tmp_path: Path, collector: tuple[Collector, str], setting: str, options: tuple[str, ...]
) -> None:
    emulator, origin = collector
    write_file(tmp_path, origin, setting)
    ran, target = sent(tmp_path, *options)
    assert (ran.code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12), target
    assert target["read_from"] == {
        "target": "prom",
        "exporter": "otlp",
        "endpoint": f"{origin}/api/v1/otlp/v1/metrics",
    }
    queries = [request for request in emulator.asked if request.path.startswith("/api/v1/query")]
    assert queries
    assert not any(SECRET in str(request.headers) for request in queries), (
        "the sender's headers go to the Collector only"
    )
    text = magictel("send-sample", "collector", *options, folder=tmp_path)
    assert "read back from  prom  otlp" in text.out
    assert text.last.startswith("verified with prom")


def test_what_the_collector_drops_is_lost(tmp_path: Path, collector: tuple[Collector, str]) -> None:
    emulator, origin = collector
    emulator.forwards = False
    write_file(tmp_path, origin, VERIFY)
    ran, target = sent(tmp_path, "--within", "0.2s")
    assert (ran.code, target["outcome"], target["verification"]["missing"]) == (1, "lost", 12)


def test_replay_verifies_through_the_other_target_too(tmp_path: Path, collector: tuple[Collector, str]) -> None:
    _, origin = collector
    write_file(tmp_path, origin)
    point = {"timeUnixNano": "1764000000123456789", "asDouble": 1.5, "attributes": []}
    metrics = [{"name": name, "gauge": {"dataPoints": [point]}} for name in ("a.b", "c")]
    request = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    (tmp_path / "r.jsonl").write_text(json.dumps(request) + "\n")
    command = ("replay", "r.jsonl", "--to", "collector", "--verify-with", "prom", "--format", "json")
    ran = magictel(*command, "--verify", folder=tmp_path)
    (target,) = ran.document["targets"]
    assert (ran.code, target["outcome"], target["verification"]["found"]) == (0, "verified", 2), target
    assert target["read_from"]["target"] == "prom"
    assert magictel(*command, folder=tmp_path).code == 2


def test_a_round_trip_and_a_clean_up_use_it(tmp_path: Path, collector: tuple[Collector, str]) -> None:
    emulator, origin = collector
    write_file(tmp_path, origin, VERIFY)
    ran = magictel("check", "collector", "--round-trip", folder=tmp_path)
    assert "12 points were sent, read back from prom and equal" in ran.out, ran.out
    before = emulator.stored
    ran, _ = sent(tmp_path, "--clean")
    assert ran.code == 0
    assert emulator.stored == before


def test_without_one_it_is_unverified_and_names_a_target_that_could_be_asked(
    tmp_path: Path, collector: tuple[Collector, str]
) -> None:
    _, origin = collector
    write_file(tmp_path, origin)
    ran, target = sent(tmp_path)
    assert (ran.code, target["outcome"], target["code"]) == (3, "unverified", "verify.unsupported")
    wanted = "if prom stores what collector forwards: magictel send-sample collector --verify-with prom"
    assert target["remedy"] == wanted
    (tmp_path / "magictel.toml").unlink()
    ran, target = sent(tmp_path, "--set", f"url={origin}/v1/metrics", to="otlp")
    assert (ran.code, target["outcome"]) == (3, "unverified")
    assert target["remedy"].endswith("magictel send-sample otlp --verify-with NAME")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ('verify = { target = "collector" }', "verify_with: collector is the target itself"),
        ('verify_with = "prm"', 'verify_with: No target or exporter is called "prm". Did you mean prom?'),
        ('verify_with = "screen"', "verify_with: screen cannot be read back: console cannot read back"),
        ('verify_with = "other"', "verify_with: other is itself read back from collector"),
        ('verify_with = "far"', "verify_with: far: url: "),
        (
            'verify_with = "blind"',
            "verify_with: blind cannot be read back: http://127.0.0.1:9/v1/metrics cannot be queried",
        ),
    ],
)
def test_a_target_that_cannot_read_back_is_named_before_anything_is_sent(
    tmp_path: Path, collector: tuple[Collector, str], setting: str, says: str
) -> None:
    emulator, origin = collector
    write_file(tmp_path, origin, setting)
    with (tmp_path / "magictel.toml").open("a") as file:
        file.write('[targets.other]\nexporter = "file"\nverify_with = "collector"\n')
        file.write('[targets.far]\nexporter = "otlp"\nurl = "http://a b/v1/metrics"\n')
        file.write('[targets.blind]\nexporter = "otlp"\nurl = "http://127.0.0.1:9/v1/metrics"\n')
    ran, target = sent(tmp_path)
    assert ran.code == 78, target
    assert says in target["message"], target
    assert emulator.asked == []
    assert magictel("send-sample", "collector", "--no-verify", folder=tmp_path).code == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nobody", 'No target or exporter is called "nobody"'),
        ("collector", "verify_with: collector is the target itself"),
        ("", "--verify-with: the name is empty"),
    ],
)
def test_a_wrong_name_in_the_option_ends_with_78(
    tmp_path: Path, collector: tuple[Collector, str], name: str, says: str
) -> None:
    _, origin = collector
    write_file(tmp_path, origin)
    ran = magictel("send-sample", "collector", "--verify-with", name, folder=tmp_path)
    assert (ran.code, says in ran.err) == (78, True), ran.err


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("verify = {}", "config.value", "verify: a table is not true or false"),
        ("verify = { target = 1 }", "config.value", "verify_with: 1 is not a text"),
        (f'{VERIFY}\nverify_with = "x"', "config.key.duplicate", "verify_with is set twice in collector"),
    ],
)
def test_the_table_in_the_file_names_one_target(tmp_path: Path, text: str, code: str, says: str) -> None:
    write_file(tmp_path, "http://127.0.0.1:9", text)
    ran = magictel("send-sample", "collector", folder=tmp_path)
    assert (ran.code, code in ran.out + ran.err, says in ran.out + ran.err) == (78, True, True), ran


def test_the_sandbox_and_options_that_read_nothing_refuse_it(tmp_path: Path) -> None:
    for option in ("--sandbox", "--no-verify", "--dry-run"):
        ran = magictel("send-sample", "otlp", "--verify-with", "prom", option, folder=tmp_path)
        assert (ran.code, "--verify-with" in ran.err) == (2, True), ran.err


def test_values_of_set_reach_the_target_that_they_name(tmp_path: Path, collector: tuple[Collector, str]) -> None:
    _, origin = collector
    write_file(tmp_path, "http://127.0.0.1:9")
    sets = (f"prom.url={origin}/api/v1/otlp/v1/metrics", f"collector.url={origin}/v1/metrics")
    options = [word for text in sets for word in ("--set", text)]
    ran, target = sent(tmp_path, "--verify-with", "prom", *options)
    assert (ran.code, target["outcome"]) == (0, "verified"), target


def test_the_collectors_file_is_read_by_the_file_exporter(tmp_path: Path) -> None:
    written = tmp_path / "received.jsonl"
    (tmp_path / "magictel.toml").write_text(
        f'[targets.collector-file]\nexporter = "file"\npath = "{written}"\n'
        f'[targets.out]\nexporter = "file"\npath = "{written}"\nverify_with = "collector-file"\n'
    )
    ran, target = sent(tmp_path, to="out")
    assert (ran.code, target["outcome"], target["read_from"]["target"]) == (0, "verified", "collector-file"), target


def test_a_receiver_that_answers_an_empty_404_to_a_get_is_sent_to(
    tmp_path: Path, collector: tuple[Collector, str]
) -> None:
    emulator, origin = collector
    emulator.hides_get = True
    write_file(tmp_path, origin, VERIFY)
    assert magictel("check", "collector", folder=tmp_path).code == 3
    ran, target = sent(tmp_path)
    assert (ran.code, target["outcome"]) == (0, "verified"), target
