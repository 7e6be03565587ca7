"""Which exporters there are, and what is said of the broken ones."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from magictel.catalogue import builtin_exporters
from magictel.errors import PluginError
from magictel.registry import entry_points, foreign
from magictel.registry.entry_points import Registration
from tests import builtin_table
from tests.plugins import ACME, install


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, for packages; what is imported from it is forgotten."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def registered(name: str) -> list[Registration]:
    importlib.invalidate_caches()
    return [entry for entry in entry_points.registrations({}) if entry.name == name]


def test_what_is_said_of_the_built_in_exporters_is_what_they_say_themselves() -> None:
    namespace: dict[str, object] = {"__name__": "generated"}
    exec(compile(builtin_table.source(), "builtin.py", "exec"), namespace)
    table = namespace["BUILT_IN"]
    assert isinstance(table, dict)
    assert {name: tuple(row) for name, row in table.items()} == {
        name: tuple(row) for name, row in builtin_exporters.BUILT_IN.items()
    }


def test_the_built_in_exporters_are_those_of_the_package_and_come_first() -> None:
    assert entry_points.names()[: len(builtin_exporters.BUILT_IN)] == tuple(builtin_exporters.BUILT_IN)


def test_a_built_in_exporter_without_its_address_needs_the_variable() -> None:
    (entry,) = registered("prometheus-remote-write")
    assert (entry.state, entry.reason, entry.says) == (
        "needs",
        "PROMETHEUS_REMOTE_WRITE_URL",
        "needs PROMETHEUS_REMOTE_WRITE_URL",
    )
    environment = {"PROMETHEUS_REMOTE_WRITE_URL": "http://localhost:9090/api/v1/write"}
    states = {entry.name: entry.state for entry in entry_points.registrations(environment)}
    assert states["prometheus-remote-write"] == "ready"


def test_a_plugin_of_another_package_is_listed_with_package_version_and_summary(folder: Path) -> None:
    install(folder, "acme-exporter", {"acme": "acme_exporter:AcmeExporter"}, {"acme_exporter": ACME}, "0.3")
    (entry,) = registered("acme")
    assert (entry.package, entry.version, entry.summary) == ("acme-exporter", "0.3", "Acme's collector of everything")
    assert entry.state == "ready"
    assert entry.seconds is not None
    assert entry_points.load("acme").name == "acme"


def test_a_plugin_is_seen_as_soon_as_it_is_installed_and_no_longer_once_it_is_gone(folder: Path) -> None:
    assert registered("acme") == []
    install(folder, "acme", {"acme": "acme_exporter:AcmeExporter"}, {"acme_exporter": ACME})
    assert len(registered("acme")) == 1
    (folder / "acme-1.0.dist-info" / "entry_points.txt").unlink()
    (folder / "acme-1.0.dist-info" / "METADATA").unlink()
    (folder / "acme-1.0.dist-info").rmdir()
    assert registered("acme") == []


BASE = "from magictel import Encoder, Exporter, ExporterSettings\n"
ENCODER = "class Items(Encoder):\n    def encode(self, series, point): return b''\n"
PAGE = "from magictel import PageExporter, PageSettings\n"
READER = f"""{BASE}from opentelemetry.sdk.metrics.export import InMemoryMetricReader
class AcmeExporter(InMemoryMetricReader): interface, Settings = 2, ExporterSettings
"""
BROKEN = {
    "a missing dependency": ("import acme_sdk", "No module named 'acme_sdk'"),
    "an exception at import": ("raise ValueError('no luck today')", "ValueError: no luck today"),
    "an assertion at import": ("assert False", "AssertionError"),
    "an end of the process at import": ("raise SystemExit(3)", "tried to end the process"),
    "a syntax error": ("def x(:", "SyntaxError"),
    "no such class": ("x = 1", "no attribute 'AcmeExporter'"),
    "no class at all": ("AcmeExporter = 5", "is not a class"),
    "no exporter": ("class AcmeExporter: interface = 2", "is not an exporter"),
    "a reader of the SDK": (
        READER,
        "is an OpenTelemetry MetricReader, and magictel needs a subclass of magictel.Exporter or magictel.PageExporter",
    ),
    "an exporter of the SDK": (
        "from opentelemetry.sdk.metrics.export import ConsoleMetricExporter as AcmeExporter",
        "is an OpenTelemetry MetricExporter, and magictel needs a subclass of magictel.Exporter",
    ),
    "a secret in an exception": (
        "raise RuntimeError('password=hunter2secret in dsn https://u:pw12345@h/')",
        "RuntimeError: password=*** in dsn https://u:***@h/",
    ),
    "a secret in an import error": ("raise ImportError('no token=abc123def')", "no token=***"),
    "a secret that the end of a long reason would cut": (
        f"raise RuntimeError('{'x ' * 88}https://u:{'p' * 30}@h/')",
        "https://u:***",
    ),
    "no interface": (f"{BASE}class AcmeExporter(Exporter): pass", "declares no interface"),
    "no interface, on one of ours": (
        "from magictel.exporters.file import FileExporter\nclass AcmeExporter(FileExporter): pass",
        "declares no interface",
    ),
    "an older interface": (f"{BASE}class AcmeExporter(Exporter): interface = 1", "built for interface 1"),
    "a newer interface": (f"{BASE}class AcmeExporter(Exporter): interface = 3", "built for interface 3"),
    "no settings": (f"{BASE}class AcmeExporter(Exporter): interface = 2", "has no Settings"),
    "settings that are none": (
        f"{BASE}{ENCODER}class AcmeExporter(Exporter): interface, Settings, Encoder = 2, int, Items",
        "Error",
    ),
    "an encoder without encode": (
        f"{BASE}class Items(Encoder): pass\nclass AcmeExporter(Exporter): interface, Settings, Encoder = 2, ExporterSettings, Items",
        "Items, the Encoder of acme_broken:AcmeExporter, has no method encode",
    ),
    "no encoder": (f"{BASE}class AcmeExporter(Exporter): interface, Settings = 2, ExporterSettings", "has no Encoder"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_shown_with_its_reason_and_does_not_keep_the_others_from_being_listed(
    case: str, folder: Path
) -> None:
    source, reason = BROKEN[case]
    install(folder, "acme", {"acme": "acme_broken:AcmeExporter"}, {"acme_broken": source})
    (entry,) = registered("acme")
    assert entry.state == "broken"
    assert reason in (entry.reason or "")
    assert entry.says.startswith("broken: ")
    assert registered("elasticsearch")[0].state == "ready"


def test_a_malformed_entry_point_is_broken_and_says_so(folder: Path) -> None:
    install(folder, "acme", {"acme": "not a ref"}, {})
    (entry,) = registered("acme")
    assert entry.says == 'broken: its entry point "not a ref" is not module:Class'
    with pytest.raises(PluginError, match='"not a ref" is not module:Class'):
        entry_points.load("acme")


@pytest.mark.parametrize("case", [case for case in BROKEN if case != "settings that are none"])
def test_loading_a_broken_plugin_raises_the_reason(case: str, folder: Path) -> None:
    source, reason = BROKEN[case]
    install(folder, "acme", {"acme": "acme_broken:AcmeExporter"}, {"acme_broken": source})
    importlib.invalidate_caches()
    with pytest.raises(PluginError) as caught:
        entry_points.load("acme")
    assert reason in caught.value.message
    assert caught.value.remedy


def test_a_page_of_another_package_is_an_exporter(folder: Path) -> None:
    page = f"{PAGE}class AcmeExporter(PageExporter): interface, name, Settings = 2, 'acme', PageSettings"
    install(folder, "acme", {"acme": "acme_page:AcmeExporter"}, {"acme_page": page})
    (entry,) = registered("acme")
    assert entry.says == "configured"
    assert entry_points.load("acme").name == "acme"


def test_the_interface_may_be_written_on_any_class_of_the_plugins_own(folder: Path) -> None:
    source = ACME.replace("class AcmeExporter", "class Common") + "\n\nclass AcmeExporter(Common):\n    name = 'acme'\n"
    install(folder, "acme", {"acme": "acme_exporter:AcmeExporter"}, {"acme_exporter": source})
    assert registered("acme")[0].says == "configured"


def test_what_a_plugin_prints_at_import_does_not_reach_standard_output(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(folder, "acme", {"acme": "acme_exporter:AcmeExporter"}, {"acme_exporter": "print('welcome')\n" + ACME})
    assert registered("acme")[0].state == "ready"
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "welcome\n")


def test_a_name_that_two_packages_register_is_shown_once_with_both_and_loads_for_neither(folder: Path) -> None:
    for package in ("acme-two", "other", "acme-one"):
        name = "acme" if package != "other" else "between"
        install(folder, package, {name: "acme_exporter:AcmeExporter"}, {"acme_exporter": ACME})
    (row,) = registered("acme")
    assert (row.package, row.rivals, row.state) == ("acme-one", ("acme-two 1.0",), "broken")
    reason = "registered by acme-one 1.0 and by acme-two 1.0, so neither is used"
    assert row.reason == f"{reason}; uninstall acme-one 1.0 or acme-two 1.0"
    with pytest.raises(PluginError, match=r"acme-one 1\.0 and by acme-two 1\.0") as caught:
        entry_points.load("acme")
    assert caught.value.remedy == "uninstall acme-one 1.0 or acme-two 1.0"
    assert registered("between")[0].state == "ready"


def test_the_two_spellings_of_a_name_are_one_name(folder: Path) -> None:
    install(folder, "acme-one", {"ac-me": "acme_exporter:AcmeExporter"}, {"acme_exporter": ACME})
    install(folder, "acme-two", {"ac_me": "acme_exporter:AcmeExporter"}, {})
    assert registered("ac-me")[0].state == "broken"
    assert registered("ac_me") == []


def test_a_built_in_exporter_keeps_its_name_and_names_the_other_package(folder: Path) -> None:
    install(folder, "usurper", {"file": "acme_exporter:AcmeExporter"}, {"acme_exporter": ACME})
    (row,) = registered("file")
    assert (row.package, row.state, row.rivals) == ("magictel", "ready", ("usurper 1.0",))
    assert row.reason == "also registered by usurper 1.0, which is not used; uninstall it, or rename its exporter"
    assert entry_points.load("file").__module__.startswith("magictel.")


def test_an_unknown_name_is_told_with_the_near_ones() -> None:
    with pytest.raises(PluginError, match="Did you mean elasticsearch"):
        entry_points.load("elastic_search")


def test_what_other_packages_gave_to_opentelemetry_is_listed_without_ours(folder: Path) -> None:
    install(folder, "other", {"theirs": "other:Thing"}, {}, group="opentelemetry_metrics_exporter")
    importlib.invalidate_caches()
    rows = {entry.name: entry for entry in foreign.others()}
    assert (rows["otel:theirs"].package, rows["otel:theirs"].version) == ("other", "1.0")
    assert not any("magictel" in name for name in rows)


def test_listing_imports_no_exporter_no_sdk_and_no_http_client(tmp_path: Path) -> None:
    script = (
        "import json, sys\n"
        "from magictel.registry import entry_points as registry\n"
        "rows = registry.registrations({})\n"
        "assert rows\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = json.loads(output.stdout)
    for name in loaded:
        assert not name.startswith(
            ("opentelemetry", "httpx", "magictel.plugin.interface", "magictel.plugin.exporter", "stevedore", "msgspec")
        ), name
