"""`list` and `describe`: whole outputs at 80 columns, and the frozen document."""

from __future__ import annotations

import importlib
import os
import sys
import tomllib
from pathlib import Path

import pytest

from magictel.catalogue import builtin_exporters
from magictel.cli.main import run
from tests.cli.conftest import Magictel
from tests.plugins import install
from tests.reporters.test_terminal import Screen

GOLDEN = Path(__file__).parent.parent / "golden" / "cli"
_WRITE = bool(os.environ.get("WRITE_GOLDEN"))
FILE = """\
[targets.prod-es]
exporter = "elasticsearch"

[targets.canary]
exporter = "elasticsearch"
enabled = false

[targets.metrics]
exporter = "prometheus-remote-write"
url = "http://localhost:9090/api/v1/write"
"""


def golden(name: str, text: str) -> None:
    """Compare with a file. `WRITE_GOLDEN=1 pytest …` writes it anew: read the difference before it is committed."""
    if _WRITE:
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "broken"
    install(packages, "zebra", {"zebra": "zebra_exporter:Zebra"}, {"zebra_exporter": "import zebra_sdk"})
    monkeypatch.syspath_prepend(str(packages))
    importlib.invalidate_caches()


def test_list_shows_exporters_and_targets(acme: None, broken: None, magictel: Magictel, folder: Path) -> None:
    (folder / "magictel.toml").write_text(FILE)
    ran = magictel("list")
    assert (ran.code, ran.err) == (0, "")
    golden("list.txt", ran.out)
    assert max(map(len, ran.out.splitlines())) <= 80


def test_list_without_a_file_shows_what_the_variables_lack(magictel: Magictel) -> None:
    out = magictel("list").out
    assert "needs PROMETHEUS_REMOTE_WRITE_URL" in out
    given = {"PROMETHEUS_REMOTE_WRITE_URL": "http://localhost:1/w", "DD_API_KEY": "x", "NEW_RELIC_LICENSE_KEY": "x"}
    assert "needs" not in magictel("list", **given).out
    assert "Targets" not in out


def test_the_document_of_list_is_frozen(acme: None, broken: None, magictel: Magictel, folder: Path) -> None:
    (folder / "magictel.toml").write_text(FILE)
    document = magictel("list", "--format", "json").document
    assert document["schema"] == "magictel.list/1"
    rows = {row["name"]: row for row in document["exporters"]}
    assert set(builtin_exporters.BUILT_IN) | {"acme", "zebra"} == set(rows)
    for row in rows.values():
        assert {"name", "summary", "package", "version", "state", "reason", "targets"} <= set(row)
        for target in row["targets"]:
            assert {"name", "enabled", "origin"} <= set(target)
    assert rows["elasticsearch"]["targets"] == [
        {"name": "prod-es", "enabled": True, "origin": "magictel.toml:1"},
        {"name": "canary", "enabled": False, "origin": "magictel.toml:6"},
    ]
    assert (rows["zebra"]["state"], rows["zebra"]["reason"]) == ("broken", "No module named 'zebra_sdk'")
    assert (rows["prometheus-remote-write"]["state"], rows["prometheus-remote-write"]["reason"]) == ("ready", None)
    assert (rows["acme"]["package"], rows["acme"]["version"]) == ("acme-exporter", "0.3")


def test_list_says_what_the_variable_enables(magictel: Magictel, folder: Path) -> None:
    (folder / "magictel.toml").write_text(FILE)
    document = magictel("list", "--format", "json", ENABLED_EXPORTERS="canary,file").document
    targets = {target["name"]: target for row in document["exporters"] for target in row["targets"]}
    assert targets["prod-es"] == {"name": "prod-es", "enabled": False, "origin": "ENABLED_EXPORTERS"}
    assert targets["canary"]["enabled"] is True
    assert targets["file"] == {"name": "file", "enabled": True, "origin": "ENABLED_EXPORTERS"}


def test_list_names_a_target_whose_exporter_does_not_exist(magictel: Magictel, folder: Path) -> None:
    (folder / "magictel.toml").write_text('[targets.a]\nexporter = "elastic"\n')
    ran = magictel("list")
    assert ran.code == 0
    assert "Did you mean elasticsearch" in ran.err
    assert magictel("list", "--format", "json").document["unknown"][0]["name"] == "a"


