"""Who sends: our exporters as a user gets them (defaults, only the address given), and the peers as their documentation uses them.

Each is a function of one collection that raises when not every point was taken.
"""

from __future__ import annotations

import http.client
import logging
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from elasticsearch9 import Elasticsearch, OrjsonSerializer, helpers
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.exporter.prometheus_remote_write import PrometheusRemoteWriteMetricsExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from magictel.encoding.payload import Payload
from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.prometheus.encoding import PageEncoding
from magictel.exporters.prometheus.negotiation import Form, Syntax
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.model.metrics import count_points, groups
from magictel.plugin.exporter import Exporter

Send = Callable[[Any], object]
INDEX = "magicapi-metrics"
_CHUNK = 5_000


def elasticsearch_exporter(port: int, **environment: str) -> ElasticsearchExporter:
    """Straight from the environment, as the runtime makes it."""
    return ElasticsearchExporter(environment={"ELASTICSEARCH_URL": f"http://127.0.0.1:{port}", **environment})


def remote_write_exporter(port: int, protocol: str = "1.0") -> PrometheusRemoteWriteExporter:
    """Straight from the environment, as the runtime makes it."""
    url = f"http://127.0.0.1:{port}/api/v1/write"
    environment = {"PROMETHEUS_REMOTE_WRITE_URL": url, "PROMETHEUS_REMOTE_WRITE_PROTOCOL": protocol}
    return PrometheusRemoteWriteExporter(environment=environment)


def otlp_exporter(port: int, compression: str = "none") -> OtlpExporter:
    """Straight from the environment, as the runtime makes it."""
    url = f"http://127.0.0.1:{port}/v1/metrics"
    environment = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": url, "OTEL_EXPORTER_OTLP_COMPRESSION": compression}
    return OtlpExporter(environment=environment)


def ours(exporter: Exporter[Any]) -> Send:
    """Delivered, with the ledger as witness; by StatsD sent, as it confirms nothing."""

    def send(collected: Any) -> None:
        receipt = exporter.deliver(collected)
        assert (receipt.delivered if exporter.confirms else receipt.unconfirmed) == receipt.sent, receipt

    return send


def helpers_bulk(port: int, *, fast_json: bool = False, **options: Any) -> Send:
    """elasticsearch-py's `helpers.bulk`; `fast_json`: with its orjson serializer. `options` go to every bulk request."""
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    serializer: dict[str, Any] = {"serializer": OrjsonSerializer()} if fast_json else {}
    client = Elasticsearch(f"http://127.0.0.1:{port}", **serializer)

    def send(collected: Any) -> None:
        done, _ = helpers.bulk(client, _actions(collected), chunk_size=_CHUNK, **options)
        assert done == count_points(collected)

    return send


def orjson_lines(port: int) -> Send:
    """No client library: an orjson line per document, `http.client`, and a look at `errors` alone."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def post(lines: list[bytes]) -> None:
        body = b"\n".join(lines) + b"\n"
        connection.request("POST", f"/{INDEX}/_bulk", body, {"Content-Type": "application/x-ndjson"})
        assert not orjson.loads(connection.getresponse().read())["errors"]

    def send(collected: Any) -> None:
        lines: list[bytes] = []
        for document in documents(collected):
            lines += (b'{"create":{}}', orjson.dumps(document))
            if len(lines) >= 2 * _CHUNK:
                post(lines)
                lines = []
        if lines:
            post(lines)

    return send


def otlp_http(port: int, *, gzip: bool = False) -> Send:
    """OpenTelemetry's own OTLP/HTTP exporter; without compression, as it is by default, or with gzip."""
    compression = Compression.Gzip if gzip else Compression.NoCompression
    return _sdk(OTLPMetricExporter(endpoint=f"http://127.0.0.1:{port}/v1/metrics", compression=compression))


def bodies(exporter: Exporter[Any]) -> Send:
    """The bodies of the requests, uncompressed and not sent."""

    def encode(collected: Any) -> None:
        for payload in exporter.payloads(collected):
            assert isinstance(payload, Payload)
            exporter.encoder.frame(payload)

    return encode


def official_otlp_body(collected: Any) -> None:
    """What the official exporters create of a collection."""
    encode_metrics(collected).SerializeToString()


def remote_write_peer(port: int) -> Send:
    """OpenTelemetry's remote-write exporter."""
    return _sdk(PrometheusRemoteWriteMetricsExporter(endpoint=f"http://127.0.0.1:{port}/api/v1/write"))


def page(syntax: Syntax = "text") -> Send:
    """Our page, encoded whole."""
    encoding, form = PageEncoding(), Form(syntax, "" if syntax == "protobuf" else "1.0.0")

    def send(collected: Any) -> None:
        for piece in encoding.page(list(groups(collected)), form):
            assert isinstance(piece, bytes), piece

    return send


def page_peer() -> Send:
    """OpenTelemetry's Prometheus exporter: its reader, and prometheus_client's `generate_latest`."""
    reader = PrometheusMetricReader()
    registry = CollectorRegistry()
    REGISTRY.unregister(reader._collector)
    registry.register(reader._collector)
    reader._collector._callback = None

    def send(collected: Any) -> None:
        reader._receive_metrics(collected)
        assert generate_latest(registry).count(b"\n") > count_points(collected)

    return send


def documents(collected: Any) -> Iterator[dict[str, Any]]:
    """What a careful author writes by hand: the same facts as our document, without an id; what a stream shares is made once."""
    for group in groups(collected):
        stream = group.stream
        shared = {
            "name": stream.name,
            "unit": stream.unit,
            "kind": stream.kind.value,
            "resource": {"attributes": dict(stream.resource)},
            "scope": {"name": stream.scope_name, "version": stream.scope_version},
        }
        for point in group.points:
            document: dict[str, Any] = {
                "@timestamp": point.time_unix_nano // 1_000_000,
                "start_timestamp": point.start_time_unix_nano // 1_000_000,
                "attributes": point.attributes,
                **shared,
            }
            if hasattr(point, "value"):
                document["value_double"] = point.value
            else:
                document.update(
                    count=point.count,
                    sum=point.sum,
                    min=point.min,
                    max=point.max,
                    bounds=point.explicit_bounds,
                    counts=point.bucket_counts,
                )
            yield document


def _actions(collected: Any) -> Iterator[dict[str, Any]]:
    for document in documents(collected):
        yield {"_op_type": "create", "_index": INDEX, "_source": document}


def _sdk(exporter: Any) -> Send:
    def send(collected: Any) -> None:
        assert exporter.export(collected) is MetricExportResult.SUCCESS

    return send
