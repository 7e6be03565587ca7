"""What a Prometheus 3 accepts and does not keep is never called a success: the cases of the real engines at its emulator, and by OTLP."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from magictel import sandbox
from magictel.sandbox.server import Server
from tests.emulators.prometheus import PrometheusRemoteWriteEmulator
from tests.real.losses import CASES, PROMETHEUS_3
from tests.real.test_otlp_real import accused, prometheus_losses, replayed
from tests.real.test_silent_losses import ran


@pytest.mark.parametrize("case", [case for case, row in CASES.items() if PROMETHEUS_3 in row.outcomes])
def test_a_command_says_what_prometheus_3_holds(case: str, tmp_path: Path) -> None:
    emulator = PrometheusRemoteWriteEmulator(version="3.5.0")
    emulator.store.append([([("__name__", "others")], [(emulator.now(), 1.0)])], emulator.now())
    with Server(emulator) as server:
        seen = ran(CASES[case], PROMETHEUS_3, server.origin, tmp_path, within="3s")
    assert seen.ended == CASES[case].outcomes[PROMETHEUS_3], seen


def test_what_its_otlp_receiver_loses_is_lost_or_altered_by_name(tmp_path: Path) -> None:
    with sandbox.start(["otlp"]) as room:
        url = room.environment()["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"]
        code, target = replayed(url, tmp_path, prometheus_losses(time.time_ns()), "--within", "3s")
    accused(code, target)
