"""`otlp` by the command line against the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from magictel import sandbox
from magictel.exporters.otlp.readback import OtlpReadBack
from magictel.model.metrics import Kind, Point, Series
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable
from tests.cli.running import magictel
from tests.real.test_otlp_real import neighbours_arrive


def test_a_sample_is_verified_and_the_ladder_passes(tmp_path: Path) -> None:
    sent = magictel("send-sample", "otlp", "--sandbox", "--format", "json", folder=tmp_path)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12)
    assert magictel("check", "otlp", "--sandbox", "--allow", "empty-write", "--round-trip", folder=tmp_path).code == 0


def test_the_sandbox_has_no_grpc(tmp_path: Path) -> None:
    sent = magictel("send-sample", "otlp", "--sandbox", "--set", "protocol=grpc", folder=tmp_path)
    assert (sent.code, sent.out) == (2, "")
    assert "speaks HTTP only" in sent.err
    assert "--set protocol=http/protobuf" in sent.err


def test_extreme_values_are_declared_or_equal(tmp_path: Path) -> None:
    sent = magictel("send-sample", "otlp", "--sandbox", "--thorough", "--format", "json", folder=tmp_path)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"], target["verification"]["found"]) == (0, "verified", 17), target
    declared = {difference["declared"] for difference in target["verification"]["differences"]}
    assert "numbers are 64-bit floats" in declared, "an integer over 2^53"


def test_a_metric_that_prometheus_cannot_store_costs_no_other(tmp_path: Path) -> None:
    with sandbox.start(["otlp"]) as room:
        neighbours_arrive(room.environment()["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"], tmp_path)


def test_accepted_points_that_cannot_be_queried_are_not_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = OtlpReadBack.expect

    def without_gauges(self: OtlpReadBack, series: Series, point: Point) -> Expected | None:
        return None if series.stream.kind is Kind.GAUGE else whole(self, series, point)

    shown = OtlpReadBack.seen

    def wanted_only(self: OtlpReadBack, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        points = shown(self, query)
        keys = {point.key for point in query.expected}
        return points if isinstance(points, Unreadable) else [point for point in points if point.key in keys]

    monkeypatch.setattr(OtlpReadBack, "expect", without_gauges)
    monkeypatch.setattr(OtlpReadBack, "seen", wanted_only)
    sent = magictel("send-sample", "otlp", "--sandbox", "--format", "json", folder=tmp_path)
    (target,) = sent.document["targets"]
    seen = target["verification"]
    assert (sent.code, target["outcome"]) == (3, "unverified")
    assert seen["expected"] == 12
    assert 0 < seen["unverified"] == 12 - seen["found"]


def test_a_file_of_init_leaves_encoded_headers_to_their_variable(tmp_path: Path) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20dTpw",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example.net:4318",
        "ENABLED_EXPORTERS": "otlp",
    }
    assert magictel("init", folder=tmp_path, environment=environment).code == 0
    text = (tmp_path / "magictel.toml").read_text()
    assert 'url = "http://collector.example.net:4318/v1/metrics"' in text
    assert "headers" not in text
