"""An emulator of another package that cannot be imported: the reason is shown without secrets."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from magictel.clock import SystemClock
from magictel.errors import PluginError
from magictel.sandbox import table
from tests.plugins import install


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    source = "raise RuntimeError('password=hunter2secret in dsn https://u:pw12345@h/')"
    install(tmp_path, "acme", {"acme": "acme_broken:Acme"}, {"acme_broken": source}, group=table.GROUP)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    table.emulators.cache_clear()
    yield
    table.emulators.cache_clear()


@pytest.mark.usefixtures("emulator")
def test_secrets_in_an_exception_are_masked() -> None:
    with pytest.raises(PluginError) as caught:
        table.make("acme", SystemClock())
    assert "RuntimeError: password=*** in dsn https://u:***@h/" in caught.value.message
