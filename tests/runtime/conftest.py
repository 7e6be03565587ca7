"""A global MeterProvider that may be set again: the SDK lets it be set once in a process."""

from __future__ import annotations

import pytest
from opentelemetry.util._once import Once


@pytest.fixture(autouse=True)
def _fresh_global_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", None)
