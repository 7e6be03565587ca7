"""The shard of a routing, as `GET /INDEX/_search_shards?routing=` of Elasticsearch 8.19 and OpenSearch 2.19 told it."""

from __future__ import annotations

import pytest

from tests.emulators.elasticsearch.sharding import shard_of

ROUTINGS = ("a", "b", "größe", "東京", "😀x", "a-tenant", "x" * 31)


@pytest.mark.parametrize(
    ("shards", "expected"),
    [(3, [0, 2, 0, 2, 0, 2, 1]), (5, [1, 0, 1, 0, 4, 3, 3]), (7, [4, 6, 5, 0, 6, 1, 4]), (1, [0] * 7)],
)
def test_a_routing_chooses_the_shard_that_the_engine_chooses(shards: int, expected: list[int]) -> None:
    assert [shard_of(routing, shards) for routing in ROUTINGS] == expected
