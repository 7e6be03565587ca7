"""The guide's recipes for CI are run as far as they run here: YAML is read, every command is executed by a shell, against the sandbox."""

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
from magictel.cli.sandbox_targets import prepare_all
from magictel.registry import entry_points
from magictel.reporters.formats import KINDS
from magictel.settings.fields import field_map
from tests.documents import ROOT, blocks, text
from tests.reporters.junit_schema import judged

BLOCKS = blocks("ci", "yaml")
RECIPES = [yaml.safe_load(block) for block in BLOCKS]
INSTALL = "pip install ."  # the name is not on PyPI


def recipe(key: str) -> dict[str, Any]:
    (only,) = [parsed for parsed in RECIPES if key in parsed]
    return dict(only)


@pytest.fixture
def backend() -> Iterator[Mapping[str, str]]:
    with sandbox.start(["elasticsearch"]) as room:
        yield room.environment()


@pytest.fixture
def prepared() -> Iterator[Mapping[str, str]]:
    """A backend after `magictel prepare elasticsearch --apply`."""
    with sandbox.start(["elasticsearch"]) as room:
        prepare_all(room)
        yield room.environment()


def shell(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run as a CI system does: bash that stops at the first failure, our command in the path."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "magictel").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m magictel "$@"\n')
    (tools / "magictel").chmod(0o755)
    variables = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def given(variables: Mapping[str, str], backend: Mapping[str, str]) -> dict[str, str]:
    """The recipe's own variables; what it takes from the CI system's store comes from the sandbox, where that has it."""
    return {name: backend.get(name, "") if value.startswith("$") else value for name, value in variables.items()}


def test_every_kind_of_report_is_told() -> None:
    assert re.findall(r"^\| `([a-z]+)` \|", text("ci").partition("##")[0], re.MULTILINE) == list(KINDS)


def test_the_workflow_of_readme_is_the_guides_shortened() -> None:
    """Every step that it shows is one that the tests here run."""
    (short,) = map(yaml.safe_load, blocks("README", "yaml"))
    (shown,) = short["jobs"].values()
    (whole,) = recipe("jobs")["jobs"].values()
    assert shown["env"] == whole["env"]
    for step in shown["steps"]:
        assert any(str(step.get("run", step.get("uses"))) in str(known) for known in whole["steps"]), step


def test_the_table_of_secrets_names_the_variables_of_each_exporter() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", text("ci").partition("## GitHub")[0], re.MULTILINE)
    shown = {name: re.findall(r"`([A-Z_]+)`", cells) for name, cells in rows if name not in KINDS}
    assert set(shown) == set(entry_points.names()) - {"prometheus", "console", "file"}
    for exporter, names in shown.items():
        fields = field_map(entry_points.load(exporter).Settings).values()
        secrets = {name for field in fields for name in field.env if field.secret}
        assert set(names) <= {name for field in fields for name in field.env}
        assert secrets & set(names) or exporter == "statsd"


def test_the_environment_for_datadog_and_new_relic_is_theirs_and_works(tmp_path: Path) -> None:
    """Without the keys for queries a sample is unverified; an empty one is refused."""
    variables = recipe("env")["env"]
    with sandbox.start(["elasticsearch", "datadog", "newrelic"]) as room:
        prepare_all(room)
        environment = room.environment()
        whole = given(variables, environment) | {"ELASTICSEARCH_API_KEY": "aWQ6a2V5LWtleQ=="} | environment
        assert shell("magictel check", tmp_path, whole).returncode == 0
        assert shell("magictel send-sample", tmp_path, whole).returncode == 0
        for key, value in (("DD_APP_KEY", None), ("NEW_RELIC_USER_KEY", None), ("DD_APP_KEY", "")):
            less = {name: text for name, text in whole.items() if name != key} | ({key: value} if value == "" else {})
            assert shell("magictel send-sample", tmp_path, less).returncode == (78 if value == "" else 3)
    assert set(variables) <= set(whole)
    for name, value in variables.items():
        assert name == "ENABLED_EXPORTERS" or value == f"${{{{ {'vars' if 'vars.' in value else 'secrets'}.{name} }}}}"


@pytest.mark.parametrize(("key", "schema"), [("jobs", "github-workflows"), ("metrics-arrive", "gitlab-ci")])
@pytest.mark.parametrize("broken", [False, True])
def test_a_recipe_is_valid_by_its_systems_own_schema(key: str, schema: str, broken: bool, tmp_path: Path) -> None:
    """By the schemas that come with check-jsonschema: no network. A recipe that is spoiled is refused."""
    (text,) = [text for text in BLOCKS if key in yaml.safe_load(text)]
    spoiled = text.replace("runs-on:", "runs-where:").replace("exit_codes: [3]", "exit_codes: [unverified]")
    assert spoiled != text
    (tmp_path / "recipe.yml").write_text(spoiled if broken else text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", "recipe.yml"]
    judged = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert judged.returncode == int(broken), judged.stdout + judged.stderr


def test_the_workflow_for_github(tmp_path: Path, prepared: Mapping[str, str]) -> None:
    (job,) = recipe("jobs")["jobs"].values()
    assert set(job) == {"runs-on", "env", "steps"}
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert runs[0] == INSTALL
    environment = given(job["env"], prepared)
    assert environment.pop("ELASTICSEARCH_API_KEY") == ""  # the sandbox asks for none
    for number, run in enumerate(runs[1:]):
        summary = tmp_path / f"summary-{number}.md"
        ran = shell(run, tmp_path, {**environment, "GITHUB_STEP_SUMMARY": str(summary)})
        assert ran.returncode == 0, ran
        assert summary.read_text().startswith("## ✅ magictel ")
        assert "::warning" not in ran.stderr
    (upload,) = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert {path.name for path in tmp_path.glob(upload["with"]["path"])} == {"sample.xml", "sample.html"}


def test_the_workflow_before_the_index_is_prepared(tmp_path: Path, backend: Mapping[str, str]) -> None:
    """The check warns; the sample is not sent, and the annotation says what to do."""
    (job,) = recipe("jobs")["jobs"].values()
    check, send = [step["run"] for step in job["steps"] if "run" in step][1:]
    environment = {"ENABLED_EXPORTERS": "elasticsearch", **backend, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    ran = shell(check, tmp_path, environment)
    assert ran.returncode == 0, ran
    assert "::warning title=elasticsearch write%3A es.mapping.unprepared::" in ran.stderr
    ran = shell(send, tmp_path, environment)
    assert ran.returncode == 1, ran
    assert "::error title=elasticsearch write%3A es.mapping.unprepared::" in ran.stderr
    assert "magictel prepare elasticsearch --apply" in ran.stderr


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"ELASTICSEARCH_URL": "http://127.0.0.1:9"}, 1, "net.tcp.refused"),
        ({"ELASTICSEARCH_API_KEY": ""}, 78, "config.secret.empty"),  # a pull request from a fork
    ],
)
def test_the_workflow_where_nothing_arrives(
    given: dict[str, str], code: int, says: str, tmp_path: Path, backend: Mapping[str, str]
) -> None:
    """Each step ends as it must, says why where the runner reads it, and leaves what the last step uploads."""
    (job,) = recipe("jobs")["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step][1:]
    environment = {"ENABLED_EXPORTERS": "elasticsearch", **backend, **given}
    for number, run in enumerate(runs):
        summary = tmp_path / f"summary-{number}.md"
        ran = shell(
            run.replace("--wait 60s", "--wait 1s"), tmp_path, {**environment, "GITHUB_STEP_SUMMARY": str(summary)}
        )
        assert ran.returncode == code, ran
        assert f": {says}" in summary.read_text() or f"`{says}`" in summary.read_text()
        assert f"%3A {says}::" in ran.stderr
        assert "\x1b" not in ran.stdout + ran.stderr
    judged(tmp_path / "sample.xml")
    assert (tmp_path / "sample.html").read_text().endswith("</html>\n")


def test_the_job_for_gitlab(tmp_path: Path, prepared: Mapping[str, str]) -> None:
    job = recipe("metrics-arrive")["metrics-arrive"]
    assert job["script"][0] == INSTALL
    ran = shell("\n".join(job["script"][1:]), tmp_path, given(job["variables"], prepared))
    assert ran.returncode == 0, ran
    for name in job["artifacts"]["reports"]["junit"]:
        root = judged(tmp_path / name)
        assert (root.tag, root.get("failures"), root.get("errors")) == ("testsuites", "0", "0")
    assert job["allow_failure"] == {"exit_codes": [3]}  # unverified


# Fields of core/v1 and apps/v1, those that a recipe may want; the API server drops an unknown one in silence (or refuses it, if strict).
POD = {
    "initContainers",
    "containers",
    "volumes",
    "serviceAccountName",
    "restartPolicy",
    "terminationGracePeriodSeconds",
}
CONTAINER = {"name", "image", "command", "args", "env", "envFrom", "volumeMounts", "resources", "securityContext"}
CONTAINER |= {"terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy", "workingDir"}
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def test_the_deployment_has_the_shape_that_kubernetes_wants() -> None:
    deployment = recipe("kind")
    assert (deployment["apiVersion"], deployment["kind"], deployment.keys()) == (
        "apps/v1",
        "Deployment",
        {"apiVersion", "kind", "metadata", "spec"},
    )
    assert LABEL.fullmatch(deployment["metadata"]["name"])
    assert deployment["spec"].keys() == {"selector", "template"}
    template = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert template["spec"].keys() <= POD
    names = []
    for container in template["spec"]["initContainers"] + template["spec"]["containers"]:
        assert {"name", "image"} <= container.keys() <= CONTAINER
        assert LABEL.fullmatch(container["name"])
        names.append(container["name"])
        assert all(
            isinstance(word, str) for word in container.get("command", [])
        )  # 120s is text; a bare 120 would be refused
        for source in container.get("envFrom", []):
            ((kind, named),) = source.items()
            assert (kind in ("secretRef", "configMapRef"), named.keys()) == (True, {"name"})
            assert LABEL.fullmatch(named["name"])
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("reachable", [True, False])
def test_the_init_container_for_kubernetes(reachable: bool, tmp_path: Path, backend: Mapping[str, str]) -> None:
    pod = recipe("kind")["spec"]["template"]["spec"]
    (waits,) = pod["initContainers"]
    log = tmp_path / "termination-log"
    log.touch()  # the kubelet's file is there before the container begins
    command = [log.as_posix().join(word.split("/dev/termination-log")) for word in waits["command"]]
    if not reachable:
        command = ["1s" if word == "120s" else word for word in command]
    address = backend if reachable else {"ELASTICSEARCH_URL": "http://127.0.0.1:9"}
    ran = shell(shlex.join(command), tmp_path, {**address, "ENABLED_EXPORTERS": "elasticsearch"})
    assert ran.returncode == (0 if reachable else 1), ran
    message = "WARNING - elasticsearch OK, 1 warning: " if reachable else "CRITICAL - elasticsearch FAILED at tcp: "
    assert log.read_text().startswith(f"MAGICTEL {message}")
    assert len(log.read_bytes()) < 4096  # what the kubelet keeps


@pytest.mark.parametrize(("reachable", "code", "word"), [(True, 1, "WARNING"), (False, 2, "CRITICAL")])
def test_the_plugin_for_nagios(
    tmp_path: Path, backend: Mapping[str, str], reachable: bool, code: int, word: str
) -> None:
    (script,) = blocks("ci", "sh")
    address = backend if reachable else {"ELASTICSEARCH_URL": "http://127.0.0.1:9"}
    # a plugin is run without -e
    done = shell(f"set +e\n{script}", tmp_path, {**address, "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stdout.count("\n")) == (code, 1), done
    assert done.stdout.startswith(f"MAGICTEL {word} - elasticsearch ")
