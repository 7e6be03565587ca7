"""Every snippet of `magictel guide gateway` runs as it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import _internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.util._once import Once

from magictel.gateway import CustomMetric, GatewayRequest
from magictel.settings.file import parse
from tests.documents import blocks

RECORD, CHOICE, IN_CODE, FROM_FILE, ASGI, WSGI = blocks("gateway", "python")


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """What OpenTelemetry's global provider collects."""
    monkeypatch.setattr(_internal, "_METER_PROVIDER", None)
    monkeypatch.setattr(_internal, "_METER_PROVIDER_SET_ONCE", Once())
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    yield reader
    provider.shutdown()


def ran(snippet: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(snippet, "gateway.md", "exec"), names)
    return names


def collected(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_a_request_is_recorded(reader: InMemoryMetricReader) -> None:
    assert ran(RECORD)["gateway_metrics"].invalid == 0
    sent = collected(reader)
    assert sum(point.sum for point in sent["gen_ai.client.token.usage"]) == 48 + 865
    assert dict(sent["http.server.request.duration"][0].attributes)["http.route"] == "/v1/chat/completions"


def test_what_is_measured_is_chosen(reader: InMemoryMetricReader) -> None:
    request = GatewayRequest(project_id="p", path="/v1/embeddings", duration=1.0, input_tokens=3)
    ran(CHOICE)["gateway_metrics"].record(request)
    sent = collected(reader)
    assert "gen_ai.client.inference.usage.input_tokens" in sent
    assert "gen_ai.server.request.duration" in sent
    attributes = dict(sent["http.server.request.duration"][0].attributes)
    assert attributes["gateway.project.id"] == "p"
    assert "http.route" not in attributes


@pytest.mark.parametrize("snippet", [IN_CODE, FROM_FILE], ids=["in code", "from the file"])
def test_the_two_custom_metrics_are_recorded(
    snippet: str, reader: InMemoryMetricReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGICTEL_CONFIG", raising=False)
    (text,) = blocks("gateway", "toml")
    (tmp_path / "magictel.toml").write_text(text)
    assert parse(text, Path("magictel.toml"), "magictel.toml").metrics.keys() == {"custom_metric", "guard.duration"}
    gateway_metrics = ran(snippet)["gateway_metrics"]
    assert all(isinstance(metric, CustomMetric) and metric.description for metric in gateway_metrics.mapping.custom)
    gateway_metrics.record(GatewayRequest(fields={"units": 3, "guard_seconds": 0.05}))
    sent = collected(reader)
    assert sent["custom_metric"][0].value == 3
    assert list(sent["guard.duration"][0].bucket_counts) == [0, 1, 0, 0]


def test_the_asgi_application_is_measured(reader: InMemoryMetricReader) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        pass

    scope = {"type": "http", "method": "POST", "scheme": "http", "path": "/v1/chat/completions"}
    asyncio.run(ran(ASGI)["app"](scope, receive, send))
    assert collected(reader)["gen_ai.client.token.usage"][0].sum == 48


def test_the_wsgi_application_is_measured(reader: InMemoryMetricReader) -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    response = ran(WSGI)["app"](environ, lambda status, headers: None)
    assert b"".join(response) == b"hello"
    response.close()
    assert collected(reader)["http.server.response.body.size"][0].sum == 5
