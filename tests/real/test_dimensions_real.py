"""What a real time-series index takes for one, against what the exporter takes for one: every pair of the table, then points.

Run: `bash ../shared/real/start_search.sh --with es8,es9 -- python -m pytest -m real tests/real/test_dimensions_real.py`
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import Gauge, Metric, NumberDataPoint

from magictel.model.outcome import Fate
from tests.exporters.elasticsearch.collections_of_points import collection
from tests.exporters.elasticsearch.engines import Engine
from tests.exporters.elasticsearch.test_dimensions import DIMENSION, MAPPING, PAIRS
from tests.real.test_elasticsearch_real import url_of

pytestmark = pytest.mark.real
NOW = datetime.now(UTC).replace(microsecond=0)
ROUTED = {
    "index.mode": "time_series",
    "index.routing_path": ["name", "a.routed"],
    "index.time_series.start_time": f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
    "index.time_series.end_time": f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
}
ODD = {"long: a text of many digits"}
"""Pairs that the engine refuses."""


@pytest.fixture(params=["es8", "es9"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = Engine(request.param, url_of(request.param), f"t-{uuid.uuid4().hex[:12]}")
    yield engine
    engine.http.delete(f"/{engine.index}")
    engine.close()


def test_the_index_takes_for_one_what_the_exporter_takes_for_one(engine: Engine) -> None:
    assert engine.http.put(f"/{engine.index}", json={"settings": ROUTED, "mappings": MAPPING}).status_code == 200
    differing = []
    for pair, (*documents, same, _) in PAIRS.items():
        lines = [{"@timestamp": f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "name": pair, **document} for document in documents]
        body = "".join(f'{{"create":{{}}}}\n{json.dumps(line)}\n' for line in lines)
        headers = {"content-type": "application/x-ndjson"}
        items = engine.http.post(f"/{engine.index}/_bulk", content=body, headers=headers).json()["items"]
        statuses = [item["create"]["status"] for item in items]
        if statuses != [201, 409 if same else 201] and pair not in ODD:
            differing.append((pair, items))
    assert differing == []


def test_points_that_the_index_takes_for_one_are_refused_by_name_before_they_are_sent(engine: Engine) -> None:
    dimensions = {"k": {"type": "keyword", **DIMENSION}, "d": {"type": "double", **DIMENSION}}
    properties: dict[str, Any] = {"name": {"type": "keyword", **DIMENSION}, "attributes": {"properties": dimensions}}
    settings = {**ROUTED, "index.routing_path": ["name"]}
    body = {"settings": settings, "mappings": {"properties": properties}}
    assert engine.http.put(f"/{engine.index}", json=body).status_code == 200
    given = [
        {"k": 1},
        {"k": "1"},
        {"k": "a", "host": "x"},
        {"k": "a", "host": "y"},
        {"d": 1.2},
        {"d": 1.7},
        {"k": ""},
        {},
    ]
    time = int(NOW.timestamp()) * 1_000_000_000
    points = [NumberDataPoint(attributes, 0, time, float(number)) for number, attributes in enumerate(given)]
    exporter = engine.exporter()
    receipt = exporter.deliver(collection(Metric("level", "", "", Gauge(points))))
    exporter.shutdown(0)
    assert (receipt.delivered, receipt.rejected, receipt.unconfirmed) == (5, 3, 0), receipt
    assert {(reason.code, reason.fate) for reason in receipt.reasons} == {("es.write.tsdb-collision", Fate.REJECTED)}
    engine.http.post(f"/{engine.index}/_refresh")
    assert engine.http.get(f"/{engine.index}/_count").json()["count"] == 5
