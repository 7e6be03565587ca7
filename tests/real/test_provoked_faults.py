"""Faults of one index provoked on the real engines; those of a whole cluster are in test_provoked_cluster.py."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.exporters.elasticsearch.engines import Engine
from tests.real.provoking import put, seen

HOW = (
    "bash ../shared/real/start_search.sh --with es8,os2 -- python -m pytest -m real tests/real/test_provoked_faults.py"
)
pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]
ENGINES = {"es7": "MT_ES7_URL", "es8": "MT_ES8_URL", "es9": "MT_ES9_URL", "os2": "MT_OS2_URL", "os3": "MT_OS3_URL"}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    url = os.environ.get(ENGINES[request.param])
    if not url:
        pytest.skip(f"{ENGINES[request.param]} is not set; {HOW}")
    engine = Engine(request.param, url, f"provoked-{uuid.uuid4().hex[:10]}")
    yield engine
    engine.http.delete(f"/{engine.index}")
    engine.close()


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("write", "es.write.blocked"),
        ("read_only", "es.write.blocked"),
        ("read_only_allow_delete", "es.write.flood-stage"),
    ],
)
def test_a_blocked_index_has_one_code_on_every_road(block: str, code: str, engine: Engine, tmp_path: Path) -> None:
    engine.make()

    def block_is(value: Any) -> None:
        put(engine, f"/{engine.index}/_settings", {f"index.blocks.{block}": value})

    what = seen(engine, tmp_path, provoke=lambda: block_is(True), mend=lambda: block_is(None))
    assert what.receipt.balanced
    assert (what.receipt.sent, what.receipt.dropped, what.receipt.delivered, what.stored) == (3, 3, 0, 0)
    assert [what.diagnosis[key] for key in ("outcome", "code", "retry")] == ["partial", code, "slow"]
    assert what.codes == (code,)
    assert code in what.checked


def test_a_closed_index_has_one_code_on_every_road(engine: Engine, tmp_path: Path) -> None:
    engine.make()

    def now(does: str) -> None:
        assert engine.http.post(f"/{engine.index}/{does}?wait_for_active_shards=1").status_code == 200

    what = seen(engine, tmp_path, provoke=lambda: now("_close"), mend=lambda: now("_open"))
    assert what.receipt.balanced
    assert (what.receipt.sent, what.receipt.dropped, what.receipt.delivered, what.stored) == (3, 3, 0, 0)
    assert [what.diagnosis[key] for key in ("outcome", "code", "retry")] == ["partial", "es.write.index-closed", "slow"]
    assert what.codes == ("es.write.index-closed",)
    assert "es.write.index-closed" in what.checked


REFUSING: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "ip": ({"properties": {"value_double": {"type": "ip"}}}, {}, "es.write.mapping-type", "es.write.mapping-type"),
    "boolean": ({"properties": {"value_double": {"type": "boolean"}}}, {}, *("es.write.mapping-type",) * 2),
    "object": (
        {"properties": {"name": {"properties": {"a": {"type": "keyword"}}}}},
        {},
        *("es.write.mapping-type",) * 2,
    ),
    "format": (
        {"properties": {"@timestamp": {"type": "date", "format": "epoch_millis"}}},
        {},
        "es.write.mapping-type",
        "es.mapping.unprepared",
    ),
    "strict": ({"dynamic": "strict"}, {}, "es.write.mapping-strict", "es.mapping.unprepared"),
    "fields": ({}, {"index.mapping.total_fields.limit": 3}, "es.write.field-limit", "es.mapping.unprepared"),
    "routing": ({"_routing": {"required": True}}, {}, "es.write.refused", "es.mapping.unprepared"),
}
"""Mapping and settings, the code of delivery and diagnosis, and that of `check`, which sees types and asks no index for more than
its fields: where a fault is not a type's it can only say that the index is not prepared."""


@pytest.mark.parametrize("fault", REFUSING)
def test_a_mapping_that_refuses_has_one_code_on_every_road(engine: Engine, tmp_path: Path, fault: str) -> None:
    mapping, settings, code, checked = REFUSING[fault]
    engine.make(mapping, **settings)
    what = seen(engine, tmp_path, provoke=lambda: None, mend=lambda: None)
    assert what.receipt.balanced
    assert (what.receipt.sent, what.receipt.rejected, what.receipt.delivered, what.stored) == (3, 3, 0, 0)
    assert [what.diagnosis[key] for key in ("outcome", "code", "retry")] == ["partial", code, "no"]
    assert what.codes == (code,)
    assert checked in what.checked
