"""What surrounds the package: the workflow starts `.ci/run`, the hooks are its quick checks, the tools they need are declared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml

from tests.documents import ROOT

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CI = (ROOT / ".ci" / "run").read_text("utf-8")
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def hooks() -> list[dict[str, Any]]:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert repository["repo"] == "local"
    return list(repository["hooks"])


def test_the_workflow_is_valid_and_starts_what_runs_anywhere() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    (job,) = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    for version in job["strategy"]["matrix"]["python-version"]:
        assert tuple(map(int, version.split("."))) >= (3, 11)


def test_the_hooks_are_the_quick_checks_of_ci() -> None:
    quick = {
        " ".join(line.split()[:2]).rstrip(".")
        for line in CI.splitlines()
        if re.match(r"(ruff|mypy|lint-imports)", line)
    }
    assert quick == {"ruff format", "ruff check", "mypy", "lint-imports"}
    entries = [shlex.split(hook["entry"]) for hook in hooks()]
    assert quick <= {" ".join(entry[:2]) if entry[0] == "ruff" else entry[0] for entry in entries}
    assert all(hook["language"] == "system" and {"id", "name"} <= hook.keys() for hook in hooks())


def test_the_hook_for_generated_parts_selects_tests() -> None:
    (hook,) = [hook for hook in hooks() if hook["id"] == "generated"]
    words = shlex.split(hook["entry"])
    assert words[0] == "python"
    ran = subprocess.run(
        [sys.executable, *words[1:], "--collect-only"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "test_every_generated_part_is_what_the_code_says" in ran.stdout
    assert "test_the_file_is_what_the_commands_say_now" in ran.stdout
    for path in ("README.md", "magictel/guide/ci.md", "completions/magictel.fish", "magictel/cli/commands.py"):
        assert re.search(hook["files"], path), path


def test_the_floor_of_coverage_is_measured_where_data_could_be_lost() -> None:
    """Each test runs once: what is measured first is left out of the rest."""
    first, rest = re.findall(r"^python -m pytest -n 4 -q (.*)$", CI, re.MULTILINE)
    measured = re.findall(r"--cov=(\S+)", first)
    assert measured == ["magictel.delivery", "magictel.exporters"]
    folders = [word for word in first.split() if word.startswith("tests/")]
    assert folders
    assert sorted(re.findall(r"--ignore=(\S+)", rest)) == sorted(folders)
    assert PYPROJECT["tool"]["coverage"]["run"]["branch"]
    assert PYPROJECT["tool"]["coverage"]["report"]["fail_under"] >= 88


@pytest.mark.parametrize("tool", ["pytest-cov", "check-jsonschema", "pyyaml"])
def test_the_tools_of_these_tests_are_declared(tool: str) -> None:
    assert any(line.startswith(tool) for line in PYPROJECT["project"]["optional-dependencies"]["test"])


def test_real_servers_are_started_for_every_folder_that_needs_them() -> None:
    (run,) = re.findall(r"python -m pytest -q -m real (.*)$", CI, re.MULTILINE)
    files = (ROOT / "tests").rglob("test_*.py")
    marked = [path for path in files if re.search(r"pytest\.mark\.real\b", path.read_text("utf-8"))]
    folders = {path.parent.relative_to(ROOT).as_posix() for path in marked}
    assert folders
    assert sorted(word for word in run.split() if word.startswith("tests/")) == sorted(folders)
