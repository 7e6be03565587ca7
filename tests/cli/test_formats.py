"""`--format` of every kind, `--report KIND=-`, `--quiet` and `--debug`."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from magictel import sandbox
from magictel.cli.output import ResultFormat
from magictel.reporters.formats import KINDS
from tests.cli.running import magictel, refused
from tests.reporters.junit_schema import judged

ES = "elasticsearch"
MARKS = {
    "json": '"magictel.check/1"',
    "junit": "<testsuite ",
    "tap": "TAP version 13",
    "github": "## ",
    "html": "<!DOCTYPE",
    "nagios": "MAGICTEL CRITICAL",
    "prometheus": "magictel_run_complete",
}


@pytest.fixture
def dead() -> dict[str, str]:
    """An environment in which Elasticsearch's port refuses."""
    return {"ELASTICSEARCH_URL": f"http://127.0.0.1:{refused()}"}


def test_every_kind_of_report_is_a_format() -> None:
    assert {kind.value for kind in ResultFormat} == {"text", *KINDS}
    assert MARKS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", MARKS)
def test_a_format_is_what_the_report_of_that_kind_holds(kind: str, tmp_path: Path, dead: dict[str, str]) -> None:
    ran = magictel("check", ES, "--format", kind, "--report", f"{kind}=beside", folder=tmp_path, environment=dead)
    assert ran.code == 1
    assert MARKS[kind] in ran.out
    assert ran.out == (tmp_path / "beside").read_text("utf-8")


@pytest.mark.parametrize("kind", MARKS)
def test_a_dash_is_standard_output(kind: str, tmp_path: Path, dead: dict[str, str]) -> None:
    ran = magictel("check", ES, "--report", f"{kind}=-", folder=tmp_path, environment=dead)
    assert ran.code == 1
    assert MARKS[kind] in ran.out
    assert "\n  × tcp" not in ran.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options", [("--report", "tap=-", "--report", "junit=-"), ("--format", "json", "--report", "junit=-")]
)
def test_standard_output_is_given_once(options: tuple[str, ...], tmp_path: Path) -> None:
    ran = magictel("check", ES, *options, folder=tmp_path)
    assert ran.code == 2
    assert "both use standard output" in ran.err + ran.out


def test_a_dry_run_has_no_report(tmp_path: Path) -> None:
    ran = magictel("send-sample", "console", "--dry-run", "--format", "junit", folder=tmp_path)
    assert ran.code == 2
    assert "--dry-run has no result to report" in ran.err


def test_what_stops_the_whole_run_is_told_in_the_format_and_on_standard_error(tmp_path: Path) -> None:
    ran = magictel("check", "--format", "junit", folder=tmp_path)
    assert ran.code == 78
    assert ET.fromstring(ran.out).get("errors") == "1"
    assert "Nothing is enabled" in ran.err


def test_reports_say_which_version_made_them_where_and_when(tmp_path: Path, dead: dict[str, str]) -> None:
    kinds = [kind for kind in MARKS if kind != "nagios"]
    reports = [argument for kind in kinds for argument in ("--report", f"{kind}={kind}")]
    magictel("check", ES, *reports, folder=tmp_path, environment=dead)
    document = json.loads((tmp_path / "json").read_text())
    assert document["started"].endswith("+00:00")
    for kind in kinds:
        text = (tmp_path / kind).read_text("utf-8")
        assert document["host"] in text, kind
        assert re.search(document["version"], text), kind
    (suite,) = judged(tmp_path / "junit").iter("testsuite")
    assert suite.get("timestamp") == document["started"].removesuffix("+00:00")


def test_quiet_says_nothing_of_what_is_good(tmp_path: Path) -> None:
    ran = magictel("send-sample", "file", "--set", "path=out.jsonl", "-q", folder=tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_quiet_replay_does_not_tell_the_shift(tmp_path: Path) -> None:
    ran = magictel("replay", "@node", "--to", "file", "--set", "path=out.jsonl", "-q", "--verify", folder=tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_quiet_shows_what_failed_and_the_verdict(tmp_path: Path, dead: dict[str, str]) -> None:
    ran = magictel("check", ES, "file", "-q", "--set", "file.path=out.jsonl", folder=tmp_path, environment=dead)
    assert ran.code == 1
    assert not any(line.startswith("file") for line in ran.out.splitlines())
    assert "× tcp" in ran.out
    assert ran.last.startswith("1 of 2 targets FAILED: elasticsearch at tcp (net.tcp.refused)")


def test_debug_shows_each_request_and_reply_and_no_credential(tmp_path: Path) -> None:
    with sandbox.start([ES]) as room:
        environment = {**room.environment(), "ELASTICSEARCH_API_KEY": "aWQtaWQtaWQ6a2V5LWtleS1rZXk="}
        ran = magictel("send-sample", ES, "--debug", "--force", folder=tmp_path, environment=environment)
    assert "> GET http://127.0.0.1:" in ran.err
    assert "authorization: ***" in ran.err
    assert "< 200 GET http://127.0.0.1:" in ran.err
    assert "> POST http://127.0.0.1:" in ran.err
    assert '"create"' in ran.err  # a compressed body is shown as it was before
    assert "aWQtaWQ" not in ran.err + ran.out
    assert "key-key" not in ran.err + ran.out
    after = magictel("check", ES, folder=tmp_path, environment=room.environment())
    assert "> GET" not in after.err


def test_debug_says_that_no_reply_came(tmp_path: Path) -> None:
    with sandbox.start([ES], faults=["elasticsearch: reset x1"]) as room:
        ran = magictel("send-sample", ES, "--debug", "--force", folder=tmp_path, environment=room.environment())
    assert "< no reply to POST http://127.0.0.1:" in ran.err


def test_prepare_and_record_show_their_requests_too(tmp_path: Path) -> None:
    with sandbox.start([ES]) as room:
        environment = room.environment()
        ran = magictel("prepare", ES, "--apply", "--debug", folder=tmp_path, environment=environment)
        assert ran.code == 0, ran
        assert "> PUT http://127.0.0.1:" in ran.err
        page = f"{environment['ELASTICSEARCH_URL']}/metrics"
        ran = magictel("record", "--from", page, "--out", "o.jsonl", "--debug", folder=tmp_path)
    assert f"> GET {page}" in ran.err
