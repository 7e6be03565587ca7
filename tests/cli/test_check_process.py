"""What only a process of its own shows: signals, closed pipes, terminals, locales."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import hanging, process, refused, started
from tests.reporters.junit_schema import judged


def _dead() -> dict[str, str]:
    return {"ELASTICSEARCH_URL": f"http://127.0.0.1:{refused()}"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", ["check", "send-sample"])
def test_a_signal_ends_cleanly_with_the_report_so_far(number: int, code: int, command: str, tmp_path: Path) -> None:
    with hanging() as (port, asked):
        (tmp_path / "magictel.toml").write_text(
            f'[targets.dead]\nexporter = "elasticsearch"\nurl = "http://127.0.0.1:{refused()}"\n'
            f'[targets.hangs]\nexporter = "elasticsearch"\nurl = "http://127.0.0.1:{port}"\n'
        )
        more = ["--timeout", "60s"] if command == "check" else []
        reports = ["--report", "junit=report.xml", "--report", "json=report.json"]
        with started(command, "--jobs", "1", *more, "--format", "json", *reports, folder=tmp_path) as running:
            assert asked.wait(100)  # one at a time: the dead one is done
            running.send_signal(number)
            out, err = running.communicate(timeout=300)
    assert running.returncode == code, err
    assert "Traceback" not in err
    document = json.loads(out)
    assert document["interrupted"] is True
    if command == "check":  # how far its first climb came
        assert [target["target"] for target in document["targets"]] == ["dead", "hangs"]
        assert (document["outcome"], document["not_asked"]) == ("fail", [])
        rungs = {rung["rung"]: rung for rung in document["targets"][1]["rungs"]}
        assert [rungs[name]["outcome"] for name in ("dns", "tcp", "http", "auth")] == [
            "pass",
            "pass",
            "fail",
            "skipped",
        ]
        assert rungs["http"]["code"] == "run.interrupted"
    else:
        assert document["not_asked"] == ["hangs"]
        assert [target["target"] for target in document["targets"]] == ["dead"]
    assert json.loads((tmp_path / "report.json").read_text()) == document
    suites = judged(tmp_path / "report.xml")
    assert [suite.attrib["name"] for suite in suites] == ["dead", "hangs"]


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    read, write = os.pipe()
    with started("check", "elasticsearch", "opensearch", "--sandbox", folder=tmp_path, stdout=write) as running:
        os.close(write)
        os.close(read)  # no process reads, from the start
        _, err = running.communicate(timeout=300)
    assert err == ""
    assert running.returncode == 0


def test_a_locale_without_the_signs_gets_words(tmp_path: Path) -> None:
    arguments, environment = process("check", "elasticsearch", **_dead(), PYTHONIOENCODING="ascii:strict", LC_ALL="C")
    ran = subprocess.run(arguments, env=environment, cwd=tmp_path, capture_output=True, timeout=300, check=False)
    shown = ran.stdout.decode("ascii")
    assert (ran.returncode, ran.stderr) == (1, b"")
    assert "  ok   config" in shown
    assert "  FAIL tcp" in shown
    assert "  .    round-trip" in shown


def _on_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    command, variables = process(*arguments, TERM="xterm-256color", COLUMNS="80", **environment)
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=variables, cwd=folder, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        running.wait(timeout=300)
    os.close(ours)
    return seen.decode()


def test_a_terminal_gets_colours_80_columns_and_progress_that_goes_away(tmp_path: Path) -> None:
    seen = _on_terminal(tmp_path, "check", "elasticsearch", "--wait", "6s", **_dead())
    assert "\x1b[31m×\x1b[0m" in seen
    assert re.search(r"\r\x1b\[2Kelasticsearch  tcp: connection refused.*  [0-6] s of 6 s\r\x1b\[2K", seen)
    settled = re.sub(r"[^\n]*\r\x1b\[2K", "", seen)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", settled).replace("\r\n", "\n")
    assert plain.split("\n")[0].startswith("elasticsearch  http://127.0.0.1:")
    assert all(len(line) <= 80 for line in plain.split("\n"))
    assert re.search(r"  √ dns           127\.0\.0\.1 is an address: no lookup needed +(<?\d+ ms|\d\.\d s)\n", plain)


@pytest.mark.parametrize("runner", [{}, {"GITHUB_ACTIONS": "true"}])
def test_workflow_commands_go_to_a_runner_and_not_to_a_person_at_a_terminal(
    runner: dict[str, str], tmp_path: Path
) -> None:
    seen = _on_terminal(tmp_path, "check", "elasticsearch", "--report", "github=s.md", **runner, **_dead())
    assert ("::error title=elasticsearch tcp" in seen) == bool(runner)
    assert "net.tcp.refused" in (tmp_path / "s.md").read_text()


def test_no_color_is_respected(tmp_path: Path) -> None:
    seen = _on_terminal(tmp_path, "check", "elasticsearch", NO_COLOR="1", **_dead())
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", seen)
    assert "×" in seen
