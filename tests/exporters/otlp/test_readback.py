"""Points in VictoriaMetrics' terms, as a real one showed them (1.151), and the path that says whose terms count."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint

from magictel.exporters.otlp.exporter import OtlpExporter
from magictel.exporters.otlp.readback.victoriametrics import VictoriaMetricsNames
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.sources.sample import sample

VM = "http://localhost:8428/opentelemetry/v1/metrics"


def exporter(url: str, **options: object) -> OtlpExporter:
    return OtlpExporter(OtlpSettings(url=url, **options), prepare=False)  # type: ignore[arg-type]


def test_an_exponential_histogram_becomes_ranges() -> None:
    sides = Buckets(1, [1, 2]), Buckets(0, [3])
    point = ExponentialHistogramDataPoint({}, 0, 1, 7, 9.5, 3, 1, *sides, 0, 0.0, 0.0)
    (series, _), *_ = exporter(VM).prepare(sample("0" * 12, 1e9).data).points()
    shown = {
        extra.get("vmrange", suffix): value
        for suffix, extra, value in VictoriaMetricsNames().samples(series.stream, point)
    }
    assert shown == {
        "_count": 7.0,
        "_sum": 9.5,
        "-0.000e+00...0.000e+00": 1.0,
        "1.091e+00...1.189e+00": 1.0,
        "1.189e+00...1.297e+00": 2.0,
        "-1.091e+00...-1.000e+00": 3.0,
    }


@pytest.mark.parametrize(
    ("naming", "name", "labels"),
    [
        (
            False,
            "magictel.sample.requests",
            {"service.name": "magictel", "scope.name": "magictel.sample", "shard": "1"},
        ),
        (True, "magictel_sample_requests_total", {"service_name": "magictel", "scope_name": "magictel.sample"}),
    ],
)
def test_resource_and_scope_are_labels_and_names_stay_as_sent_unless_prometheus_naming_is_on(
    naming: bool, name: str, labels: dict[str, str]
) -> None:
    (series, point), *_ = exporter(VM).prepare(sample("0" * 12, 1e9).data).points()
    names = VictoriaMetricsNames(prometheus_naming=naming)
    assert names.name(series.stream) == name
    assert labels.items() <= names.labels(series).items()
    expected = exporter(VM, prometheus_naming=naming).readback.expect(series, point)
    assert expected is not None
    assert expected.key == "point-01"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (VM, None),
        ("http://localhost:9090/api/v1/otlp/v1/metrics", None),
        ("http://localhost:4318/v1/metrics", "OTLP has no query"),
    ],
)
def test_the_path_shows_who_can_be_queried(url: str, says: str | None) -> None:
    why = exporter(url).readback.cannot_query()
    assert (why is None) == (says is None)
    assert says is None or (why is not None and says in why.message)


def test_minus_zero_is_declared_where_decimals_are_stored() -> None:
    assert exporter(VM).readback.declared("value", -0.0, 0.0) == "VictoriaMetrics stores no minus zero"
    assert exporter("http://localhost:9090/api/v1/otlp/v1/metrics").readback.declared("value", -0.0, 0.0) is None
