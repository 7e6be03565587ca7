"""Every law holds for Datadog in the other forms of histograms, and in JSON."""

from __future__ import annotations

from typing import Any

import pytest

from magictel.conformance import LAWS, Place, Subject, run
from magictel.conformance.runner import LawVerdict
from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.sandbox.datadog import API_KEY, APP_KEY, DatadogEmulator
from magictel.secrets.secret import Secret


@pytest.mark.parametrize(
    "options",
    [{"histograms": "counters"}, {"histograms": "aggregates"}, {"encoding": "json"}],
    ids=lambda options: "-".join(options.values()),
)
def test_every_law_holds(options: dict[str, Any]) -> None:
    def exporter(place: Place) -> DatadogExporter:
        keys = {"api_key": Secret(API_KEY), "app_key": Secret(APP_KEY)}
        given = {"url": place.origin, **keys, **options, **place.settings}
        return DatadogExporter(DatadogSettings(**given), clock=place.clock)

    subject = Subject("datadog", exporter, lambda clock: DatadogEmulator(clock=clock))
    broken = {result.law.id: result.message for result in run(subject, LAWS) if result.verdict is LawVerdict.BROKEN}
    assert broken == {}
