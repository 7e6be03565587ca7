"""The exporter against the sandbox's emulators: the scenarios of the real engines, and what no engine here can be made to say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from magictel.sandbox.elasticsearch.emulator import SearchEmulator
from tests.exporters.elasticsearch.engines import Emulated, SkippingClock
from tests.exporters.elasticsearch.scenarios import *  # noqa: F403 # the tests that hold everywhere

ENGINES: dict[str, tuple[Any, str]] = {
    "es7": ("elasticsearch", "7.17.29"),
    "es8": ("elasticsearch", "8.19.0"),
    "os2": ("opensearch", "2.19.4"),
}


def emulated(name: str, **options: Any) -> Emulated:
    clock = SkippingClock()
    product, version = ENGINES[name]
    return Emulated(name, SearchEmulator(product, version, clock=clock, **options), clock, "t-emulated")


@pytest.fixture(params=["es7", "es8", "os2"])
def engine(request: pytest.FixtureRequest) -> Iterator[Emulated]:
    made = emulated(request.param)
    yield made
    made.close()
