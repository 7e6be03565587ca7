"""The emulators there are, by the name of the exporter they stand in for; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from magictel.clock import Clock
from magictel.errors import UsageError
from magictel.sandbox.emulator import Emulator

EMULATORS: Mapping[str, str] = MappingProxyType(
    {
        "elasticsearch": "magictel.sandbox.elasticsearch:ElasticsearchEmulator",
        "opensearch": "magictel.sandbox.elasticsearch:OpenSearchEmulator",
        "prometheus-remote-write": "magictel.sandbox.prometheus_remote_write:PrometheusRemoteWriteEmulator",
    }
)


def canonical(name: str) -> str:
    """The table's spelling of a name; `-` and `_` are equal. Raises `UsageError` naming the ones there are."""
    for known in EMULATORS:
        if known.replace("-", "_") == name.strip().replace("-", "_"):
            return known
    raise UsageError(
        "sandbox.unknown-emulator",
        f"there is no emulator for {name!r}",
        f"emulators exist for: {', '.join(EMULATORS)}",
    )


def make(name: str, clock: Clock) -> Emulator:
    """A fresh emulator that stands in for the exporter `name`'s backend."""
    module, _, attribute = EMULATORS[canonical(name)].partition(":")
    return cast("Emulator", getattr(importlib.import_module(module), attribute)(clock=clock))
