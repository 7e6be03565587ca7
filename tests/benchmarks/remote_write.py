"""Remote write 1.0 end to end against opentelemetry-exporter-prometheus-remote-write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.exporter.prometheus_remote_write import PrometheusRemoteWriteMetricsExporter
from opentelemetry.sdk.metrics.export import MetricExportResult

from tests.benchmarks.data import Data
from tests.benchmarks.elasticsearch import Rows, _each
from tests.benchmarks.exporters import remote_write_exporter


def tables(port: int, points: int) -> Iterator[tuple[str, Rows]]:
    """The tables of this backend. The peer is measured on fewer points where it is slow: the figure is per million anyway."""
    for kind in ("gauge", "histogram"):
        ours, peer = Data(points, kind), Data(min(points, 10_000 if kind == "gauge" else 2_000), kind)
        yield (
            f"Remote write, {kind}s, end to end (CPU s per million points)",
            [
                ("magictel, warm", _ours(port, ours)),
                ("magictel, cold (new attributes each time)", _ours(port, ours, cold=True)),
                ("opentelemetry-exporter-prometheus-remote-write", _peer(port, peer)),
            ],
        )
    small = Data(50)
    yield (
        "Remote write, 50-point exports (CPU s per million points)",
        [
            ("magictel", _ours(port, small, exports=200)),
            ("opentelemetry-exporter-prometheus-remote-write", _peer(port, Data(50), exports=50)),
        ],
    )


def _ours(port: int, data: Data, *, cold: bool = False, exports: int = 1) -> float:
    exporter = remote_write_exporter(port)

    def send(collected: Any) -> None:
        receipt = exporter.deliver(collected)
        assert receipt.delivered == data.points, receipt

    try:
        return _each(data, send, exports=exports, cold=cold)
    finally:
        exporter.shutdown(0)


def _peer(port: int, data: Data, *, exports: int = 1) -> float:
    exporter = PrometheusRemoteWriteMetricsExporter(endpoint=f"http://127.0.0.1:{port}/api/v1/write")

    def send(collected: Any) -> None:
        assert exporter.export(collected) is MetricExportResult.SUCCESS

    return _each(data, send, exports=exports)
