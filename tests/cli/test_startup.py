"""Start-up is a feature: what a command does not need, it does not import."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys
from magictel.cli.main import run
code = run(sys.argv[1:])
print("\\n" + json.dumps([code, sorted(sys.modules)]))
"""
HEAVY = ("httpx", "opentelemetry", "rich", "pydantic", "msgspec", "stevedore", "tomlkit", "orjson", "click", "requests")


def loaded(folder: Path, *arguments: str) -> set[str]:
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True, cwd=folder
    ).stdout
    code, modules = json.loads(output.splitlines()[-1])
    assert code == 0
    return set(modules)


def heads(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    "arguments", [("--version",), ("--help",), ("list",), ("list", "--format", "json")], ids=" ".join
)
def test_quick_commands_load_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    modules = loaded(tmp_path, *arguments)
    assert not heads(modules) & set(HEAVY)
    assert not {
        name
        for name in modules
        if name.startswith(("magictel.plugin.exporter", "magictel.transports", "magictel.sandbox"))
    }


def test_version_does_not_even_load_the_parser(tmp_path: Path) -> None:
    assert "typer" not in heads(loaded(tmp_path, "--version"))


def test_help_imports_no_command(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "--help")
    for name in ("list", "check", "config", "describe", "explain"):
        assert f"magictel.cli.{name}" not in modules


def test_a_command_imports_itself_and_no_other(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "explain", "tls.expired")
    assert "magictel.cli.explain" in modules
    assert "magictel.cli.list" not in modules
    assert not heads(modules) & {"httpx", "opentelemetry", "rich", "pydantic"}


def test_listing_with_a_file_of_targets_loads_no_editor_of_it(tmp_path: Path) -> None:
    (tmp_path / "magictel.toml").write_text('[targets.a]\nexporter = "elasticsearch"\n')
    assert not heads(loaded(tmp_path, "list")) & set(HEAVY)


def test_a_check_of_what_sends_loads_no_server_of_pages(tmp_path: Path) -> None:
    assert "http.server" not in loaded(tmp_path, "check", "file")


def test_a_sandbox_without_otlp_loads_no_grpc(tmp_path: Path) -> None:
    assert "grpc" not in loaded(tmp_path, "sandbox", "--only", "elasticsearch", "--for", "10ms")


def test_a_list_loads_no_report_and_no_page_of_the_catalogue(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "list")
    reports = {name for name in modules if name.startswith("magictel.reporters.")} - {"magictel.reporters.tty"}
    assert not reports | (set(modules) & {"magictel.catalogue.pages", "magictel.model.events"})
    assert "magictel.settings.file" not in modules  # there is no file


def test_nothing_of_ours_imports_click_by_its_name() -> None:
    import magictel

    for file in Path(magictel.__file__).parent.rglob("*.py"):
        text = file.read_text("utf-8")
        assert "import click" not in text.replace("never `import click`", ""), file
        assert "from click" not in text, file


def test_a_check_loads_the_http_client_only_once_there_is_a_connection(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT, "check", "elasticsearch", "--set", f"url=http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    code, modules = json.loads(output.splitlines()[-1])
    assert code == 1
    assert "magictel.ladder.tcp" in modules
    assert not heads(set(modules)) & {"httpx", "httpcore", "rich", "pygments", "tomlkit"}
