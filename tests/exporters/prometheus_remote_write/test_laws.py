"""The laws hold in both versions of remote write, and where the version is asked for by sending."""

from __future__ import annotations

from typing import Any

import pytest

from magictel.conformance import LAWS, Place, Subject, run
from magictel.conformance.runner import LawVerdict
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.sandbox.prometheus_remote_write import PrometheusRemoteWriteEmulator


class OldReceiver(PrometheusRemoteWriteEmulator):
    """Understands 1.0 only. It cannot be tried with laws on read-back, which expect every point that is not withheld."""

    understands_2 = False


@pytest.mark.parametrize(
    ("protocol", "emulator"),
    [("2.0", PrometheusRemoteWriteEmulator), ("auto", PrometheusRemoteWriteEmulator), ("auto", OldReceiver)],
    ids=["2.0", "auto", "auto, to a receiver of 1.0"],
)
def test_every_law_holds(protocol: Any, emulator: type[PrometheusRemoteWriteEmulator]) -> None:
    def exporter(place: Place) -> PrometheusRemoteWriteExporter:
        url = place.environment.get("PROMETHEUS_REMOTE_WRITE_URL", f"{place.origin}/api/v1/write")
        settings = PrometheusRemoteWriteSettings(**{"url": url, "protocol": protocol, **place.settings})
        return PrometheusRemoteWriteExporter(settings, clock=place.clock)

    subject = Subject("prometheus-remote-write", exporter, lambda clock: emulator(clock=clock))
    laws = [law for law in LAWS if emulator is not OldReceiver or not law.id.startswith("read-back.")]
    broken = {result.law.id: result.message for result in run(subject, laws) if result.verdict is LawVerdict.BROKEN}
    assert broken == {}
