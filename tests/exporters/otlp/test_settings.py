"""The variables of OpenTelemetry's specification: which one wins, what each means, and bad values by name."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ExponentialHistogram, Histogram, PeriodicExportingMetricReader

from magictel.errors import SettingsError
from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.settings.load import resolve_settings


def settings(environment: Mapping[str, str], **overrides: str) -> OtlpSettings:
    resolved = resolve_settings("otlp", "otlp", OtlpSettings, environment=environment, config=None, overrides=overrides)
    assert isinstance(resolved.settings, OtlpSettings)
    return resolved.settings


def test_without_a_variable_the_collector_on_this_host_is_meant() -> None:
    chosen = settings({})
    assert (str(chosen.addresses()[0].endpoint), chosen.compression, chosen.temporality, chosen.timeout) == (
        "http://localhost:4318/v1/metrics",
        "none",
        "cumulative",
        10.0,
    )


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c/otlp"}, "https://c/otlp/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://c/custom"}, "https://c/custom"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "http://c/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": " ", "OTEL_EXPORTER_OTLP_METRICS_HEADERS": ""}, None),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1",
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://b:2/v1/metrics",
            },
            "http://b:2/v1/metrics",
        ),
    ],
)
def test_only_the_general_address_gets_the_path(environment: dict[str, str], url: str | None) -> None:
    assert settings(environment).url == url


def test_the_other_variables() -> None:
    chosen = settings(
        {
            "OTEL_EXPORTER_OTLP_TIMEOUT": "10000",
            "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "2500",
            "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20dTpw,x-tenant=blue%2Cgreen",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "DELTA",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces:4318",
        }
    )
    assert (chosen.timeout, chosen.compression, chosen.temporality) == (2.5, "gzip", "delta")
    assert {name: secret.reveal() for name, secret in chosen.headers.items()} == {
        "Authorization": "Basic dTpw",
        "x-tenant": "blue,green",
    }


@pytest.mark.parametrize(
    ("environment", "field"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/xml"}, "protocol"),
        ({"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "linear"}, "histogram_aggregation"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/traces"}, "url"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "timeout"),
        (
            {"OTEL_EXPORTER_OTLP_TIMEOUT": "-5"},
            'timeout: OTEL_EXPORTER_OTLP_TIMEOUT: "-5" is not a number of milliseconds',
        ),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "nan"}, "timeout"),
        ({"OTLP_API_KEY_HEADER": "x y"}, "api_key_header"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "Authorization"}, "headers"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost"}, "url"),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318"}, "url"),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, "compression"),
        ({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "sometimes"}, "temporality"),
    ],
)
def test_a_bad_value_is_named_with_its_field_and_variable(environment: dict[str, str], field: str) -> None:
    with pytest.raises(SettingsError) as failure:
        settings(environment)
    assert field in failure.value.message
    assert "could not convert" not in failure.value.message
    assert next(iter(environment)) in f"{failure.value.message} {failure.value.origin}"


def test_the_address_that_an_error_suggests_is_the_one_for_the_variable() -> None:
    with pytest.raises(SettingsError) as failure:
        settings({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"})
    assert failure.value.remedy == "write http://localhost:4318"


def preferences(preference: str) -> dict[str, str]:
    """The temporality of each type of instrument, by its name."""
    exporter = OtlpExporter(environment={"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": preference})
    exporter.shutdown(0)
    return {kind.__name__: chosen.name for kind, chosen in exporter._preferred_temporality.items()}


def test_lowmemory_is_delta_for_what_is_not_observed() -> None:
    chosen = preferences("LowMemory")
    assert {name for name, temporality in chosen.items() if temporality == "DELTA"} == {"Counter", "Histogram"}
    assert {name for name, temporality in preferences("delta").items() if temporality == "DELTA"} == {
        *("Counter", "Histogram", "ObservableCounter")
    }


@pytest.mark.parametrize("name", ["explicit_bucket_histogram", "Base2_Exponential_Bucket_Histogram"])
def test_the_aggregation_of_histograms(name: str) -> None:
    """Through the SDK itself: what a reader with this exporter collects."""
    variable = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    exporter = OtlpExporter(environment={variable: name})
    collected: list[object] = []
    exporter.export = lambda data, **_: collected.append(data)  # type: ignore[misc,assignment]
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("m").create_histogram("h").record(1.0)
    reader.collect()
    provider.shutdown()
    (metric,) = collected[0].resource_metrics[0].scope_metrics[0].metrics  # type: ignore[attr-defined]
    assert isinstance(
        metric.data, ExponentialHistogram if "exp" in name.lower() and "base2" in name.lower() else Histogram
    )