def test_list_all_adds_what_others_gave_to_opentelemetry(magictel: Magictel) -> None:
    assert "opentelemetry-sdk" not in magictel("list").out
    assert "opentelemetry-sdk" in magictel("list", "--all").out
    rows = magictel("list", "--all", "--format", "json").document["exporters"]
    assert any(row["group"] == "opentelemetry_metrics_exporter" for row in rows)


def test_describe_as_text(acme: None, magictel: Magictel) -> None:
    ran = magictel("describe", "acme")
    assert (ran.code, ran.err) == (0, "")
    golden("describe-acme.txt", ran.out)
    assert max(map(len, ran.out.splitlines())) <= 80


def test_describe_as_a_commented_sample(acme: None, magictel: Magictel) -> None:
    ran = magictel("describe", "acme", "--format", "toml")
    golden("describe-acme.toml", ran.out)
    assert tomllib.loads(ran.out) == {"targets": {"acme": {"exporter": "acme"}}}


@pytest.mark.parametrize("name", sorted(builtin_exporters.BUILT_IN))
def test_every_built_in_exporter_is_described_in_every_format(name: str, magictel: Magictel) -> None:
    text = magictel("describe", name)
    assert text.code == 0
    assert max(map(len, text.out.splitlines())) <= 80
    document = magictel("describe", name, "--format", "json").document
    assert document["schema"] == "magictel.describe/1"
    assert document["limits"]
    for row in document["options"]:
        assert {"name", "type", "default", "unit", "env", "secret", "example", "description"} <= set(row)
        assert f"  {row['name']} " in text.out
    schema = magictel("describe", name, "--format", "json-schema").document
    options = {row["name"] for row in document["options"]}
    assert set(schema["properties"]) == {
        "exporter",
        "enabled",
        *options,
        *({"verify"} if "verify_with" in options else ()),
    }
    assert tomllib.loads(magictel("describe", name, "--format", "toml").out)["targets"][name]["exporter"] == name


def test_describe_takes_a_target_and_either_spelling(magictel: Magictel, folder: Path) -> None:
    (folder / "magictel.toml").write_text(FILE)
    assert magictel("describe", "prod_es").out == magictel("describe", "elasticsearch").out


def test_describe_of_an_unknown_name_is_wrong_usage(magictel: Magictel) -> None:
    ran = magictel("describe", "elastcsearch", "--format", "json")
    assert (ran.code, ran.document["code"]) == (2, "usage.unknown-target")
    assert "Did you mean elasticsearch" in ran.document["message"]


def test_describe_of_a_broken_exporter_says_why(broken: None, magictel: Magictel) -> None:
    ran = magictel("describe", "zebra")
    assert (ran.code, ran.out) == (78, "")
    assert "broken: No module named 'zebra_sdk'" in ran.err


@pytest.mark.parametrize("columns", [50, 60, 70, 80, 100, 140])
def test_list_fits_the_terminal_and_breaks_no_variable(
    columns: int, acme: None, broken: None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "long"
    install(packages, "long", {"an-exporter-whose-name-is-rather-long": "json:no_such_class_with_a_long_name"}, {})
    monkeypatch.syspath_prepend(str(packages))
    importlib.invalidate_caches()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout", Screen())
    assert run(["list"]) == 0
    assert isinstance(sys.stdout, Screen)
    shown = sys.stdout.getvalue()
    assert "PROMETHEUS_REMOTE_WRITE_URL\n" in shown
    assert "configured" in shown
    for line in shown.splitlines():
        assert len(line) <= columns, line


def test_list_shows_names_of_the_variable_that_mean_nothing(magictel: Magictel) -> None:
    ran = magictel("list", ENABLED_EXPORTERS="elastcsearch,file")
    assert ran.code == 0
    assert 'elastcsearch: No target or exporter is called "elastcsearch". Did you mean elasticsearch' in ran.err
    document = magictel("list", "--format", "json", ENABLED_EXPORTERS="elastcsearch,file").document
    (unknown,) = document["unknown"]
    assert unknown["name"] == "elastcsearch"
    assert "Did you mean elasticsearch" in unknown["reason"]
