"""The command line as a test sees it: in this process, in a folder of its own, with an environment of its own."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magictel.catalogue import builtin_exporters
from magictel.cli.main import run
from tests.cli.running import Ran
from tests.plugins import ACME, install

FILE = """\
# ours
[targets.blue] # of prod
exporter = "acme"
token = "s3cr3t-in-clear"
shards = 3

# theirs
[targets.green]
exporter = "acme"
"""
"""A file of two targets, with comments and a secret in clear."""
_OURS = ("MAGICTEL_", "ENABLED_EXPORTERS", "ACME_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


Magictel = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and an environment that says nothing of exporters."""
    prefixes = (*_OURS, *(f"{name.upper().replace('-', '_')}_" for name in builtin_exporters.BUILT_IN))
    for name in list(os.environ):
        if name.startswith(prefixes):
            monkeypatch.delenv(name)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def file(folder: Path) -> Path:
    """`magictel.toml` with `FILE` in it."""
    path = folder / "magictel.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def magictel(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Magictel]:
    """Run `magictel` with arguments and variables."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ran(*arguments: str, **variables: str) -> Ran:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            code = run(list(arguments))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    yield ran
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An exporter of another package, with an option of every kind."""
    packages = tmp_path / "packages"
    install(packages, "acme-exporter", {"acme": "acme_exporter:AcmeExporter"}, {"acme_exporter": ACME}, "0.3")
    monkeypatch.syspath_prepend(str(packages))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("acme_exporter", None)
