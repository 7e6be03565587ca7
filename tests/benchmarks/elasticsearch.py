"""Elasticsearch end to end against elasticsearch-py's helpers.bulk and an orjson line per document."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from elasticsearch9 import Elasticsearch, OrjsonSerializer, helpers
from magictel.exporters.elasticsearch import ElasticsearchExporter

from magictel.model import groups
from tests.benchmarks.data import Data
from tests.benchmarks.exporters import elasticsearch_exporter
from tests.benchmarks.measure import cpu_per_million, transient_mib

Rows = list[tuple[str, float]]
_SMALL = 50


def tables(port: int, points: int) -> Iterator[tuple[str, Rows]]:
    """The tables of this backend; figures are CPU seconds per million points unless the title says otherwise."""
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    for kind in ("gauge", "histogram"):
        data = Data(points, kind)
        yield (
            f"Elasticsearch, {kind}s, {points} points an export, end to end (CPU s per million points)",
            [
                ("magictel, warm", _ours(port, data)),
                ("magictel, cold (new attributes each time)", _ours(port, data, cold=True)),
                ("elasticsearch-py helpers.bulk", _bulk(port, data)),
                ("elasticsearch-py helpers.bulk, orjson serializer", _bulk(port, data, orjson_serializer=True)),
                ("an orjson line per document, http.client", _lines(port, data)),
            ],
        )
    small = Data(_SMALL)
    yield (
        f"Elasticsearch, {_SMALL}-point exports (CPU s per million points)",
        [
            ("magictel", _ours(port, small, exports=200)),
            ("elasticsearch-py helpers.bulk", _bulk(port, small, exports=200)),
            (
                "elasticsearch-py helpers.bulk, orjson serializer",
                _bulk(port, small, orjson_serializer=True, exports=200),
            ),
        ],
    )
    data = Data(points)
    exporter = elasticsearch_exporter(port)
    held = data.collect(0)
    client = _client(port, True)
    yield (
        f"Elasticsearch, transient memory, {points} points (MiB at the peak)",
        [
            ("magictel, warm", transient_mib(lambda: exporter.deliver(held))),
            (
                "elasticsearch-py helpers.bulk, orjson serializer",
                transient_mib(lambda: helpers.bulk(client, _actions(held))),
            ),
        ],
    )
    exporter.shutdown(0)


def _each(data: Data, send: Callable[[Any], object], *, exports: int, cold: bool = False) -> float:
    """Collections are made beforehand: the SDK's own work is nobody's here."""
    number = 0

    def collect() -> list[Any]:
        nonlocal number
        made = []
        for _ in range(exports):
            if cold:
                data.fresh()
            made.append(data.collect(number))
            number += 1
        return made

    rounds = iter([collect() for _ in range(4)])

    def work() -> None:
        for collected in next(rounds):
            send(collected)

    return cpu_per_million(work, data.points * exports)


def _ours(port: int, data: Data, *, cold: bool = False, exports: int = 1) -> float:
    exporter: ElasticsearchExporter = elasticsearch_exporter(port)

    def send(collected: Any) -> None:
        receipt = exporter.deliver(collected)
        assert receipt.delivered == data.points, receipt

    try:
        return _each(data, send, exports=exports, cold=cold)
    finally:
        exporter.shutdown(0)


def _client(port: int, orjson_serializer: bool) -> Elasticsearch:
    options: dict[str, Any] = {"serializer": OrjsonSerializer()} if orjson_serializer else {}
    return Elasticsearch(f"http://127.0.0.1:{port}", **options)


def _bulk(port: int, data: Data, *, orjson_serializer: bool = False, exports: int = 1) -> float:
    client = _client(port, orjson_serializer)

    def send(collected: Any) -> None:
        done, _ = helpers.bulk(client, _actions(collected), chunk_size=5000)
        assert done == data.points

    try:
        return _each(data, send, exports=exports)
    finally:
        client.close()


def _actions(collected: Any) -> Iterator[dict[str, Any]]:
    for document in _documents(collected):
        yield {"_op_type": "create", "_index": "magicapi-metrics", "_source": document}


def _documents(collected: Any) -> Iterator[dict[str, Any]]:
    """What a careful author writes by hand: the same facts as our document, without a deterministic id."""
    for group in groups(collected):
        stream = group.stream
        for point in group.points:
            document: dict[str, Any] = {
                "@timestamp": point.time_unix_nano // 1_000_000,
                "start_timestamp": point.start_time_unix_nano // 1_000_000,
                "name": stream.name,
                "unit": stream.unit,
                "kind": stream.kind,
                "attributes": dict(point.attributes),
                "resource": {"attributes": dict(stream.resource)},
                "scope": {"name": stream.scope_name, "version": stream.scope_version},
            }
            if hasattr(point, "value"):
                document["value_double"] = point.value
            else:
                document.update(
                    count=point.count,
                    sum=point.sum,
                    min=point.min,
                    max=point.max,
                    bounds=list(point.explicit_bounds),
                    counts=list(point.bucket_counts),
                )
            yield document


def _lines(port: int, data: Data) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def send(collected: Any) -> None:
        lines: list[bytes] = []
        for document in _documents(collected):
            lines += (b'{"create":{}}', orjson.dumps(document))
            if len(lines) >= 10_000:
                _post(connection, lines)
                lines = []
        if lines:
            _post(connection, lines)

    try:
        return _each(data, send, exports=1)
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, lines: list[bytes]) -> None:
    connection.request(
        "POST", "/magicapi-metrics/_bulk", b"\n".join(lines) + b"\n", {"Content-Type": "application/x-ndjson"}
    )
    answer = orjson.loads(connection.getresponse().read())
    assert not answer["errors"]
