"""`magictel check` from the command line: what is said, in which form, and with which exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from magictel import sandbox
from tests.cli.running import Ran, answering, html, magictel, refused
from tests.reporters.junit_schema import judged

RUNGS = ["config", "dns", "tcp", "tls", "http", "auth", "clock", "health", "write", "round-trip"]


@contextmanager
def _nobody() -> Iterator[int]:
    yield refused()


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
SSH = b"SSH-2.0-OpenSSH_9.6\r\n"
TROUBLE: list[tuple[str, Callable[[], AbstractContextManager[int]], str, str, str]] = [
    ("http", _nobody, "tcp", "net.tcp.refused", "nothing is listening"),
    ("http", lambda: answering(html()), "http", "http.not-a-backend", "with a web page"),
    ("http", lambda: answering(html("502 Bad Gateway")), "http", "http.bad-gateway", "502 from nginx"),
    (
        "http",
        lambda: answering(b"This is not an HTTP port"),
        "http",
        "es.http.wrong-port",
        "the transport port of the nodes",
    ),
    ("http", lambda: answering(JSON, secure=True), "http", "http.tls-port", "speaks TLS"),
    ("http", lambda: answering(SSH), "http", "http.not-http", "does not speak HTTP"),
    ("https", lambda: answering(html()), "tls", "tls.plaintext-server", "does not speak TLS"),
    ("https", lambda: answering(JSON, secure=True), "tls", "tls.unknown-ca", "not trusted"),
]


@pytest.mark.parametrize(("scheme", "server", "rung", "code", "message"), TROUBLE, ids=[row[3] for row in TROUBLE])
def test_each_trouble_has_its_rung_code_remedy_and_exit_code(
    scheme: str,
    server: Callable[[], AbstractContextManager[int]],
    rung: str,
    code: str,
    message: str,
    tmp_path: Path,
) -> None:
    with server() as port:
        url = f"{scheme}://127.0.0.1:{port}"
        ran = magictel(
            "check", "elasticsearch", "--timeout", "5s", folder=tmp_path, environment={"ELASTICSEARCH_URL": url}
        )
    assert ran.code == 1, ran
    assert ran.err == ""
    assert ran.last.startswith(f"elasticsearch FAILED at {rung}: ")
    assert f"({code})" in ran.last
    assert message in ran.out
    assert "      fix:   " in ran.out
    assert f"      more:  magictel explain {code}\n" in ran.out
    assert magictel("explain", code, folder=tmp_path).code == 0


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("http://${ES_HOST}:9200", "config.url.unexpanded-variable", "the variable ${ES_HOST} is not set"),
        ("http://localhost:99999", "config.url.bad-port", "the port 99999 is not between 1 and 65535"),
        ("localhost:9200", "config.url.no-scheme", "http://"),
    ],
)
def test_unusable_settings_are_a_failed_config_rung_and_exit_78(
    url: str, code: str, message: str, tmp_path: Path
) -> None:
    ran = magictel("check", "elasticsearch", folder=tmp_path, environment={"ELASTICSEARCH_URL": url})
    assert (ran.code, ran.err) == (78, "")
    assert ran.last.startswith("elasticsearch FAILED at config: ")
    assert f"({code})" in ran.last
    assert message in ran.out
    assert "from ELASTICSEARCH_URL" in ran.out


def test_the_sandbox_holds_for_every_emulator(tmp_path: Path) -> None:
    ran = magictel("check", "--sandbox", "--round-trip", "--format", "json", folder=tmp_path)
    assert ran.code == 0, ran
    assert ran.document["schema"] == "magictel.check/1"
    replying = [name for name in sandbox.names() if name != "statsd"]
    assert [target["target"] for target in ran.document["targets"]] == replying
    for target in ran.document["targets"]:
        assert [rung["rung"] for rung in target["rungs"]] == RUNGS
        assert target["rungs"][-1]["outcome"] in {"pass", "warn"}, target["rungs"][-1]


def test_what_the_environment_says_of_real_backends_does_not_reach_the_sandbox(tmp_path: Path) -> None:
    real = {
        "ELASTICSEARCH_URL": f"https://127.0.0.1:{refused()}",
        "ELASTICSEARCH_CA_FILE": "/nowhere/ca.pem",
        "HTTP_PROXY": f"http://127.0.0.1:{refused()}",
        "ENABLED_EXPORTERS": "nonsense",
    }
    ran = magictel("check", "elasticsearch", "--sandbox", folder=tmp_path, environment=real)
    assert ran.code == 0, ran


def test_a_target_of_the_file_keeps_all_but_its_address_in_the_sandbox(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text(
        '[targets.prod-es]\nexporter = "elasticsearch"\nurl = "https://es.example.net"\nindex = "mine"\nenabled = false\n'
    )
    ran = magictel("send-sample", "prod_es", "--sandbox", "--dry-run", folder=tmp_path)
    assert ran.code == 0, ran
    assert "POST http://127.0.0.1:" in ran.out
    assert "/mine/_bulk" in ran.out


def test_nothing_enabled_and_nothing_named_says_what_to_do_next(tmp_path: Path) -> None:
    ran = magictel("check", folder=tmp_path)
    assert (ran.code, ran.out) == (78, "")
    assert ran.err.split("\n") == [
        "Nothing is enabled and nothing was named.",
        "  try it without a server:    magictel send-sample --sandbox",
        "  name an exporter:           magictel check elasticsearch",
        "  create a file of targets:   magictel init",
        "",
    ]
    run = magictel("check", "--format", "json", folder=tmp_path)
    assert run.code == 78
    assert (run.document["schema"], run.document["code"]) == ("magictel.error/1", "config.nothing-enabled")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["elastcsearch"], "Did you mean elasticsearch"),
        (["elasticsearch", "--until", "helth"], "helth"),
        (["elasticsearch", "--timeout", "soon"], "is not a duration"),
        (["elasticsearch", "--skip", "tls.expird"], "Did you mean tls.expired"),
        (["elasticsearch", "--report", "xml=a"], "KIND=PATH"),
        (["elasticsearch", "--report", "junit=/nowhere/at/all.xml"], "cannot be written"),
        (["elasticsearch", "--jobs", "0"], "--jobs"),
        (["elasticsearch", "--set", "url"], "--set"),
        (["elasticsearch", "opensearch", "--set", "url=x"], "ambiguous, 2 targets"),
        (["console", "--sandbox"], "no emulator"),
        (["elasticsearch", "--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_is_exit_2_in_one_sentence_in_either_format(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    ran = magictel("check", *arguments, folder=tmp_path)
    assert (ran.code, ran.out) == (2, ""), ran
    assert message in ran.err
    assert "Traceback" not in ran.err
    run = magictel("check", *arguments, "--format", "json", folder=tmp_path)
    assert run.code == 2
    assert message in run.document["message"] + str(run.document["remedy"])


def test_an_unwritable_report_stops_everything_before_anything_is_asked(tmp_path: Path) -> None:
    with sandbox.start(["elasticsearch"]) as room:
        ran = magictel(
            "check", "elasticsearch", "--report", f"json={tmp_path}", folder=tmp_path, environment=room.environment()
        )
        assert room.servers["elasticsearch"].connections == 0
    assert ran.code == 2
    assert ran.err.count("\n") == 2


def test_reports_stand_beside_the_page(tmp_path: Path) -> None:
    reports = ["--report", "json=a.json", "--report", "junit=b.xml", "--report", "json=c.json"]
    ran = magictel("check", "--sandbox", *reports, folder=tmp_path)
    assert ran.code == 0, ran
    assert "targets OK" in ran.last
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["schema"] == "magictel.check/1"
    assert (tmp_path / "c.json").read_text() == (tmp_path / "a.json").read_text()
    suites = judged(tmp_path / "b.xml")
    assert [suite.attrib["name"] for suite in suites] == [target["target"] for target in document["targets"]]


def test_reports_say_why_there_is_nothing_to_report(tmp_path: Path) -> None:
    ran = magictel("check", "--report", "json=a.json", "--report", "junit=b.xml", folder=tmp_path)
    assert ran.code == 78
    assert json.loads((tmp_path / "a.json").read_text())["code"] == "config.nothing-enabled"
    assert judged(tmp_path / "b.xml").attrib["errors"] == "1"


def test_an_unusable_target_does_not_keep_the_others_from_being_asked(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text(
        '[targets.broken]\nexporter = "elasticsearch"\nurl = "http://${NOWHERE}"\n'
        f'[targets.dead]\nexporter = "elasticsearch"\nurl = "http://127.0.0.1:{refused()}"\n'
    )
    ran = magictel("check", "dead", "broken", "--format", "json", folder=tmp_path)
    assert ran.code == 78
    assert [(target["target"], target["outcome"]) for target in ran.document["targets"]] == [
        ("dead", "fail"),
        ("broken", "fail"),
    ]
    codes = [next(rung["code"] for rung in target["rungs"] if rung["code"]) for target in ran.document["targets"]]
    assert codes == ["net.tcp.refused", "config.url.unexpanded-variable"]


def test_what_is_not_asked_is_skipped_and_says_so(tmp_path: Path) -> None:
    until = magictel("check", "elasticsearch", "--sandbox", "--until", "http", "--format", "json", folder=tmp_path)
    outcomes = {rung["rung"]: rung["outcome"] for rung in until.document["targets"][0]["rungs"]}
    assert [outcomes[rung] for rung in RUNGS[5:]] == ["skipped"] * 5
    beyond = magictel("check", "elasticsearch", "--until", "http", folder=tmp_path, environment=_dead())
    assert "auth, clock, health, write, round-trip   skipped (after --until http)" in beyond.out
    assert "- tls, http   blocked by tcp" in beyond.out


def test_strict_ends_with_3_where_there_are_warnings_and_skip_takes_them_away(tmp_path: Path) -> None:
    def ran(*more: str) -> Ran:
        return magictel("check", "elasticsearch", "--sandbox-bare", "--strict", *more, folder=tmp_path)

    assert "es.mapping.unprepared" in ran().out
    assert ran().code == 3
    assert ran("--skip", "es.mapping.unprepared").code == 0
    assert ran("--skip", "write").code == 0


def test_wait_climbs_until_it_holds(tmp_path: Path) -> None:
    from magictel.clock import SystemClock
    from magictel.sandbox.server import Server
    from magictel.sandbox.table import make

    port = refused()
    server = Server(make("elasticsearch", SystemClock()), port=port)
    later = threading.Timer(0.7, server.start)
    later.start()
    try:
        ran = magictel(
            "check",
            "elasticsearch",
            "--wait",
            "30s",
            folder=tmp_path,
            environment={"ELASTICSEARCH_URL": f"http://127.0.0.1:{port}"},
        )
    finally:
        later.join()
        server.stop()
    assert ran.code == 0, ran
    assert ran.last.startswith("elasticsearch OK")


def test_wait_that_runs_out_fails(tmp_path: Path) -> None:
    ran = magictel("check", "elasticsearch", "--wait", "1200ms", folder=tmp_path, environment=_dead())
    assert ran.code == 1
    assert "elasticsearch FAILED at tcp: " in ran.last
    assert "(net.tcp.refused)" in ran.last


def _dead() -> dict[str, str]:
    return {"ELASTICSEARCH_URL": f"http://127.0.0.1:{refused()}"}


def test_a_key_in_quotes_comes_with_the_line_that_removes_them(tmp_path: Path) -> None:
    with answering(html()) as port:
        environment = {"ELASTICSEARCH_API_KEY": "'s3cr3t-key'", "ELASTICSEARCH_URL": f"http://127.0.0.1:{port}"}
        ran = magictel("check", "elasticsearch", "--until", "config", folder=tmp_path, environment=environment)
    assert 'fix:   export ELASTICSEARCH_API_KEY="${ELASTICSEARCH_API_KEY:1:-1}"' in ran.out
    assert "s3cr3t" not in ran.out + ran.err
