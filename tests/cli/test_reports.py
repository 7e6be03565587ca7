"""`--report` as a user meets it: every kind in one run, files that appear whole, words that are true in the sandbox."""

from __future__ import annotations

import re
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from magictel.reporters.formats import KINDS
from tests.cli.running import hanging, magictel, refused, started
from tests.reporters.junit_schema import judged

FILES = {kind: f"report.{kind}" for kind in KINDS}
ALL = [f"--report={kind}={path}" for kind, path in FILES.items()]
BEGINS = {
    "json": "{",
    "junit": "<?xml ",
    "tap": "TAP version 13\n",
    "github": "## ",
    "nagios": "MAGICTEL ",
    "prometheus": "# HELP ",
    "html": "<!DOCTYPE html>",
}


@pytest.mark.parametrize("command", [["check"], ["send-sample"], ["replay", "@node"]])
def test_every_kind_in_one_run_beside_the_page(command: list[str], tmp_path: Path) -> None:
    ran = magictel(*command, "--sandbox", *ALL, folder=tmp_path)
    assert ran.code == 0, ran
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES.values())
    for kind, name in FILES.items():
        text = (tmp_path / name).read_text()
        assert text.startswith(BEGINS[kind])
        assert "elasticsearch" in text
    judged(tmp_path / FILES["junit"])
    assert (tmp_path / "report.prometheus").read_text().count(f'command="{command[0]}"') > 10


def test_every_kind_says_why_there_is_nothing_to_report(tmp_path: Path) -> None:
    ran = magictel("check", *ALL, folder=tmp_path)
    assert ran.code == 78
    for kind, name in FILES.items():
        text = (tmp_path / name).read_text()
        assert text.startswith(BEGINS[kind])
        assert "config.nothing-enabled" in text
    assert judged(tmp_path / FILES["junit"]).attrib["errors"] == "1"
    assert "::error title=magictel run%3A config.nothing-enabled::" in ran.err
    assert ran.out == ""


def test_a_failed_target_is_an_annotation_on_standard_error_and_stdout_stays_one_document(tmp_path: Path) -> None:
    address = f"url=http://127.0.0.1:{refused()}"
    ran = magictel("check", "elasticsearch", "--set", address, "--format=json", "--report=github=s.md", folder=tmp_path)
    assert ran.code == 1
    assert ran.document["outcome"] == "fail"
    (annotation,) = [line for line in ran.err.splitlines() if line.startswith("::")]
    assert annotation.startswith("::error title=elasticsearch tcp%3A net.tcp.refused::")


def test_github_alone_takes_the_steps_own_summary_and_adds_to_it(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    for command in ("check", "send-sample"):
        ran = magictel(
            command,
            "elasticsearch",
            "--sandbox-bare",
            "--force",
            "--report=github",
            folder=tmp_path,
            environment={"GITHUB_STEP_SUMMARY": str(summary)},
        )
        assert ran.code == 0, ran
    heads = [line for line in summary.read_text().splitlines() if line.startswith("## ")]
    assert heads == [
        "## ⚠️ magictel check: elasticsearch OK, 1 warning",
        "## ⚠️ magictel send-sample: verified",
    ]


@pytest.mark.parametrize("command", [["check"], ["send-sample"], ["replay", "@node"]])
@pytest.mark.parametrize(
    ("report", "message"),
    [
        ("github", "GITHUB_STEP_SUMMARY is not set"),
        ("xml=a", "kinds are json, junit, tap, github, nagios, prometheus, html"),
        ("tap", "--report tap=PATH"),
        ("html=", "--report html=PATH"),
        ("prometheus=/nowhere/at/all.prom", "/nowhere/at/all.prom cannot be written"),
    ],
)
def test_a_report_written_wrong_is_exit_2_before_anything_is_opened_or_left(
    report: str, message: str, command: list[str], tmp_path: Path
) -> None:
    ran = magictel(*command, "--sandbox", "--report=prometheus=a.prom", f"--report={report}", folder=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 2  # what is wrong, and how it is written
    assert list(tmp_path.iterdir()) == []


def test_metrics_appear_whole_in_their_place_and_the_last_ones_stay_until_then(tmp_path: Path) -> None:
    place = tmp_path / "magictel.prom"
    place.write_text("last_run 1\n")
    with hanging() as (port, asked):
        arguments = ["check", "elasticsearch", "--set", f"url=http://127.0.0.1:{port}", f"--report=prometheus={place}"]
        with started(*arguments, folder=tmp_path) as running:
            assert asked.wait(100)
            assert place.read_text() == "last_run 1\n"
            running.send_signal(signal.SIGINT)
            assert running.wait(timeout=300) == 130
    assert 'magictel_run_complete{command="check"} 0' in place.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["magictel.prom"]


def test_a_device_or_a_pipe_takes_metrics_as_well(tmp_path: Path) -> None:
    ran = magictel("check", "--sandbox", "--report=prometheus=/dev/null", folder=tmp_path)
    assert ran.code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of the Debian package prometheus")
def test_promtool_takes_what_a_real_run_leaves(tmp_path: Path) -> None:
    for command in (["check"], ["send-sample"], ["replay", "@node"]):
        assert magictel(*command, "--sandbox", "--report=prometheus=a.prom", folder=tmp_path).code == 0
        judged = subprocess.run(
            ["promtool", "check", "metrics"],
            input=(tmp_path / "a.prom").read_bytes(),
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert (judged.returncode, judged.stdout + judged.stderr) == (0, b"")


def test_no_remedy_of_the_sandbox_would_change_a_real_backend(tmp_path: Path) -> None:
    for command in ("check", "send-sample"):
        ran = magictel(command, "--sandbox-bare", "--format=json", folder=tmp_path)
        remedies = re.findall(r'"remedy": "([^"]+)"', ran.out)
        assert "with a real backend: magictel prepare elasticsearch --apply" in remedies
        assert not [remedy for remedy in remedies if remedy.startswith("magictel ") and "--sandbox" not in remedy]
