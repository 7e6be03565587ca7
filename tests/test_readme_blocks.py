"""The blocks of README and the guide run as they stand: every `$ magictel …` line, and the application's snippets."""

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
from tests.documents import DOCUMENTS, ROOT, blocks, prompted, text

NEEDS_NOTHING_LISTENING = "magictel check elasticsearch"
CODES = {
    "magictel check elasticsearch": 1,  # nothing listens
    "magictel status": 1,  # nor does an application
}
"""What a shown command ends with, by its beginning; 0 for every other."""


def shown(document: str) -> list[str]:
    return [line for line in prompted(document) if line.startswith("magictel ")]


WALKED = "writing-an-exporter"
"""Its commands install what they write: `tests/scaffold` runs them in an environment of their own."""
SHOWING = [document for document in DOCUMENTS if shown(document) and document != WALKED]


@pytest.fixture(scope="module")
def backends() -> Iterator[Sandbox]:
    with sandbox.start() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which a document's commands run one after another, as a reader runs them."""
    place = tmp_path
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


def test_the_documents_that_show_commands() -> None:
    assert {"README", "quickstart", "replay", "sandbox-and-faults", "troubleshooting"} <= set(SHOWING)


@pytest.mark.parametrize("document", SHOWING)
def test_every_command_that_a_document_shows_ends_as_it_says(document: str, backends: Sandbox, folder: Path) -> None:
    """In order: `init`, `add` and what follows them work on one file."""
    wrong = []
    for line in shown(document):
        environment = {} if line.startswith(NEEDS_NOTHING_LISTENING) else backends.environment()
        shortened = line.replace("--for 60s", "--for 1s")
        if line.startswith("magictel run "):  # it ends when it is interrupted, which is once it has said something
            shortened = (
                f"exec 2> >(tee said >&2); {line} & until [ -s said ]; do sleep 0.1; done; kill -INT $!; wait $!"
            )
        environment |= {"STAGING_ES_URL": "http://127.0.0.1:9", "STAGING_ES_KEY": "aWQ6a2V5LWtleQ=="}
        ran = run(shortened, folder, **environment)
        expected = next((code for begin, code in CODES.items() if line.startswith(begin)), 0)
        if ran.returncode != expected or "Traceback" in ran.stderr:
            wrong.append((line, ran.returncode, ran.stdout[-600:], ran.stderr[-600:]))
    assert not wrong, wrong
    if any(line.startswith("magictel add ") for line in shown(document)):
        assert "staging-es" in (folder / "magictel.toml").read_text()


def test_readme_puts_the_command_on_the_path_before_it_is_used() -> None:
    readme = text("README")
    environment = readme.index("python3 -m venv .venv")
    assert environment < readme.index("\n. .venv/bin/activate\n") < readme.index("\n$ magictel ")


def test_the_snippet_without_code_ships_metrics(backends: Sandbox, folder: Path) -> None:
    (command,) = re.findall(r"^OTEL_METRICS_EXPORTER=(?:.*\\\n)*.*$", text("application"), re.MULTILINE)
    assert command in text("README")
    (folder / "app.py").write_text(
        "from opentelemetry.metrics import get_meter\nget_meter('app').create_counter('readme.no.code').add(1)\n"
    )
    ran = run(command, folder, **backends.environment("elasticsearch"))
    assert ran.returncode == 0, ran.stderr
    assert "readme.no.code" in _names(backends)


@pytest.mark.parametrize("number", range(3))
def test_the_snippets_for_python_ship_metrics(number: int, backends: Sandbox, folder: Path) -> None:
    snippet = blocks("application", "python")[number]
    name = f"readme.snippet.{number}"
    provider = "provider" if "provider =" in snippet else "metrics.get_meter_provider()"
    tail = f"\nfrom opentelemetry import metrics\n{provider}.get_meter('app').create_counter('{name}').add(1)\n"
    snippet = snippet.replace("http://localhost:9200", backends.environment("elasticsearch")["ELASTICSEARCH_URL"])
    (folder / f"snippet{number}.py").write_text(snippet + tail + f"{provider}.shutdown()\n")
    environment = {**backends.environment("elasticsearch"), "ENABLED_EXPORTERS": "elasticsearch"}
    ran = run(f"{shlex.quote(sys.executable)} snippet{number}.py", folder, **environment)
    assert ran.returncode == 0, ran.stderr
    assert name in _names(backends)


def test_the_ways_into_an_application() -> None:
    """The last two are for servers: `tests/runtime/test_processes.py` runs them."""
    assert len(blocks("application", "python")) == 5
    assert set(blocks("README", "python")) <= set(blocks("application", "python"))


def _names(backends: Sandbox) -> set[str]:
    emulator = backends.emulators["elasticsearch"]
    documents = emulator.documents()  # type: ignore[attr-defined] # Elasticsearch's own
    return {str(document.get("name") or document.get("metric", "")) for document in documents}
