"""The official clients as judges: they must take the emulator for the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import elasticsearch8
import elasticsearch8.helpers
import elasticsearch9
import elasticsearch9.helpers
import opensearchpy
import opensearchpy.helpers
import pytest

from magictel.sandbox.server import Server
from tests.emulators.elasticsearch import SearchEmulator

CLIENTS: dict[str, tuple[Any, Any]] = {
    "elasticsearch-py 8": (elasticsearch8.Elasticsearch, elasticsearch8.helpers),
    "elasticsearch-py 9": (elasticsearch9.Elasticsearch, elasticsearch9.helpers),
    "opensearch-py": (opensearchpy.OpenSearch, opensearchpy.helpers),
}
PAIRS = [
    ("elasticsearch-py 8", "elasticsearch", "7.17.29"),
    ("elasticsearch-py 8", "elasticsearch", "8.19.0"),
    ("elasticsearch-py 8", "elasticsearch", "9.2.0"),
    ("elasticsearch-py 9", "elasticsearch", "9.2.0"),
    ("opensearch-py", "opensearch", "2.19.4"),
    ("opensearch-py", "opensearch", "3.3.0"),
    ("opensearch-py", "elasticsearch", "8.19.0"),
]
ACTIONS = [
    {"_op_type": "create", "_index": "made", "_id": str(n), "n": n, "s": f"s{n}", "f": n + 0.5} for n in range(25)
]


@pytest.fixture(params=PAIRS, ids=lambda pair: " ".join(pair))
def talk(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any, SearchEmulator]]:
    name, product, version = request.param
    make, helpers = CLIENTS[name]
    emulator = SearchEmulator(product, version)
    with Server(emulator) as server:
        client = make(server.origin, http_compress=True)
        yield client, helpers, emulator
        client.close()


def test_bulk_search_health_and_create_are_accepted(talk: tuple[Any, Any, SearchEmulator]) -> None:
    client, helpers, emulator = talk
    assert client.indices.create(index="made", body={"mappings": {"properties": {"f": {"type": "double"}}}})[
        "acknowledged"
    ]
    assert helpers.bulk(client, [dict(action) for action in ACTIONS], chunk_size=10, refresh="wait_for") == (25, [])
    reply = client.search(index="made", body={"query": {"term": {"n": 3}}, "docvalue_fields": ["f", "s.keyword"]})
    assert reply["hits"]["total"]["value"] == 1
    assert reply["hits"]["hits"][0]["fields"] == {"f": [3.5], "s.keyword": ["s3"]}
    assert client.cluster.health()["status"] == "yellow"
    assert client.info()["version"]["number"] == emulator.dialect.version
    assert client.count(index="made")["count"] == 25
    assert len(emulator.documents("made")) == 25


def test_a_refused_item_is_reported_as_the_client_reports_it(talk: tuple[Any, Any, SearchEmulator]) -> None:
    client, helpers, _ = talk
    helpers.bulk(client, [{"_op_type": "create", "_index": "made", "_id": "1", "n": 1}])
    _, errors = helpers.bulk(
        client,
        [
            {"_op_type": "create", "_index": "made", "_id": "1", "n": 1},
            {"_op_type": "create", "_index": "made", "n": "x"},
        ],
        raise_on_error=False,
    )
    assert [error["create"]["status"] for error in errors] == [409, 400]


def test_clients_that_do_not_fit_are_refused_as_the_engines_refuse_them() -> None:
    with Server(SearchEmulator("opensearch")) as server:
        client = elasticsearch8.Elasticsearch(server.origin)
        with pytest.raises((elasticsearch8.UnsupportedProductError, elasticsearch8.ApiError)):
            client.info()
        client.close()
    with Server(SearchEmulator("elasticsearch", "8.19.0")) as server:
        newer = elasticsearch9.Elasticsearch(server.origin)
        with pytest.raises(elasticsearch9.BadRequestError, match="media_type_header_exception"):
            newer.info()
        newer.close()
