"""README's recipes for CI are run as far as they run here: YAML is read, every command is executed by a shell, against the sandbox."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from magictel import sandbox
from magictel.reporters.kinds import KINDS
from tests.reporters.junit_schema import judged

ROOT = Path(__file__).parent.parent
SECTION = (ROOT / "README.md").read_text().split("\n## In CI\n")[1].split("\n## ")[0]
BLOCKS = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
RECIPES = [yaml.safe_load(block) for block in BLOCKS]
INSTALL = "pip install magictel"


def recipe(key: str) -> dict[str, Any]:
    (found,) = [one for one in RECIPES if key in one]
    return dict(found)


@pytest.fixture
def backend() -> Iterator[Mapping[str, str]]:
    with sandbox.start(["elasticsearch"]) as room:
        yield room.environment()


def shell(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run as a CI system does: bash that stops at the first failure, our command in the path."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "magictel").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m magictel "$@"\n')
    (tools / "magictel").chmod(0o755)
    held = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=held,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def given(variables: Mapping[str, str], backend: Mapping[str, str]) -> dict[str, str]:
    """The recipe's own variables; what it takes from the CI system's store comes from the sandbox, where that has it."""
    return {name: backend.get(name, "") if value.startswith("$") else value for name, value in variables.items()}


def test_every_kind_of_report_is_told() -> None:
    assert re.findall(r"^\| `([a-z]+)` \|", SECTION, re.MULTILINE) == list(KINDS)


@pytest.mark.parametrize(("key", "schema"), [("jobs", "github-workflows"), ("metrics-arrive", "gitlab-ci")])
@pytest.mark.parametrize("broken", [False, True])
def test_a_recipe_is_valid_by_its_systems_own_schema(key: str, schema: str, broken: bool, tmp_path: Path) -> None:
    """By the schemas that come with check-jsonschema: no network. A recipe that is spoiled is refused."""
    (text,) = [text for text in BLOCKS if key in yaml.safe_load(text)]
    spoiled = text.replace("runs-on:", "runs-where:").replace("exit_codes: [3]", "exit_codes: [unverified]")
    assert spoiled != text
    (tmp_path / "recipe.yml").write_text(spoiled if broken else text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", "recipe.yml"]
    judged = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert judged.returncode == int(broken), judged.stdout + judged.stderr


def test_the_workflow_for_github(tmp_path: Path, backend: Mapping[str, str]) -> None:
    (job,) = recipe("jobs")["jobs"].values()
    assert set(job) == {"runs-on", "env", "steps"}
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert runs[0] == INSTALL
    environment = given(job["env"], backend)
    assert environment.pop("ELASTICSEARCH_API_KEY") == ""  # the sandbox asks for none
    for number, run in enumerate(runs[1:]):
        summary = tmp_path / f"summary-{number}.md"
        ran = shell(run, tmp_path, {**environment, "GITHUB_STEP_SUMMARY": str(summary)})
        assert ran.returncode == 0, ran
        assert summary.read_text().startswith("## ⚠️ magictel ")
        assert "::warning title=elasticsearch write%3A es.mapping.unprepared::" in ran.stderr
    (upload,) = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert {path.name for path in tmp_path.glob(upload["with"]["path"])} == {"sample.xml", "sample.html"}


def test_the_job_for_gitlab(tmp_path: Path, backend: Mapping[str, str]) -> None:
    job = recipe("metrics-arrive")["metrics-arrive"]
    assert job["script"][0] == INSTALL
    ran = shell("\n".join(job["script"][1:]), tmp_path, given(job["variables"], backend))
    assert ran.returncode == 0, ran
    for name in job["artifacts"]["reports"]["junit"]:
        root = judged(tmp_path / name)
        assert (root.tag, root.get("failures"), root.get("errors")) == ("testsuites", "0", "0")
    assert job["allow_failure"] == {"exit_codes": [3]}  # unverified


def test_the_init_container_for_kubernetes(tmp_path: Path, backend: Mapping[str, str]) -> None:
    pod = recipe("kind")["spec"]["template"]["spec"]
    (waits,) = pod["initContainers"]
    told = tmp_path / "termination-log"
    told.touch()  # the kubelet's file is there before the container begins
    script = shlex.join(waits["command"]).replace("/dev/termination-log", str(told))
    ran = shell(script, tmp_path, {**backend, "ENABLED_EXPORTERS": "elasticsearch"})
    assert ran.returncode == 0, ran
    assert told.read_text().startswith("MAGICTEL WARNING - elasticsearch holds, with 1 warning: ")
    assert len(told.read_text()) < 4096  # what the kubelet keeps


@pytest.mark.parametrize(("reachable", "code", "word"), [(True, 1, "WARNING"), (False, 2, "CRITICAL")])
def test_the_plugin_for_nagios(
    tmp_path: Path, backend: Mapping[str, str], reachable: bool, code: int, word: str
) -> None:
    (script,) = re.findall(r"```sh\n(line=.*?)```", SECTION, re.DOTALL)
    address = backend if reachable else {"ELASTICSEARCH_URL": "http://127.0.0.1:9"}
    # a plugin is run without -e
    done = shell(f"set +e\n{script}", tmp_path, {**address, "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stdout.count("\n")) == (code, 1), done
    assert done.stdout.startswith(f"MAGICTEL {word} - elasticsearch ")
