"""`magictel send-sample` from the command line: verified against the sandbox, and every way in which it may not be."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import httpx
import pytest

from magictel import sandbox
from magictel.cli.sandbox_targets import prepare_all
from magictel.http.wire import Request
from magictel.reporters.humanize import every
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.cli.running import Ran, hanging, magictel, refused, started
from tests.reporters.junit_schema import judged

EMULATED = sandbox.names()
REPLYING = [name for name in EMULATED if name != "statsd"]
ES = "elasticsearch"


def test_the_sandbox_verifies_for_every_exporter_that_has_an_emulator(tmp_path: Path) -> None:
    ran = magictel("send-sample", "--sandbox", folder=tmp_path)
    assert ran.code == 0, ran
    assert ran.err == ""
    assert ran.last.startswith(f"{every(len(REPLYING))} verified")
    for name in REPLYING:
        assert f"\n{name}  http://127.0.0.1:" in ran.out


def test_the_document_says_what_became_of_every_point(tmp_path: Path) -> None:
    ran = magictel("send-sample", ES, "--sandbox", "--thorough", "--format", "json", folder=tmp_path)
    document = ran.document
    (target,) = document["targets"]
    assert document["schema"] == "magictel.send/1"
    assert target["receipt"]["sent"] == 17
    fates = ("delivered", "rejected", "withheld", "kept", "dropped")
    assert sum(target["receipt"][fate] for fate in fates) == 17
    assert target["verification"]["expected"] == target["receipt"]["delivered"]
    assert document["outcome"] == target["outcome"]


def test_no_verify_is_accepted_and_exit_0(tmp_path: Path) -> None:
    ran = magictel("send-sample", ES, "--sandbox", "--no-verify", folder=tmp_path)
    assert ran.code == 0
    assert ran.last.startswith("accepted")


def test_a_ladder_that_stops_it_sends_nothing(tmp_path: Path) -> None:
    dead = {"ELASTICSEARCH_URL": f"http://127.0.0.1:{refused()}"}
    ran = magictel("send-sample", ES, folder=tmp_path, environment=dead)
    assert ran.code == 1
    assert "× tcp           connection refused" in ran.out
    assert ran.last.startswith("FAILED: nothing was sent: ")
    assert "(net.tcp.refused)" in ran.last
    run = magictel("send-sample", ES, "--format", "json", folder=tmp_path, environment=dead)
    (target,) = run.document["targets"]
    assert (target["outcome"], target["code"], target["verification"]) == ("undelivered", "net.tcp.refused", None)
    assert target["receipt"]["dropped"] == target["receipt"]["sent"] == 12


def test_unusable_settings_are_exit_78_and_the_others_still_run(tmp_path: Path) -> None:
    with sandbox.start([ES]) as room:
        prepare_all(room)
        ran = magictel(
            "send-sample",
            ES,
            "prometheus-remote-write",
            folder=tmp_path,
            environment=room.environment(),
        )
    assert ran.code == 78
    assert "needs PROMETHEUS_REMOTE_WRITE_URL" in ran.out
    assert "found 12, equal 12" in ran.out
    assert ran.last.startswith("1 of 2 targets FAILED: prometheus-remote-write undelivered")


def test_what_the_backend_refuses_is_counted_with_its_reason(tmp_path: Path) -> None:
    with sandbox.start([ES], faults=[f"{ES}: partial 20% document_parsing_exception"]) as room:
        prepare_all(room)
        ran = magictel("send-sample", ES, folder=tmp_path, environment=room.environment())
    assert ran.code == 1, ran
    assert ran.last.startswith("FAILED: 3 rejected")
    assert "× rejected 3    es.write." in ran.out


def test_what_cannot_be_shown_in_time_is_unverified_and_exit_3(tmp_path: Path) -> None:
    with sandbox.start([ES]) as room:
        put(room, "PUT", "/slow", {"settings": {"index": {"refresh_interval": "60s"}}})
        ran = magictel(
            "send-sample", ES, "--set", "index=slow", "--within", "2s", folder=tmp_path, environment=room.environment()
        )
    assert ran.code == 3, ran
    assert ran.last.startswith("unverified: ")
    assert "fix:   " in ran.out


def put(room: sandbox.Sandbox, method: str, path: str, body: object) -> None:
    request = Request(method, f"http://x{path}", {"Content-Type": "application/json"}, json.dumps(body).encode())
    reply = room.emulators[ES].handle(request)
    assert reply.ok, reply


def test_values_that_the_mapping_alters_are_not_verified(tmp_path: Path) -> None:
    with sandbox.start([ES]) as room:
        put(room, "PUT", "/magicapi-metrics", {"mappings": {"properties": {"value_double": {"type": "long"}}}})
        ran = magictel("send-sample", ES, folder=tmp_path, environment=room.environment())
    assert ran.code == 1, ran
    assert "altered" in ran.last
    assert "was sent as 0.5, queries see 0" in ran.out


def test_clean_says_the_count_and_deletes_exactly_what_it_wrote(tmp_path: Path) -> None:
    with sandbox.start([ES]) as room:
        prepare_all(room)
        environment = room.environment()
        first = magictel("send-sample", ES, folder=tmp_path, environment=environment)
        second = magictel("send-sample", ES, "--clean", folder=tmp_path, environment=environment)
        assert second.code == 0, second
        count, deleted = second.out.index("12 items of run"), second.out.index("√ deleted 12")
        assert count < deleted
        assert second.last.startswith("verified; cleaned, 12 items deleted")
        run = first.out.split()[1]
        later = magictel(
            "send-sample", ES, "--clean", "--run", run, "--format", "json", folder=tmp_path, environment=environment
        )
        assert later.code == 0, later
        assert later.document["targets"][0]["found"] == later.document["targets"][0]["deleted"] == 12
        again = magictel("send-sample", ES, "--clean", "--run", run, folder=tmp_path, environment=environment)
        assert again.code == 0
        assert again.last.startswith("cleaned, 0 items deleted")


def test_a_backend_that_cannot_delete_says_so_and_exits_1(tmp_path: Path) -> None:
    ran = magictel("send-sample", "console", "--clean", "--run", "3f9c21aa07be", folder=tmp_path)
    assert ran.code == 1, ran
    assert "cannot delete what it wrote" in ran.out
    assert ran.last.startswith("not cleaned: console")


def test_a_dry_run_shows_the_bytes_and_touches_nothing(tmp_path: Path) -> None:
    with hanging() as (port, asked):
        ran = magictel(
            "send-sample",
            ES,
            "--dry-run",
            "--attribute",
            "env=canary-7",
            folder=tmp_path,
            environment={
                "ELASTICSEARCH_URL": f"http://127.0.0.1:{port}",
                "ELASTICSEARCH_API_KEY": "keyid:topsecret123",
            },
        )
    assert ran.code == 0, ran
    assert not asked.is_set()
    assert f"POST http://127.0.0.1:{port}/magicapi-metrics/_bulk" in ran.out
    assert "Authorization: ApiKey ***" in ran.out
    assert "topsecret123" not in ran.out
    lines = [json.loads(line) for line in ran.out.split("\n") if line.startswith("{")]
    assert len(lines) == 24
    assert all("create" in line for line in lines[::2])
    assert all(line["attributes"]["env"] == "canary-7" for line in lines[1::2])


@pytest.mark.parametrize("name", [*EMULATED, "console", "file"])
def test_every_exporter_has_a_dry_run_in_either_format(name: str, tmp_path: Path) -> None:
    environment = {
        "PROMETHEUS_REMOTE_WRITE_URL": "http://localhost:1/api/v1/write",
        "DD_API_KEY": "0" * 32,
        "NEW_RELIC_LICENSE_KEY": "0" * 36 + "NRAL",
    }
    text = magictel("send-sample", name, "--dry-run", folder=tmp_path, environment=environment)
    run = magictel("send-sample", name, "--dry-run", "--format", "json", folder=tmp_path, environment=environment)
    assert (text.code, run.code) == (0, 0), (text, run)
    assert "nothing is sent" in text.out
    assert run.document["schema"] == "magictel.dry-run/1"
    requests = run.document["targets"][0]["requests"]
    assert len(requests) == 1 or name in ("datadog", "statsd")  # several routes, several datagrams
    for request in requests:
        body = request["body"].encode() if request["body"] is not None else bytes.fromhex(request["body_hex"])
        assert len(body) == request["bytes"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "3f9c21aa07be"], "needs --clean"),
        (["--clean", "--run", "*"], "not a run id"),
        (["--clean", "--dry-run"], "--dry-run sends nothing"),
        (["--dry-run", "--report", "json=x"], "no result to report"),
        (["--timing", "--dry-run"], "nothing to time"),
        (["--attribute", "env"], "KEY=VALUE"),
        (["--attribute", "magictel.run.id=x"], "choose another name"),
        (["--within", "never"], "is not a duration"),
    ],
)
def test_what_does_not_fit_together_is_wrong_usage(arguments: list[str], message: str, tmp_path: Path) -> None:
    ran = magictel("send-sample", ES, *arguments, folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_reports_of_a_send(tmp_path: Path) -> None:
    ran = magictel("send-sample", "--sandbox", "--report", "json=a.json", "--report", "junit=b.xml", folder=tmp_path)
    assert ran.code == 0, ran
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["schema"] == "magictel.send/1"
    assert document["run_id"] in ran.out
    suites = judged(tmp_path / "b.xml")
    assert [[case.attrib["name"] for case in suite.iter("testcase")] for suite in suites] == [
        ["accepted", "verified"]
    ] * len(REPLYING)


def test_strict_counts_the_warnings_of_the_ladder(tmp_path: Path) -> None:
    def ran(*more: str) -> Ran:
        return magictel("send-sample", ES, "--sandbox-bare", "--force", *more, folder=tmp_path)

    assert "es.mapping.unprepared" in ran().out
    assert ran("--strict").code == 3


def test_timing_says_where_the_time_goes_and_nothing_is_measured_without_it(tmp_path: Path) -> None:
    ran = magictel("send-sample", "--sandbox", "--timing", "--format", "json", folder=tmp_path)
    assert ran.code == 0, ran
    scraped = [target for target in ran.document["targets"] if "timing" not in target]
    assert [target["exporter"] for target in scraped] == ["prometheus"]  # a page sends nothing
    for target in ran.document["targets"]:
        if target in scraped:
            continue
        timing = target["timing"]
        steps = {"encode", "compress", "queue", "connect", "first_byte", "visible"}
        assert timing.keys() == steps | {"requests", "connections", "advice"}
        assert all(timing[step] >= 0 for step in steps)
        requests = 2 if target["exporter"] == "datadog" else 1  # distributions have a route of their own
        assert (timing["requests"], timing["connections"]) == (requests, 1)
        assert timing["first_byte"] <= target["receipt"]["seconds"]
        assert " % of " in timing["advice"]
    shown = magictel("send-sample", "elasticsearch", "--sandbox", "--timing", folder=tmp_path)
    assert [line.split()[:-2] for line in shown.out.splitlines() if line.startswith("      first byte")] == [
        ["first", "byte"]
    ]
    plain = magictel("send-sample", "elasticsearch", "--sandbox", "--format", "json", folder=tmp_path)
    assert "timing" not in plain.document["targets"][0]


def test_an_interrupt_while_it_reads_back_says_that_the_points_were_accepted(tmp_path: Path) -> None:
    with Server(ElasticsearchEmulator(), record=True).start() as server:
        httpx.put(f"{server.origin}/slow", json={"settings": {"refresh_interval": "600s"}}, trust_env=False)
        options = ["--set", "index=slow", "--within", "9000s", "--deadline", "300s", "--report", "json=j"]
        with started("send-sample", ES, *options, folder=tmp_path, ELASTICSEARCH_URL=server.origin) as running:
            while not any(request.path.endswith("_search") for request in list(server.requests)):
                assert running.poll() is None, running.communicate()
                time.sleep(0.02)
            running.send_signal(signal.SIGINT)
            out, _ = running.communicate(timeout=300)
    assert running.returncode == 130, out
    assert "the run was interrupted: 12 points were accepted, and only the verification is missing" in " ".join(
        out.split()
    )
    assert "fix:   magictel send-sample elasticsearch" in out
    last = out.rstrip().splitlines()[-1]
    assert last.startswith("interrupted: elasticsearch accepted the points, and only the verification is missing")
    (target,) = json.loads((tmp_path / "j").read_text())["targets"]
    assert (target["outcome"], target["code"], target["receipt"]["delivered"]) == (
        "unverified",
        "verify.unverified",
        12,
    )


@pytest.mark.parametrize(
    ("name", "fault", "environment", "fix"),
    [
        ("elasticsearch", "401 forever", {"ELASTICSEARCH_API_KEY": "id:key"}, "check api_key (ELASTICSEARCH_API_KEY)"),
        ("elasticsearch", "401 forever", {}, "set api_key, username and password, or bearer_token"),
        (
            "opensearch",
            "401 forever",
            {"OPENSEARCH_USERNAME": "u", "OPENSEARCH_PASSWORD": "p"},
            "check username and password (OPENSEARCH_USERNAME, OPENSEARCH_PASSWORD)",
        ),
    ],
)
def test_a_401_to_a_write_names_the_credentials_that_were_sent(
    name: str, fault: str, environment: dict[str, str], fix: str, tmp_path: Path
) -> None:
    with sandbox.start([name], faults=[f"{name}: {fault}"]) as room:
        prepare_all(room)
        given = {**room.environment(name), **environment}
        sent = magictel("send-sample", name, folder=tmp_path, environment=given)
        replayed = magictel("replay", "@node", "--to", name, folder=tmp_path, environment=given)
    for ran in (sent, replayed):
        assert f"fix: {fix}" in " ".join(ran.out.split())
    assert "attempts 1, 1 failed (1× 401)" in " ".join(sent.out.split())
