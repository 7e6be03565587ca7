"""An emulator of another package that cannot be used: one sentence names package, entry point and reason, without secrets."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magictel.clock import SystemClock
from magictel.errors import PluginError
from magictel.sandbox import table
from tests.plugins import install

MODULE = """
number = 1

class NoName:
    handle = is_write = stored = environment = None
    def __init__(self, clock): pass

class NoClock: pass

class Raises:
    def __init__(self, clock): raise OSError("no such device")
"""
LEAKING = "raise RuntimeError('password=hunter2secret in dsn https://u:pw12345@h/')"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def register(value: str) -> None:
        install(
            tmp_path, "acme-tools", {"acme": value}, {"acme_odd": MODULE, "acme_broken": LEAKING}, group=table.GROUP
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        table._points.cache_clear()

    yield register
    table._points.cache_clear()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("acme odd:NoName", "is not MODULE:CLASS"),
        ("acme_odd:", "is not MODULE:CLASS"),
        ("acme_none:Acme", "cannot be imported: ModuleNotFoundError: No module named 'acme_none'"),
        ("acme_broken:Acme", "cannot be imported: RuntimeError: password=*** in dsn https://u:***@h/"),
        ("acme_odd:Missing", "names what acme_odd does not have"),
        ("acme_odd:NoName.Missing", "names what acme_odd does not have"),
        ("acme_odd", "names no class or function"),
        ("acme_odd:number", "names no class or function"),
        ("acme_odd:NoClock", "cannot be called with clock=: TypeError: NoClock() takes no arguments"),
        ("acme_odd:Raises", "cannot be called with clock=: OSError: no such device"),
        ("acme_odd:NoName", "returns a NoName, which has no name"),
    ],
)
def test_a_broken_emulator_is_named_with_its_package(
    installed: Callable[[str], None], value: str, problem: str
) -> None:
    installed(value)
    with pytest.raises(PluginError) as caught:
        table.make("acme", SystemClock())
    entry_point = f'the entry point acme = "{value}" of acme-tools 1.0'
    assert caught.value.message == f"the emulator for acme cannot be used: {entry_point} {problem}"
    assert caught.value.code == "plugin.broken"
    assert "acme-tools 1.0" in (caught.value.remedy or "")


def test_a_broken_emulator_is_left_out(installed: Callable[[str], None]) -> None:
    installed("acme odd")
    assert "acme" not in table.usable()
    assert "acme" in table.emulators()
