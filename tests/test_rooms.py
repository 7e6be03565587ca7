"""Rooms that several backends share know none of them, and every backend's folder has the same file names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import magictel

ROOT = Path(magictel.__file__).parent
_CODE = re.compile(r"(?:es|os|prom|vm|mimir)\.[a-z]")


def sources() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0] not in ("exporters", "catalogue"):
            yield path


def codes(source: str) -> list[str]:
    texts = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return [text for text in texts if isinstance(text, str) and _CODE.match(text)]


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_of_a_backend_stands_in_a_shared_room(path: Path) -> None:
    assert codes(path.read_text()) == []


def test_a_code_in_a_shared_room_would_be_found() -> None:
    assert codes('if code == "es.write.queue-full":\n    pass\n') == ["es.write.queue-full"]
    assert len(list(sources())) > 250


def test_the_map_of_the_package_names_modules_that_exist() -> None:
    """The rows "Where to look first" of magictel's docstring; `NAME` is each backend."""
    rows = str(magictel.__doc__).partition("Where to look first")[2].partition("The data's path")[0]
    modules = re.findall(r"(?<![\w.`])((?:[a-z]\w+)(?:\.\w+)+)", rows)
    assert len(modules) > 30
    for module in modules:
        places = [
            ROOT.joinpath(*module.replace("NAME", backend).split(".")) for backend in BACKENDS if backend not in LESS
        ]
        assert all(place.is_dir() or place.with_suffix(".py").exists() for place in places), module


BACKENDS = sorted(path.name for path in (ROOT / "exporters").iterdir() if (path / "__init__.py").exists())
SAME = frozenset({"settings", "encoding", "response", "errors", "probes", "readback", "exporter"})
"""What every backend has, in a file or a folder of this name."""
SOME = frozenset({"columns", "collisions", "prepare", "logs"})
OWN = {
    "elasticsearch": frozenset(
        {
            *("blocks", "dimensions", "index_mode", "mapping", "permission", "places", "unborn"),
            *("values", "version"),
        }
    ),
    "datadog": frozenset({"messages", "names", "sketch", "sketch_encoding"}),
    "newrelic": frozenset({"limits", "otlp"}),
    "prometheus": frozenset(
        {"exemplars", "families", "family_encoder", "names", "negotiation", "protobuf", "syntax", "targets", "text"}
    ),
    "otlp": frozenset({"grpc", "grpc_probes", "grpc_status", "json_encoding", "presets"}),
    "prometheus_remote_write": frozenset(
        {"exemplars", "label_columns", "native", "scan", "stale", "symbols", "written"}
    ),
}
"""What only this backend has: a name here is a decision, not a habit."""
LESS = {"prometheus": frozenset({"encoding"}), "statsd": frozenset({"settings", "encoding", "exporter"})}
"""What a backend has to which nothing is sent, or that never replies."""


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backends_folder_has_the_same_file_names(backend: str) -> None:
    folder = ROOT / "exporters" / backend
    names = {path.stem for path in folder.iterdir() if path.name not in ("__init__.py", "__pycache__")}
    assert names - SAME - SOME == OWN.get(backend, frozenset())
    assert names >= LESS.get(backend, SAME)
