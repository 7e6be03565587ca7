"""`magictel doctor` on throwaway plugins: each reason why one is not listed, listed twice, slow or refused has its code."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel.registry import doctor, import_cost
from tests.cli.conftest import Magictel
from tests.plugins import ACME, install

POINT = {"acme": "acme_exporter:AcmeExporter"}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, for packages; what is imported from it is forgotten."""
    folder = tmp_path / "packages"
    folder.mkdir()
    before = set(sys.modules)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def problems(magictel: Magictel, *words: str, **variables: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what doctor reports, by name and code; slowness is left out, since the machine may be busy."""
    return by_code(magictel("doctor", *words, "--format", "json", **variables).document)


def by_code(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    problems_by_code = {(row["name"], row["code"]): row for row in document["problems"] if row["code"] != "plugin.slow"}
    assert all(row["message"] and row["fix"] for row in problems_by_code.values())
    return problems_by_code


def test_a_sound_plugin_is_shown_with_its_package_and_what_its_import_takes(packages: Path, magictel: Magictel) -> None:
    install(packages, "acme-exporter", POINT, {"acme_exporter": ACME}, "0.3")
    assert problems(magictel) == {}
    rows = {row["name"]: row for row in magictel("doctor", "--format", "json").document["exporters"]}
    row = rows["acme"]
    assert (row["package"], row["version"], row["object"], row["state"]) == (
        "acme-exporter", "0.3", "acme_exporter:AcmeExporter", "ready",
    )  # fmt: skip
    assert row["import_seconds"] >= 0
    assert rows["file"]["import_seconds"] is None


def test_the_facts_of_the_installation(packages: Path, magictel: Magictel) -> None:
    document = magictel("doctor", "--format", "json").document
    assert document["python"]["executable"] == sys.executable
    assert document["packages"]["opentelemetry-sdk"]
    text = magictel("doctor").out
    assert sys.executable in text
    assert text.splitlines()[-1] == "OK"


BROKEN = {
    "a missing dependency": ("import acme_sdk", "plugin.broken", "No module named 'acme_sdk'", "provides acme_sdk"),
    "an exception": ("raise ValueError('no luck')", "plugin.broken", "ValueError: no luck", "fix or uninstall"),
    "another interface": (ACME.replace("interface = 2", "interface = 9"), "plugin.interface", "built for interface 9", "install a version"),
    "no interface of its own": (ACME.replace("interface = 2", ""), "plugin.interface", "declares no interface", "install a version"),
    "no exporter": ("class AcmeExporter: pass", "plugin.broken", "is not an exporter", "fix or uninstall"),
    "a secret in an exception": (
        "raise RuntimeError('password=hunter2secret in dsn https://u:pw12345@h/, token: abc123def')",
        "plugin.broken", "RuntimeError: password=*** in dsn https://u:***@h/, token: ***", "fix or uninstall",
    ),
    "an end of the process": ("import os\nos._exit(7)", "plugin.broken", "ends the process with exit code 7", "fix or uninstall"),
    "a crash": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "plugin.broken", "signal 11", "fix or uninstall"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_plugin_that_cannot_be_loaded(case: str, packages: Path, magictel: Magictel) -> None:
    source, code, message, fix = BROKEN[case]
    install(packages, "acme", POINT, {"acme_exporter": source})
    report = magictel("doctor", "--format", "json")
    assert report.code == 1
    problem = by_code(report.document)["acme", code]
    assert message in problem["message"]
    assert fix in problem["fix"]
    ran = magictel("doctor", "acme")
    assert ran.code == 1
    assert ran.out.splitlines()[-1].startswith(f"FAILED: acme: {problem['message']} ({code})")
    assert f"magictel explain {code}" in ran.out
    assert "elasticsearch" not in ran.out


def test_a_malformed_entry_point_is_listed_as_broken_and_does_not_end_the_report(
    packages: Path, magictel: Magictel
) -> None:
    install(packages, "acme", {**POINT, "junk": "not a ref"}, {"acme_exporter": ACME})
    ran = magictel("doctor", "--format", "json")
    assert ran.code == 1
    rows = {row["name"]: row for row in ran.document["exporters"]}
    assert (rows["junk"]["state"], rows["junk"]["import_seconds"], rows["acme"]["state"]) == ("broken", None, "ready")
    doctored = problems(magictel)
    assert doctored.keys() == {("junk", "plugin.broken")}
    assert doctored["junk", "plugin.broken"]["message"] == 'its entry point "not a ref" is not module:Class'
    assert "FAILED: junk" in magictel("doctor", "junk").out


def test_an_import_that_does_not_end(packages: Path, magictel: Magictel, monkeypatch: pytest.MonkeyPatch) -> None:
    install(packages, "acme", POINT, {"acme_exporter": "import time\ntime.sleep(600)"})
    monkeypatch.setattr(doctor, "import_cost", lambda module: import_cost.import_cost(module, longest=1.0))
    assert "did not end" in problems(magictel)["acme", "plugin.broken"]["message"]


def test_a_slow_import_names_the_package_that_takes_the_time(
    packages: Path, magictel: Magictel, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packages / "acme_sdk.py").write_text("import time\ntime.sleep(1.5)\n")
    install(packages, "acme", POINT, {"acme_exporter": f"import acme_sdk\n{ACME}"})
    cost = import_cost.import_cost("acme_exporter")
    assert cost.packages[0][0] == "acme_sdk"
    assert cost.seconds > 1.4
    slow = import_cost.ImportCost(cost.seconds, 0.2, cost.packages)
    monkeypatch.setattr(doctor, "import_cost", lambda module: slow)
    ran = magictel("doctor", "--strict")
    assert ran.code == 3
    assert "acme_sdk 1." in ran.out
    assert "plugin.slow" in ran.out
    assert magictel("doctor").code == 0
    monkeypatch.setattr(doctor, "import_cost", lambda module: import_cost.ImportCost(1.0, 2.0))
    assert magictel("doctor", "--strict").code == 0  # magictel's own imports take longer: the machine is slow


def test_the_cost_of_an_import_includes_the_plugins_own_module(
    packages: Path, magictel: Magictel, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(packages, "acme", POINT, {"acme_exporter": f"import time\ntime.sleep(1.5)\n{ACME}"})
    cost = import_cost.import_cost("acme_exporter")
    assert cost.packages[0][0] == "acme_exporter"
    assert cost.seconds > 1.4
    monkeypatch.setattr(doctor, "import_cost", lambda module: import_cost.ImportCost(cost.seconds, 0.2, cost.packages))
    (row,) = magictel("doctor", "acme", "--format", "json").document["problems"]
    assert row["code"] == "plugin.slow"
    assert "(acme_exporter " in row["message"]


def test_a_name_that_two_packages_register(packages: Path, magictel: Magictel) -> None:
    for package in ("acme-one", "acme-two"):
        install(packages, package, POINT, {"acme_exporter": ACME})
    (row,) = magictel("doctor", "acme", "--format", "json").document["problems"]
    assert (row["code"], row["level"], row["fix"]) == (
        "plugin.duplicate", "fail", "uninstall acme-one 1.0 or acme-two 1.0",
    )  # fmt: skip
    assert row["message"] == "registered by acme-one 1.0 and by acme-two 1.0, so neither is used"
    for words in (("doctor", "acme-two"), ("list",)):
        text = magictel(*words).out
        assert [line.split()[:2] for line in text.splitlines() if " acme " in line and not line.startswith("FAILED")]
        assert "acme-one 1.0, acme-two 1.0" in text
    assert (
        len([row for row in magictel("list", "--format", "json").document["exporters"] if row["name"] == "acme"]) == 1
    )


def test_a_name_that_a_built_in_exporter_has(packages: Path, magictel: Magictel) -> None:
    install(packages, "usurper", {"file": "acme_exporter:AcmeExporter"}, {"acme_exporter": ACME})
    ran = magictel("doctor", "file", "--format", "json")
    (problem,) = ran.document["problems"]
    assert (problem["code"], problem["level"]) == ("plugin.duplicate", "fail")
    assert re.fullmatch(r"registered by magictel \S+ and by usurper 1\.0; magictel \S+ is used", problem["message"])
    assert problem["fix"] == "uninstall usurper 1.0, or rename the exporter in that package"
    (row,) = ran.document["exporters"]
    assert (row["package"], row["also_registered_by"]) == ("magictel", ["usurper 1.0"])
    text = magictel("list").out
    assert "also registered by usurper 1.0, which is not used" in " ".join(text.split())
    assert [line.split()[0] for line in text.splitlines() if line.startswith("  file")] == ["file"]


def test_a_package_that_is_installed_twice(
    packages: Path, magictel: Magictel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(packages, "acme-exporter", POINT, {"acme_exporter": ACME}, "0.3")
    second = tmp_path / "second"
    install(second, "acme-exporter", POINT, {"acme_exporter": ACME}, "0.2")
    monkeypatch.setattr(sys, "path", [*sys.path, str(second)])
    problem = problems(magictel)["acme-exporter", "plugin.duplicate"]
    assert problem["level"] == "warn"
    assert f"0.3 in {packages}; 0.2 in {second}" in problem["message"]


def test_a_class_that_has_another_name(packages: Path, magictel: Magictel) -> None:
    install(packages, "acme", {"acne": "acme_exporter:AcmeExporter"}, {"acme_exporter": ACME})
    assert '"acme"' in problems(magictel)["acne", "plugin.name"]["message"]


@pytest.mark.parametrize("group", ["magictel.exporter", "magictel_exporters"])
def test_a_group_that_is_not_read(group: str, packages: Path, magictel: Magictel) -> None:
    install(packages, "acme-exporter", POINT, {"acme_exporter": ACME}, group=group)
    assert f'"{group}"' in problems(magictel)["acme-exporter", "plugin.group"]["message"]
    assert ("acme-exporter", "plugin.group") in problems(magictel, "acme")


def test_a_package_that_registers_nothing_matters_only_where_it_is_asked_for(
    packages: Path, magictel: Magictel
) -> None:
    install(packages, "acme-exporter", {}, {"acme_exporter": ACME})
    install(packages, "other-exporter", {"other": "acme_exporter:Thing"}, {}, group="opentelemetry_metrics_exporter")
    assert problems(magictel) == {}
    assert problems(magictel, "acme")["acme-exporter", "plugin.unregistered"]["level"] == "fail"
    assert problems(magictel, "acme-exporter").keys() == {("acme-exporter", "plugin.unregistered")}
    problem = problems(magictel, "other")["other-exporter", "plugin.unregistered"]
    assert (problem["level"], problem["fix"]) == ("warn", "magictel list --all")


def test_a_project_here_that_is_not_installed_as_it_stands(packages: Path, magictel: Magictel, folder: Path) -> None:
    lines = (
        '[project]\nname = "acme-exporter"\n[project.entry-points."magictel.exporters"]\nacme = "acme_exporter:Newer"\n'
    )
    (folder / "pyproject.toml").write_text(lines)
    problem = problems(magictel)["acme", "plugin.not-installed"]
    assert (problem["level"], problem["fix"]) == ("warn", f"{sys.executable} -m pip install -e .")
    assert problems(magictel, "acme").keys() == {("acme", "plugin.not-installed")}
    assert magictel("doctor", "acme").code == 1
    install(packages, "acme-exporter", POINT, {"acme_exporter": ACME})
    assert "acme_exporter:AcmeExporter is installed" in problems(magictel)["acme", "plugin.not-installed"]["message"]
    for broken in ("", "[", 'project = "acme"', "[project.entry-points]\n'magictel.exporters' = 5"):
        (folder / "pyproject.toml").write_text(broken)
        assert problems(magictel) == {}


def test_a_name_that_nobody_has(packages: Path, magictel: Magictel) -> None:
    rows = problems(magictel, "elastic-search")
    assert "Did you mean elasticsearch?" in rows["elastic-search", "plugin.unknown"]["message"]
    assert magictel("doctor", "elastic-search").code == 1


def test_an_active_environment_that_is_another(packages: Path, magictel: Magictel, tmp_path: Path) -> None:
    assert ("magictel", "plugin.other-environment") in problems(magictel, VIRTUAL_ENV=str(tmp_path))
    assert problems(magictel, VIRTUAL_ENV=sys.prefix) == {}


def test_a_dependency_that_is_missing(packages: Path, magictel: Magictel, monkeypatch: pytest.MonkeyPatch) -> None:
    from magictel.registry import installation

    monkeypatch.setattr(installation, "_version", lambda name: None if name == "cramjam" else "1.0")
    problem = problems(magictel)["magictel", "plugin.dependency"]
    assert (problem["message"], problem["fix"]) == (
        "cramjam is required but not installed", f"{sys.executable} -m pip install cramjam",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/home/me/.local/share/pipx/venvs/magictel", "pipx inject magictel"),
        ("/home/me/.local/share/uv/tools/magictel", "uv tool install magictel --with"),
        ("/srv/venv", f"{sys.executable} -m pip install"),
    ],
)
def test_a_package_is_installed_by_the_tool_that_installed_magictel(prefix: str, command: str) -> None:
    from dataclasses import replace

    from magictel.registry.installation import installation

    assert replace(installation(), prefix=prefix).install == command
