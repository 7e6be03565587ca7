"""Datadog's Python client sends to the emulator and queries it, and its model reads the JSON that the exporter sends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.sandbox.datadog import API_KEY, APP_KEY, DatadogEmulator
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from magictel.sources.sample import sample

pytest.importorskip("datadog_api_client", reason="datadog-api-client is not installed (extra bench)")

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.model_utils import validate_and_convert_types
from datadog_api_client.v1.api.authentication_api import AuthenticationApi
from datadog_api_client.v1.api.metrics_api import MetricsApi as QueryApi
from datadog_api_client.v2.api.metrics_api import MetricsApi
from datadog_api_client.v2.model.metric_content_encoding import MetricContentEncoding
from datadog_api_client.v2.model.metric_intake_type import MetricIntakeType
from datadog_api_client.v2.model.metric_payload import MetricPayload
from datadog_api_client.v2.model.metric_point import MetricPoint
from datadog_api_client.v2.model.metric_resource import MetricResource
from datadog_api_client.v2.model.metric_series import MetricSeries


@pytest.fixture
def emulator() -> DatadogEmulator:
    return DatadogEmulator()


@pytest.fixture
def client(emulator: DatadogEmulator) -> Iterator[ApiClient]:
    with Server(emulator) as server:
        keys = {"apiKeyAuth": API_KEY, "appKeyAuth": APP_KEY}
        with ApiClient(Configuration(host=server.origin, api_key=keys)) as client:
            yield client


@pytest.mark.parametrize("encoding", ["", "GZIP", "DEFLATE"])
def test_what_the_client_sends_is_stored_and_answers_its_query(
    client: ApiClient, emulator: DatadogEmulator, encoding: str
) -> None:
    assert AuthenticationApi(client).validate().valid
    now = int(time.time())
    load = MetricSeries(
        metric="system.load.1",
        type=MetricIntakeType.COUNT,
        interval=10,
        unit="byte",
        points=[MetricPoint(timestamp=now - 60, value=0.7), MetricPoint(timestamp=now, value=2.0)],
        resources=[MetricResource(type="host", name="node-1")],
        tags=["Env:Prod", "team:a b"],
    )
    options = {"content_encoding": getattr(MetricContentEncoding, encoding)} if encoding else {}
    assert MetricsApi(client).submit_metrics(body=MetricPayload(series=[load]), **options).errors == []
    stored = [(point.metric, point.tags, point.host, point.seconds, point.numbers) for point in emulator.points]
    about = "system.load.1", ("env:prod", "team:a_b"), "node-1"
    assert stored == [(*about, now - 60, {"value": 0.7}), (*about, now, {"value": 2.0})]
    query = "sum:system.load.1{env:prod} by {team}"
    shown = QueryApi(client).query_metrics(_from=now - 120, to=now + 60, query=query).series
    assert [(row.tag_set, [point.value[1] for point in row.pointlist]) for row in shown] == [(["team:a_b"], [0.7, 2.0])]


def test_the_model_of_the_client_reads_every_series(client: ApiClient) -> None:
    keys: dict[str, Any] = {"api_key": Secret(API_KEY), "encoding": "json", "histograms": "counters"}
    exporter = DatadogExporter(DatadogSettings(**keys, hostname="node-1"), prepare=False)
    data = sample("abc", time.time(), thorough=True).preferred(delta=True).data
    for _, body in exporter.requests(data):
        document = json.loads(body)
        read = validate_and_convert_types(document, (MetricPayload,), ["body"], True, True, client.configuration)
        assert read.to_dict() == document
        assert all(set(series) <= set(MetricSeries.attribute_map.values()) for series in document["series"])
    exporter.shutdown(0)
