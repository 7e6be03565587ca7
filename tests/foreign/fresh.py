"""A fresh environment outside /tmp, and wheels that are built and installed without a network."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clean_environment import clean_environment

ROOT = Path(__file__).parent.parent.parent
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{version}"

[project.entry-points."magictel.exporters"]
{points}

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]
"""


@dataclass(frozen=True)
class Fresh:
    """A virtual environment that sees what the tests' own has installed, and a magictel of its own."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def install(self, *wheels: Path) -> None:
        """Install wheels with pip, from their files alone; a magictel that the tests' own environment has does not count."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check"]
        quiet = ["install", "--no-index", "--no-deps", "--ignore-installed", "--quiet"]
        _run([*pip, *quiet, *map(str, wheels)], self.folder)

    def magictel(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command in a folder that holds nothing."""
        return subprocess.run(
            [str(self.folder / "bin" / "magictel"), *arguments],
            cwd=self.folder / "empty",
            env={**clean_environment("ACME_", "PYTHON"), **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def exporters(self, **environment: str) -> dict[str, list[dict[str, Any]]]:
        """What `list` says, by name."""
        done = self.magictel("list", "--format", "json", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        exporters: dict[str, list[dict[str, Any]]] = {}
        for exporter in json.loads(done.stdout)["exporters"]:
            exporters.setdefault(exporter["name"], []).append(exporter)
        return exporters


@contextmanager
def outside_tmp() -> Iterator[Path]:
    """A folder that is removed again, where stevedore's cache would be on: that is, not under /tmp."""
    home = Path.home() / ".cache"
    home.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="magictel-tests-", dir=home)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Make a folder for all workers of this run: the first one that needs it makes it, the others wait."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def installed(folder: Path) -> None:
    """Make an environment in a folder and install magictel from a wheel that is built here."""
    environment = folder / "environment"
    venv.create(environment, symlinks=True, with_pip=False)
    (environment / "empty").mkdir()
    packages = next(environment.glob("lib/python*/site-packages"))
    # A path alone: the .pth files there, among them an editable magictel's, are not read.
    (packages / "of-the-tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    Fresh(environment).install(build(ROOT, folder / "wheels"))


def fresh(folder: Path, magictel: Path) -> Fresh:
    """Return an environment in a folder: a copy of the one in which `magictel` is installed, which takes no time."""
    before = magictel / "environment"
    shutil.copytree(before, folder, symlinks=True)
    script = folder / "bin" / "magictel"
    lines = script.read_text().splitlines(keepends=True)
    script.write_text("".join([f"#!{folder / 'bin' / 'python'}\n", *lines[1:]]))
    return Fresh(folder)


def wheel(folder: Path, name: str, module: str, source: str, points: dict[str, str], version: str = "0.3") -> Path:
    """Build a package of one module."""
    project = folder / name
    project.mkdir()
    lines = "\n".join(f'{key} = "{value}"' for key, value in points.items())
    (project / "pyproject.toml").write_text(PYPROJECT.format(name=name, version=version, points=lines, module=module))
    (project / f"{module}.py").write_text(source)
    return build(project, folder / "wheels")


def build(project: Path, to: Path) -> Path:
    """Build a project's wheel with what is installed here."""
    before = set(to.glob("*.whl"))
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(to)], project)
    (wheel,) = set(to.glob("*.whl")) - before
    return wheel


def missing_tools() -> str | None:
    """Why no wheel can be built here, or None."""
    lacking = [name for name in ("hatchling", "pip") if importlib.util.find_spec(name) is None]
    if lacking:
        return f"{', '.join(lacking)} not installed: pip install '.[test]'"
    if str(Path.home().resolve()).startswith("/tmp"):
        return "the home folder lies under /tmp, where the cache that this is about is off"
    return None


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
