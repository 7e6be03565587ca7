"""An author's own project, outside this tree: the suite runs there, and what it says of a failure shows the failure again when pasted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from magictel.conformance import LAWS
from magictel.conformance.law import Need
from tests.documents import blocks
from tests.foreign.fresh import fresh, missing_tools

_GULLIBLE = """
from magictel.model.outcome import Delivered


class Gullible(AcmeExporter):
    def judge(self, payload, reply):
        return Delivered()


class TestGullible(TestAcme):
    @pytest.fixture
    def exporter(self):
        return lambda place: Gullible(AcmeSettings(url=place.origin, **place.settings), clock=place.clock)
"""


def laws_over_http() -> list[str]:
    """Return the laws of an exporter that pushes over HTTP: those of pages and of files do not concern it."""
    return [law.id for law in LAWS if not {Need.PAGE, Need.SYSTEM} & set(law.needs)]


def shown() -> str:
    """Return the suite as the guide shows it."""
    (code,) = [block for block in blocks("writing-an-exporter", "python") if "ExporterSuite" in block]
    return code


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "src" / "acme_metrics"
    package.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("acme.py"), package / "__init__.py")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_acme.py").write_text(shown() + _GULLIBLE)
    return tmp_path


@pytest.fixture
def installed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The interpreter of an environment of its own, with magictel from a wheel."""
    missing = missing_tools()
    if missing:
        pytest.skip(missing)
    return fresh(tmp_path / "installed", request.getfixturevalue("installed_magictel")).python


def ran(
    command: str, project: Path, python: str | Path = sys.executable, **variables: str
) -> subprocess.CompletedProcess[str]:
    tools = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": tools, "PYTHONPATH": str(project / "src"), **variables}
    return subprocess.run(
        command, shell=True, cwd=project, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_an_author_fills_two_fixtures_and_every_law_asked_for_is_a_test(project: Path) -> None:
    done = ran("pytest -q -k 'TestAcme and (describe or encode or retry or read-back)'", project)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b1[0-9] passed", done.stdout), done.stdout
    assert "skipped" not in done.stdout


def test_a_failure_names_law_and_seed_and_its_line_shows_it_again_when_pasted(project: Path) -> None:
    done = ran("pytest -q -k 'TestGullible and fault.web-page'", project, MAGICTEL_CONFORMANCE_SEED="7")
    message = "a web page counted as the backend's reply"
    assert done.returncode == 1
    assert "fault.web-page (must, seed 7)" in done.stdout
    assert message in done.stdout
    again = re.search(r"again: (.+)", done.stdout)
    assert again is not None
    pasted = ran(again[1], project)
    assert pasted.returncode == 1
    assert "fault.web-page (must, seed 7)" in pasted.stdout
    assert message in pasted.stdout
    assert "1 failed" in pasted.stdout


def test_the_suite_runs_from_an_installed_wheel(project: Path, installed: Path) -> None:
    where = "import magictel.conformance, sys; print(magictel.conformance.__file__.startswith(sys.prefix))"
    assert ran(f'python -c "{where}"', project, installed).stdout.strip() == "True"
    done = ran("python -m pytest -q -k TestAcme -p no:cacheprovider", project, installed)
    counts = {what: int(count) for count, what in re.findall(r"(\d+) (passed|skipped|failed)", done.stdout)}
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts == {"passed": len(laws_over_http()), "skipped": len(LAWS) - len(laws_over_http())}, done.stdout
    outcome = ran("magictel conformance file --law system.refused", project, installed)
    assert (outcome.returncode, outcome.stdout.split("   ")[0]) == (0, "file OK: 1 law passed")
