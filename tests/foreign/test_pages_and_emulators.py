"""A package of another author brings pages and an emulator: `explain`, `diagnose` and `--sandbox` serve them as magictel's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magictel.scaffold.project import Names, files
from tests.foreign.fresh import Fresh, build, fresh, missing_tools, once, wheel

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, installed_magictel: Path) -> Fresh:
    def make(folder: Path) -> None:
        environment = fresh(folder / "environment", installed_magictel)
        project = folder / "acme-exporter"
        for name, text in files(Names("acme"), "http").items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text)
        broken = wheel(folder, "broken-emulator", "broken_emulator", "raise OSError('no such library')\n", {})
        environment.install(build(project, folder / "wheels"), broken)
        (info,) = (folder / "environment").glob("lib/python*/site-packages/broken_emulator-*.dist-info")
        (info / "entry_points.txt").write_text(
            "[magictel.emulators]\nbroken = broken_emulator:Emulator\n"
            "elasticsearch = broken_emulator:Emulator\n"  # a built-in one keeps its name
            "[magictel.catalogues]\nbroken = broken_emulator.pages\nnothing = broken_emulator:pages.toml\n"
        )

    return Fresh(once(tmp_path_factory, "acme-environment", make) / "environment")


def test_a_page_is_explained_like_one_of_magictel(environment: Fresh) -> None:
    shown = environment.magictel("explain", "acme.refused", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    assert "Acme refused a point." in shown.stdout
    listed = environment.magictel("explain", "--list")
    assert {"acme.refused", "http.unauthorized"} <= set(listed.stdout.split())


def test_a_code_that_is_near_is_suggested(environment: Fresh) -> None:
    shown = environment.magictel("explain", "acme.refusd")
    assert shown.returncode != 0
    assert "acme.refused" in shown.stderr


def test_an_answer_is_diagnosed_under_the_plugins_code(environment: Fresh, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"refused": [[0, "nonsense"]]}))
    shown = environment.magictel("diagnose", "acme", "--status", "200", "--body", str(body), "--format", "json")
    document = json.loads(shown.stdout)
    assert (document["code"], document["retry"]) == ("acme.refused", "no")


@pytest.mark.parametrize("command", ["check", "send-sample"])
def test_the_sandbox_runs_the_plugins_emulator(environment: Fresh, command: str) -> None:
    ran = environment.magictel(command, "acme", "--sandbox")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_broken_emulator_is_named_and_costs_the_others_nothing(environment: Fresh) -> None:
    asked = environment.magictel("check", "broken", "--sandbox")
    assert asked.returncode != 0
    assert "Traceback" not in asked.stderr
    everything = environment.magictel("check", "--sandbox", "--format", "json")
    assert everything.returncode == 0, everything.stdout + everything.stderr
    targets = {target["target"] for target in json.loads(everything.stdout)["targets"]}
    assert {"acme", "elasticsearch", "prometheus-remote-write"} <= targets
    assert "broken" not in targets


def test_doctor_says_which_pages_cannot_be_read(environment: Fresh) -> None:
    shown = environment.magictel("doctor", "--format", "json")
    problems = json.loads(shown.stdout)["problems"]
    messages = {problem["message"] for problem in problems if problem["code"] == "plugin.catalogue"}
    assert len(messages) == 2, problems
    assert 'the entry point broken = "broken_emulator.pages" names a package that cannot be found: OSError' in messages
    assert "plugin.group" not in {problem["code"] for problem in problems}
