"""Faults provoked on the real engines: the ledger, the engine's own count, `diagnose` of its own reply, and `check` agree.

Those that strike the whole cluster would disturb the tests beside; they run where MAGICTEL_CLUSTER_FAULTS says so, and 413 where
the engine's limit is low: `MAGICTEL_CLUSTER_FAULTS=1 bash ../shared/real/start_search.sh --with es8,os2 -E http.max_content_length=256kb
-- python -m pytest -m real tests/real/test_provoked_faults.py`.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from magictel.finding import Held
from magictel.wire import Reply, Request
from tests.cli.running import magictel
from tests.exporters.elasticsearch.collections_of_points import collection, gauge
from tests.exporters.elasticsearch.engines import Engine, checked

HOW = (
    "bash ../shared/real/start_search.sh --with es8,os2 -- python -m pytest -m real tests/real/test_provoked_faults.py"
)
pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]
ENGINES = {"es7": "MT_ES7_URL", "es8": "MT_ES8_URL", "es9": "MT_ES9_URL", "os2": "MT_OS2_URL", "os3": "MT_OS3_URL"}
DISK = "cluster.routing.allocation.disk."
WATERMARKS = {DISK + "threshold_enabled": True} | {
    f"{DISK}watermark.{one}": "1%" for one in ("low", "high", "flood_stage")
}


@dataclass(frozen=True)
class Fault:
    """How it is provoked, and what delivery (code, fate, its share of the points), `diagnose` and `check` must say."""

    code: str
    fate: str
    outcome: str
    retry: str
    check: str | None
    mappings: dict[str, Any] | None = None
    index: dict[str, Any] | None = None
    cluster: dict[str, Any] | None = None
    points: int = 3


FAULTS = {
    "index.blocks.write": Fault(
        "es.write.blocked", "dropped", "partial", "slow", "es.write.blocked", index={"index.blocks.write": True}
    ),
    "index.blocks.read_only": Fault(
        "es.write.blocked", "dropped", "partial", "slow", "es.write.blocked", index={"index.blocks.read_only": True}
    ),
    "index.blocks.read_only_allow_delete": Fault(
        "es.write.flood-stage",
        "dropped",
        "partial",
        "slow",
        "es.write.flood-stage",
        index={"index.blocks.read_only_allow_delete": True},
    ),
    "ip mapping": Fault(
        "es.write.mapping-type",
        "rejected",
        "partial",
        "no",
        "es.write.mapping-type",
        mappings={"properties": {"value_double": {"type": "ip"}}},
    ),
    "cluster.blocks.read_only": Fault(
        "es.write.blocked",
        "dropped",
        "throttled",
        "slow",
        "es.write.blocked",
        cluster={"cluster.blocks.read_only": True},
    ),
    "parent breaker": Fault(
        "es.write.breaker",
        "dropped",
        "throttled",
        "backoff",
        None,
        cluster={"indices.breaker.total.limit": "1kb"},
        points=30,
    ),
    "in-flight breaker": Fault(
        "es.write.breaker",
        "dropped",
        "throttled",
        "backoff",
        None,
        cluster={"network.breaker.inflight_requests.limit": "1kb"},
        points=30,
    ),
    "flood-stage watermark": Fault(
        "es.write.flood-stage", "dropped", "partial", "slow", "es.write.flood-stage", cluster=WATERMARKS
    ),
}


class Recording:
    """A transport that keeps the replies to bulk requests."""

    def __init__(self, inner: Any, replies: list[Reply]) -> None:
        self.inner, self.replies = inner, replies

    def send(self, request: Request, timeout: Any) -> Reply:
        reply: Reply = self.inner.send(request, timeout)
        if "/_bulk?" in request.url:
            self.replies.append(reply)
        return reply

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    url = os.environ.get(ENGINES[request.param])
    if not url:
        pytest.skip(f"{ENGINES[request.param]} is not set; {HOW}")
    one = Engine(request.param, url, f"provoked-{uuid.uuid4().hex[:10]}")
    yield one
    one.http.delete(f"/{one.index}")
    one.close()


def _set(engine: Engine, path: str, body: dict[str, Any]) -> None:
    reply = engine.http.put(path, json=body)
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("name", FAULTS)
def test_a_provoked_fault_is_named_alike_by_delivery_diagnose_and_check(
    name: str, engine: Engine, tmp_path: Path
) -> None:
    fault = FAULTS[name]
    if fault.cluster and not os.environ.get("MAGICTEL_CLUSTER_FAULTS"):
        pytest.skip(f"it strikes the whole cluster: MAGICTEL_CLUSTER_FAULTS=1 {HOW}")
    engine.make(fault.mappings)
    replies: list[Reply] = []
    exporter = engine.job(lambda inner: Recording(inner, replies), compression="none").build()
    try:
        if fault.index:
            _set(engine, f"/{engine.index}/_settings", fault.index)
        if fault.cluster:
            _set(engine, "/_cluster/settings", {"transient": fault.cluster})
        if name == "flood-stage watermark":
            _wait_for_the_block(engine)
        receipt = exporter.deliver(collection(gauge(*[k + 0.5 for k in range(fault.points)])), seconds=4)
        climbed = checked(engine.job())
    finally:
        exporter.shutdown(0)
        if fault.cluster:
            _set(engine, "/_cluster/settings", {"transient": dict.fromkeys(fault.cluster)})
        if fault.cluster is WATERMARKS and engine.name == "os2":  # it then refuses new indices, by a block of its own
            _set(engine, "/_cluster/settings", {"persistent": {"cluster.blocks.create_index": None}})
        if fault.index:
            _set(engine, f"/{engine.index}/_settings", dict.fromkeys(fault.index))
    engine.http.post(f"/{engine.index}/_refresh")
    assert receipt.balanced
    assert engine.http.get(f"/{engine.index}/_count").json()["count"] == receipt.delivered == 0
    assert [(one.code, one.count, str(one.fate)) for one in receipt.reasons] == [(fault.code, fault.points, fault.fate)]
    codes = {finding.code for finding in climbed.rungs if finding.outcome in (Held.FAIL, Held.WARN)}
    assert fault.check is None or fault.check in codes
    reply = replies[-1]
    body = tmp_path / "reply"
    body.write_bytes(reply.body)
    words = [word for key, value in reply.headers.items() for word in ("--header", f"{key}: {value}")]
    kind = "opensearch" if engine.name.startswith("os") else "elasticsearch"
    told = magictel(
        "diagnose",
        kind,
        "--status",
        str(reply.status),
        *words,
        "--body",
        str(body),
        "--format",
        "json",
        folder=tmp_path,
    ).document
    assert (told["code"], told["outcome"], told["retry"]) == (fault.code, fault.outcome, fault.retry)


def test_a_request_beyond_the_engines_limit_is_split_and_arrives(engine: Engine) -> None:
    engine.make()
    replies: list[Reply] = []
    exporter = engine.job(lambda inner: Recording(inner, replies), compression="none", max_batch_points=10_000).build()
    try:
        receipt = exporter.deliver(collection(gauge(*[k + 0.5 for k in range(2000)])), seconds=30)
    finally:
        exporter.shutdown(0)
    engine.http.post(f"/{engine.index}/_refresh")
    assert engine.http.get(f"/{engine.index}/_count").json()["count"] == receipt.delivered == 2000
    if replies[0].status != 413:
        pytest.skip("this engine's http.max_content_length is larger than the request")


def _wait_for_the_block(engine: Engine) -> None:
    for _ in range(80):
        if "read_only_allow_delete" in engine.http.get(f"/{engine.index}/_settings").text:
            return
        time.sleep(0.5)
    pytest.fail("no block after 40 s")
