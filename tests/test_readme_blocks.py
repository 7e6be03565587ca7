"""README's blocks run as they stand: every `$ magictel …` line, the environment that a sandbox prints, and the application's snippets."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from magictel import sandbox
from magictel.sandbox.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```([a-z]*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
NEEDS_NOTHING_LISTENING = "magictel check elasticsearch"
CODES = {
    "magictel check elasticsearch": 1,  # nothing listens
}
"""What a shown command ends with, by its beginning; 0 for every other."""


def shown() -> list[str]:
    """Every command that README shows after a prompt, once, in order."""
    prompted = [
        line.removeprefix("$ ")
        for kind, block in BLOCKS
        if kind in ("", "console")
        for line in block.splitlines()
        if line.startswith("$ magictel ")
    ]
    return list(dict.fromkeys(prompted))


def python_blocks() -> list[str]:
    """The snippets for an application."""
    section = README.split("\n## In an application\n")[1].split("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def backends() -> Iterator[Sandbox]:
    with sandbox.start() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which README's commands run one after another, as a reader runs them."""
    place = tmp_path_factory.mktemp("readme")
    (place / "answer.html").write_text("<html><head><title>429 Too Many Requests</title></head></html>")
    tools = place / "bin"
    tools.mkdir()
    (tools / "magictel").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m magictel "$@"\n')
    (tools / "magictel").chmod(0o755)
    return place


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_every_command_that_readme_shows_ends_as_it_says(backends: Sandbox, folder: Path) -> None:
    """In order: `init`, `add` and what follows them work on one file."""
    wrong = []
    for line in shown():
        environment = {} if line.startswith(NEEDS_NOTHING_LISTENING) else backends.environment()
        shortened = line.replace("--for 60s", "--for 1s")
        environment |= {"STAGING_ES_URL": "http://127.0.0.1:9", "STAGING_ES_KEY": "aWQ6a2V5LWtleQ=="}
        ran = run(shortened, folder, **environment)
        expected = next((code for begin, code in CODES.items() if line.startswith(begin)), 0)
        if ran.returncode != expected or "Traceback" in ran.stderr:
            wrong.append((line, ran.returncode, ran.stdout[-600:], ran.stderr[-600:]))
    assert not wrong, wrong
    assert "staging-es" in (folder / "magictel.toml").read_text()


def test_the_snippet_without_code_ships_metrics(backends: Sandbox, folder: Path) -> None:
    (command,) = re.findall(r"^OTEL_METRICS_EXPORTER=.*$", README, re.MULTILINE)
    (folder / "app.py").write_text(
        "from opentelemetry.metrics import get_meter\nget_meter('app').create_counter('readme.no.code').add(1)\n"
    )
    ran = run(command, folder, **backends.environment("elasticsearch"))
    assert ran.returncode == 0, ran.stderr
    assert "readme.no.code" in _names(backends)


@pytest.mark.parametrize("number", range(2))
def test_the_snippets_for_python_ship_metrics(number: int, backends: Sandbox, folder: Path) -> None:
    snippet = python_blocks()[number]
    name = f"readme.snippet.{number}"
    provider = "provider" if "provider =" in snippet else "metrics.get_meter_provider()"
    tail = f"\nfrom opentelemetry import metrics\n{provider}.get_meter('app').create_counter('{name}').add(1)\n"
    (folder / f"snippet{number}.py").write_text(snippet + tail + f"{provider}.shutdown()\n")
    environment = {**backends.environment("elasticsearch"), "ENABLED_EXPORTERS": "elasticsearch"}
    ran = run(f"{shlex.quote(sys.executable)} snippet{number}.py", folder, **environment)
    assert ran.returncode == 0, ran.stderr
    assert name in _names(backends)


def test_there_are_three_ways_into_an_application() -> None:
    assert len(python_blocks()) == 2


def _names(backends: Sandbox) -> set[str]:
    emulator = backends.emulators["elasticsearch"]
    documents = emulator.documents()  # type: ignore[attr-defined] # Elasticsearch's own
    return {str(document.get("name") or document.get("metric", "")) for document in documents}
