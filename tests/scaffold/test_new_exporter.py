"""`magictel new exporter` writes a package that holds every law as it comes, in an environment of its own."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from magictel.cli.main import run
from magictel.clock import SystemClock
from magictel.ladder.climb import climb
from magictel.model.finding import Rung, Status
from magictel.sandbox.faults import parse_faults
from magictel.sandbox.server import Server
from magictel.scaffold.project import LONGEST_NAME, NAME, Kind, Names, files
from tests.conformance.test_elsewhere import laws_over_http
from tests.documents import prompted
from tests.foreign.fresh import Fresh, build, fresh, missing_tools, outside_tmp

KINDS: tuple[Kind, ...] = ("http", "datagram", "file")
LEAST: dict[Kind, int] = {"http": len(laws_over_http()), "datagram": 38, "file": 42}
"""Laws that each kind is held to: `http` to all but those on errors of the system, the others to those that need no replies."""

REPRODUCED: dict[Kind, tuple[str, ...]] = {
    "http": ("acme.not-finite",),
    "datagram": ("acme.not-finite", "acme.too-large", "acme.unreachable", "acme.unconfirmed"),
    "file": ("acme.not-finite",),
}
"""Codes that the command of their page shows on any machine; the others need a backend that replies so."""


def shell(environment: Fresh, command: str) -> str:
    """Run a command in an environment, and return all that it prints."""
    variables = {"PATH": f"{environment.python.parent}:/usr/bin:/bin", "HOME": str(environment.folder / "empty")}
    ran = subprocess.run(
        ["bash", "-c", command], cwd=environment.folder / "empty", env=variables, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    return ran.stdout + ran.stderr


def new(folder: Path, name: str, kind: Kind) -> Path:
    """Write a package into a folder."""
    target = folder / f"{name}-exporter"
    assert run(["new", "exporter", name, f"--{kind}", "--out", str(target)]) == 0
    return target


def readable(source: str) -> int:
    """Return how many lines of a source are neither blank nor part of an import."""
    imported: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(bool(line.strip()) for number, line in enumerate(source.splitlines(), 1) if number not in imported)


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("acme", "acme acme_exporter AcmeExporter ACME_URL acme.refused magictel_acme acme-exporter"),
        ("my-db", "my-db my_db_exporter MyDbExporter MY_DB_URL mydb.refused magictel_my_db my-db-exporter"),
    ],
)
def test_a_name_in_all_its_spellings(name: str, spelled: str) -> None:
    text = "acme acme_exporter AcmeExporter ACME_URL acme.refused magictel_acme acme-exporter"
    assert Names(name).replace(text) == spelled


@pytest.mark.parametrize("name", ["Acme", "my_db", "1st", "a--b", "a-", "", "a b", "é", "../x"])
def test_a_name_that_cannot_be_used(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not NAME.fullmatch(name)
    assert run(["new", "exporter", name, "--out", str(tmp_path / "out")]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "is not a valid exporter name" in message
    assert "begin with a letter, and put no hyphen at the end and no two in a row" in message
    assert not (tmp_path / "out").exists()


def test_a_name_has_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", "exporter", "a" * 300, "--out", str(tmp_path / "out")]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "it has 300 characters, at most 100 are allowed" in message
    assert not (tmp_path / "out").exists()
    new(tmp_path, "a" * LONGEST_NAME, "http")


def test_a_name_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", "exporter", "file", "--out", str(tmp_path / "out")]) == 2
    assert 'exporter "file" is already registered by magictel' in capsys.readouterr().err


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert run(["new", "exporter", "acme", "--out", str(tmp_path / "README.md")]) == 2
    assert "README.md exists and is not a directory" in capsys.readouterr().err
    for folder in (tmp_path, Path("/proc")):
        assert run(["new", "exporter", "acme", "--out", str(folder)]) == 2
        assert "exists and is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert run(["new", "exporter", "acme", "--out", str(tmp_path / "README.md" / "below")]) == 2
    assert "cannot be written: not a directory" in capsys.readouterr().err


def test_kinds_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", "exporter", "acme", "--http", "--file", "--out", str(tmp_path / "out")]) == 2
    assert "--http and --file exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_settings_encoding_and_exporter_are_read_in_one_sitting(kind: Kind) -> None:
    written = files(Names("acme"), kind)
    lines = {name: readable(written[f"acme_exporter/{name}.py"]) for name in ("settings", "encoding", "exporter")}
    assert sum(lines.values()) <= 120, lines


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["acme", "my-new-db"])
def test_no_name_is_left_over_and_every_file_is_in_order(name: str, kind: Kind, tmp_path: Path) -> None:
    target = new(tmp_path, name, kind)
    written = [path for path in target.rglob("*") if path.is_file()]
    for path in written:
        text = path.read_text()
        assert name == "acme" or "acme" not in text.lower() + str(path.relative_to(target)), path
        assert text.isascii(), path
        if path.suffix == ".toml":
            tomllib.loads(text)
    pytest.importorskip("ruff")
    rules = ["--isolated", "--line-length", "120", "--target-version", "py311"]
    checks = [["check", "--select", "E,F,I,B,UP,SIM,RUF,D", "--ignore", "D10,D203,D213"]]
    if name == "acme":  # where a longer name makes a line too long is its owner's to wrap
        checks.append(["format", "--check"])
    else:
        checks[0].append("--extend-ignore=E501")
    for command in checks:
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *rules], cwd=target, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_every_code_of_the_package_has_a_page_of_the_right_shape(kind: Kind) -> None:
    written = files(Names("acme"), kind)
    pages = tomllib.loads(written["acme_exporter/catalogue.toml"])
    sources = written["acme_exporter/encoding.py"] + written["acme_exporter/exporter.py"]
    used = set(re.findall(r'"(acme\.[a-z-]+)"', sources))
    assert used == set(pages)
    for code, page in pages.items():
        assert page.keys() == {"retry", "title", "meaning", "why", "fix", "again", "related"}, code
        assert any(line.startswith("$ ") for line in page["fix"]), code


@pytest.mark.parametrize(("status", "code"), [(401, "http.unauthorized"), (403, "http.forbidden")])
def test_rejected_credentials_are_reported_at_the_auth_rung(
    status: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(new(tmp_path, "acme", "http")))
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_exporter"]:
        monkeypatch.delitem(sys.modules, name)
    module = importlib.import_module("acme_exporter")
    emulator = importlib.import_module("acme_exporter.emulator").AcmeEmulator(SystemClock())
    try:
        for script, rung, expected in (
            (f"any {status} forever", Rung.AUTH, code),
            ("any 500 forever", Rung.HTTP, "acme.status"),
        ):
            with Server(emulator, faults=parse_faults(script)) as server:
                exporter = module.AcmeExporter(module.AcmeSettings(url=server.origin))
                findings = tuple(climb(exporter.steps(5.0), until=Rung.WRITE, clock=exporter.clock))
            failed = [(finding.rung, finding.code) for finding in findings if finding.outcome is Status.FAIL]
            assert failed == [(rung, expected)]
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "acme_exporter"]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with outside_tmp() as place:
        yield place


@pytest.mark.slow
@pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))
@pytest.mark.parametrize("kind", KINDS)
def test_it_installs_is_listed_passes_and_holds_every_law(kind: Kind, folder: Path, installed_magictel: Path) -> None:
    environment: Fresh = fresh(folder / kind, installed_magictel)
    target = folder / kind / "acme-exporter"
    written = environment.magictel("new", "exporter", "acme", f"--{kind}", "--out", str(target))
    assert written.returncode == 0, written.stderr
    environment.install(build(target, folder / f"wheels-{kind}"))

    (row,) = environment.exporters()["acme"]
    assert (row["package"], row["version"]) == ("acme-exporter", "0.1.0")
    assert row["state"] == ("needs" if kind == "http" else "ready")
    examined = environment.magictel("doctor", "acme")
    assert examined.returncode == 0, examined.stdout
    assert "ACME_" in environment.magictel("describe", "acme").stdout
    assert environment.magictel("guide", "writing-an-exporter").stdout.startswith("# Writing an exporter")
    pages = tomllib.loads((target / "acme_exporter" / "catalogue.toml").read_text())
    for code in REPRODUCED[kind]:
        assert environment.magictel("explain", code).returncode == 0
        shown = shell(environment, pages[code]["again"].removeprefix("$ "))
        assert code in shown, (pages[code]["again"], shown)

    sandbox = () if kind == "file" else ("--sandbox",)
    checked = environment.magictel("check", "acme", "--strict", "--format", "json", *sandbox)
    assert checked.returncode == 0, checked.stdout
    sent = environment.magictel("send-sample", "acme", "--strict", "--format", "json", *sandbox)
    (result,) = json.loads(sent.stdout)["targets"]
    if kind == "datagram":  # which nobody confirms, and nothing can be read back
        assert (sent.returncode, result["outcome"]) == (3, "unverified"), sent.stdout
        assert result["receipt"]["sent"] == result["receipt"]["unconfirmed"] == 12
    else:
        assert (sent.returncode, result["outcome"]) == (0, "verified"), sent.stdout
        assert result["receipt"]["sent"] == result["verification"]["found"] == 12

    laws = environment.magictel(
        "conformance", "acme", "--strict", "--law", "encode.template", "--law", "read-back.true"
    )
    assert laws.returncode == 0, laws.stdout
    tests = subprocess.run(
        [environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(target)],
        capture_output=True, text=True, timeout=590, check=False, cwd=folder,
    )  # fmt: skip
    counts = {what: int(count) for count, what in re.findall(r"(\d+) (passed|skipped|failed)", tests.stdout)}
    assert "failed" not in counts, tests.stdout
    assert counts["passed"] >= LEAST[kind], tests.stdout


@pytest.mark.slow
@pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))
def test_the_guide_is_walked_as_it_stands(folder: Path, installed_magictel: Path) -> None:
    """Every command of "Writing an exporter", in its order, by a shell; pip is given what it would fetch otherwise."""
    environment = fresh(folder / "guide", installed_magictel)
    place = folder / "guide" / "empty"
    wrong = []
    for command in prompted("writing-an-exporter"):
        if "pip install" in command:
            assert command == "python -m pip install -e './acme-exporter[test]'"
            environment.install(build(place / "acme-exporter", folder / "wheels-guide"))
            continue
        variables = {"PATH": f"{environment.python.parent}:/usr/bin:/bin", "HOME": str(place)}
        if command.startswith("magictel conformance"):
            command += " --law describe.options --law partial.items"  # the others are those of pytest
        ran = subprocess.run(
            ["bash", "-c", command], cwd=place, env=variables, capture_output=True, text=True, timeout=590, check=False
        )
        if ran.returncode:
            wrong.append((command, ran.returncode, ran.stdout[-800:], ran.stderr[-800:]))
    assert not wrong, wrong


def test_the_types_of_every_kind_are_strict(tmp_path: Path) -> None:
    """In one run, because most of its time goes into what they import."""
    pytest.importorskip("mypy")
    packages = [new(tmp_path, f"acme-{kind}", kind) / f"acme_{kind}_exporter" for kind in KINDS]
    assert all(package.is_dir() for package in packages)
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *map(str, packages)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
