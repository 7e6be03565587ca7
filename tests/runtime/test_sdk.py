"""OpenTelemetry's own variables, and a MeterProvider that the application has set."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, View
from opentelemetry.sdk.resources import Resource

from magictel import runtime
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.server import Server
from tests.cli.running import refused


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator()).start() as server:
        yield server


def environment(url: str, **more: str) -> dict[str, str]:
    return {"ENABLED_EXPORTERS": "elasticsearch", "ELASTICSEARCH_URL": url, "ELASTICSEARCH_RETRY_BUDGET": "0", **more}


def documents(server: Server) -> list[dict[str, object]]:
    assert isinstance(server.emulator, ElasticsearchEmulator)
    return server.emulator.documents()


@pytest.mark.parametrize(
    ("variables", "argument", "millis", "timeout"),
    [
        ({}, None, 60_000, 30_000),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "5000", "OTEL_METRIC_EXPORT_TIMEOUT": "700"}, None, 5_000, 700),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "5000"}, 2.5, 2_500, 30_000),
    ],
)
def test_the_interval(
    variables: dict[str, str], argument: float | None, millis: float, timeout: float, backend: Server
) -> None:
    with runtime.start(environment=environment(backend.origin, **variables), interval=argument) as telemetry:
        (reader,) = telemetry._readers
        assert isinstance(reader, PeriodicExportingMetricReader)
        assert (reader._export_interval_millis, reader._export_timeout_millis) == (millis, timeout)


@pytest.mark.parametrize("text", ["soon", "0", "-5", "1e-9", "1e300", "inf", "nan"])
def test_an_interval_that_is_none_is_logged(text: str, backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    with runtime.start(environment=environment(backend.origin, OTEL_METRIC_EXPORT_INTERVAL=text)) as telemetry:
        (reader,) = telemetry._readers
        assert isinstance(reader, PeriodicExportingMetricReader)
        assert reader._export_interval_millis == 60_000
    assert "OTEL_METRIC_EXPORT_INTERVAL is not a number of milliseconds, at least 1: 60000 is used" in caplog.text


def test_the_resource_has_what_variables_and_the_argument_say(backend: Server) -> None:
    variables = {
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=other, deployment.environment=a%20b,region=eu",
    }
    given = environment(backend.origin, **variables)
    with runtime.start(environment=given, resource=Resource({"region": "us"})) as telemetry:
        attributes = telemetry.provider._sdk_config.resource.attributes
    assert attributes["service.name"] == "shop"
    assert attributes["deployment.environment"] == "a b"
    assert attributes["region"] == "us"
    assert attributes["service.instance.id"]


def test_views_are_used(backend: Server) -> None:
    views = [View(instrument_name="orders", aggregation=DropAggregation())]
    with runtime.start(environment=environment(backend.origin), views=views):
        metrics.get_meter("app").create_counter("orders").add(3)
        metrics.get_meter("app").create_counter("visits").add(3)
    assert "visits" in str(documents(backend))
    assert "orders" not in str(documents(backend))


@pytest.mark.parametrize("text", ["true", " TRUE "])
def test_a_disabled_sdk_starts_nothing(text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = metrics.get_meter_provider()
    with runtime.start(environment={"ENABLED_EXPORTERS": "console", "OTEL_SDK_DISABLED": text}) as telemetry:
        assert (telemetry.exporters, repr(telemetry)) == ({}, "Telemetry(nothing is exported)")
        assert metrics.get_meter_provider() is before
    assert "OTEL_SDK_DISABLED is true: no metric is exported" in caplog.text


def test_an_existing_provider_is_joined_and_lives_on(backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    existing = MeterProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    metrics.set_meter_provider(existing)
    with runtime.start(environment=environment(backend.origin), resource=Resource({"service.name": "x"})) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
        assert telemetry.provider is existing
        assert telemetry.force_flush()
        assert len(documents(backend)) == 1
        metrics.get_meter("app").create_counter("orders").add(3)
    assert len(documents(backend)) == 2
    assert "'shop'" in str(documents(backend))
    assert "the application has a MeterProvider" in caplog.text
    assert "ignored: resource" in caplog.text
    assert existing._shutdown is False
    existing.shutdown()


def test_a_provider_that_cannot_be_joined_is_named(backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    metrics.set_meter_provider(NoOpMeterProvider())
    with runtime.start(environment=environment(backend.origin)) as telemetry:
        telemetry.provider.get_meter("app").create_counter("orders").add(3)
    assert "the global MeterProvider (opentelemetry.metrics.NoOpMeterProvider)" in caplog.text
    assert "only meters of telemetry.provider are exported" in caplog.text
    assert len(documents(backend)) == 1


def test_a_second_start_is_not_silent(backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    given = environment(backend.origin)
    with runtime.start(environment=given) as first, runtime.start(environment=given) as second:
        assert second.provider is first.provider
        assert "start() was called before in this process" in caplog.text


def test_a_start_after_a_shutdown_says_what_is_lost(backend: Server, caplog: pytest.LogCaptureFixture) -> None:
    given = environment(backend.origin)
    runtime.start(environment=given).shutdown()
    with runtime.start(environment=given):
        pass
    assert "the global MeterProvider (opentelemetry.sdk.metrics._internal.MeterProvider) was shut down" in caplog.text


def test_a_flush_says_whether_everything_was_sent(backend: Server) -> None:
    with runtime.start(environment=environment(backend.origin)) as telemetry:
        metrics.get_meter("app").create_counter("orders").add(3)
        assert telemetry.force_flush()
        assert len(documents(backend)) == 1
    with runtime.start(environment=environment(f"http://127.0.0.1:{refused()}")) as telemetry:
        telemetry.provider.get_meter("app").create_counter("orders").add(3)
        assert not telemetry.force_flush()
        assert not telemetry.force_flush(timeout=0)
        telemetry.shutdown(0)


def test_a_foreign_exporter_is_driven_like_the_others(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    given = {
        "ENABLED_EXPORTERS": "otel:otlp_proto_http",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{refused()}",
    }
    with runtime.start(environment=given) as telemetry:
        assert list(telemetry.exporters) == ["otel:otlp_proto_http"]
        telemetry.connections._threads["otel:otlp_proto_http"].join()
        telemetry.shutdown(0)
    assert "OTLPMetricExporter every 60 s: whether it accepts data shows with the first export" in caplog.text
