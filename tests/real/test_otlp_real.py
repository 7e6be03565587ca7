"""OTLP against real receivers: Prometheus 3 shows every point as sent, and the Collector's file holds what was accepted.

Run: `bash ../shared/real/start_prom3.sh --without victoria -- bash ../shared/real/start_collector.sh -- python -m pytest -m real
tests/real/test_otlp_real.py`
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import magictel

HOW = (
    "bash ../shared/real/start_prom3.sh --without victoria -- bash ../shared/real/start_collector.sh --"
    " python -m pytest -m real tests/real/test_otlp_real.py"
)
RUNS = int(os.environ.get("MAGICTEL_HEALTHY_RUNS", "4"))
pytestmark = [pytest.mark.real, pytest.mark.timeout(180 + 12 * RUNS)]


def door(variable: str) -> str:
    """Return the address of a receiver, or skip."""
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set; this runs it: {HOW}")
    return url


def sent(url: str, folder: Path, *options: str) -> Any:
    ran = magictel("send-sample", "otlp", "--set", f"url={url}", *options, "--format", "json", folder=folder)
    (target,) = ran.document["targets"]
    return ran.code, target, ran.document["run_id"]


@pytest.mark.parametrize("run", range(RUNS))
def test_prometheus_shows_every_point_as_sent(run: int, tmp_path: Path) -> None:
    code, target, _ = sent(door("MT_PROM3_OTLP_URL"), tmp_path, "--set", f"compression={('none', 'gzip')[run % 2]}")
    assert (code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12), target


def test_the_ladder_of_prometheus(tmp_path: Path) -> None:
    ran = magictel(
        "check", "otlp", "--set", f"url={door('MT_PROM3_OTLP_URL')}", "--allow", "empty-write", folder=tmp_path
    )
    assert ran.code == 0, ran.out


def test_deltas_are_refused_by_name_and_neighbours_arrive(tmp_path: Path) -> None:
    (tmp_path / "mixed.jsonl").write_text(json.dumps(mixed(time.time_ns())) + "\n")
    url = door("MT_PROM3_OTLP_URL")
    ran = magictel("replay", "mixed.jsonl", "--to", "otlp", "--set", f"url={url}", "--format", "json", folder=tmp_path)
    (target,) = ran.document["targets"]
    receipt = target["receipt"]
    assert (receipt["sent"], receipt["delivered"], receipt["rejected"]) == (2, 1, 1), target
    assert [reason["code"] for reason in receipt["reasons"]] == ["prom.otlp.delta"]


def mixed(now: int) -> dict[str, Any]:
    """Return a request with a gauge and a delta sum."""
    point = {"timeUnixNano": str(now), "asDouble": 1.5, "attributes": []}
    metrics = [
        {"name": "room.temperature", "gauge": {"dataPoints": [point]}},
        {"name": "requests", "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}},
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": f"mixed-{now}"}}]}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": {"name": "t"}, "metrics": metrics}]}]}


def received(file: Path, run_id: str, points: int) -> list[Any]:
    """Return the run's points in the Collector's file, which it writes a moment later."""
    until = time.monotonic() + 60
    while True:
        points_there = [
            point
            for line in (file.read_text().splitlines() if file.exists() else [])
            for resource in json.loads(line).get("resourceMetrics", ())
            for scope in resource["scopeMetrics"]
            for metric in scope["metrics"]
            for kind in ("gauge", "sum", "histogram", "exponentialHistogram")
            for point in metric.get(kind, {}).get("dataPoints", ())
            if run_id in json.dumps(point)
        ]
        if len(points_there) >= points or time.monotonic() > until:
            return points_there
        time.sleep(0.2)


def test_the_collector_receives_every_point_and_the_delivery_stays_unverified(tmp_path: Path) -> None:
    code, target, run_id = sent(
        door("MT_OTELCOL_OTLP_HTTP_URL").removesuffix("/v1/metrics") + "/v1/metrics",
        tmp_path,
        "--set",
        "compression=gzip",
    )
    assert (code, target["outcome"], target["receipt"]["delivered"]) == (3, "unverified", 12), target
    assert len(received(Path(door("MT_OTELCOL_FILE")), run_id, 12)) == 12
