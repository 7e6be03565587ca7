"""Faults of a whole cluster, provoked on nodes of this file's own so that whoever writes to the shared ones is not disturbed.

Delivery's ledger, the engine's own count, `diagnose` of the engine's own reply and `check` must agree; the faults of one index are in
test_provoked_faults.py.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from magictel.sandbox.server import Server
from tests.emulators.elasticsearch.emulator import SearchEmulator
from tests.exporters.elasticsearch.collections_of_points import collection, gauge
from tests.exporters.elasticsearch.engines import Engine
from tests.real.provoking import Seen, put, seen

SCRIPT = Path(__file__).parents[3] / "shared" / "real" / "start_search.sh"
ENGINES = ("es8", "os2")
pytestmark = [pytest.mark.real, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    if not SCRIPT.exists():
        pytest.skip("faults of a whole cluster need nodes of their own: no ../shared/real/start_search.sh here")
    folder = tmp_path_factory.mktemp("nodes")
    wanted = folder / "env"
    command = ["bash", str(SCRIPT), "--with", ",".join(ENGINES), "-E", "http.max_content_length=256kb"]
    with (folder / "log").open("w+") as log:
        running = subprocess.Popen(
            [*command, "--env-file", str(wanted), "--for", "600"], stdout=log, stderr=log, start_new_session=True
        )
        try:
            until = time.monotonic() + 300
            while not wanted.exists() and running.poll() is None and time.monotonic() < until:
                time.sleep(0.2)
            text = wanted.read_text() if wanted.exists() else ""
            addresses = {name.lower(): url for name, url in re.findall(r"MT_(ES8|OS2)_URL='?([^'\s]+)", text)}
            if not addresses:
                log.seek(0)
                pytest.skip(f"no node of our own came up: {log.read()[-400:]}")
            yield addresses
        finally:
            running.terminate()
            try:
                running.wait(30)
            except subprocess.TimeoutExpired:  # it fetches jars, and ends when its child has ended
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, nodes: Mapping[str, str]) -> Iterator[Engine]:
    if request.param not in nodes:
        pytest.skip(f"{request.param} did not come up")
    engine = Engine(request.param, nodes[request.param], f"p-{uuid.uuid4().hex[:10]}")
    engine.make()
    yield engine
    engine.http.delete(f"/{engine.index}")
    engine.close()


def seen_under(engine: Engine, folder: Path, settings: Mapping[str, Any], points: int = 3, wait: str = "") -> Seen:
    """What is seen while the cluster has these settings, and, with `wait`, an index that shows this."""

    def provoke() -> None:
        if settings:  # the engines refuse an empty change
            put(engine, "/_cluster/settings", {"transient": settings})
        for _ in range(120 if wait else 0):
            if wait in engine.http.get(f"/{engine.index}/_settings").text:
                return
            time.sleep(0.5)
        assert not wait, "the engine did nothing for a minute"

    def mend() -> None:
        if settings:
            put(engine, "/_cluster/settings", {"transient": dict.fromkeys(settings)})

    return seen(engine, folder, points, provoke=provoke, mend=mend)


@pytest.mark.parametrize(
    ("setting", "code", "verdict"),
    [
        ({"cluster.blocks.read_only": True}, "es.write.blocked", ["throttled", "slow"]),
        ({"cluster.blocks.read_only_allow_delete": True}, "es.write.blocked", ["throttled", "slow"]),
        ({"indices.breaker.total.limit": "1kb"}, "es.write.breaker", ["throttled", "backoff"]),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_a_clusters_fault_has_one_code_on_every_road(
    engine: Engine, tmp_path: Path, setting: Mapping[str, Any], code: str, verdict: list[str]
) -> None:
    what = seen_under(engine, tmp_path, setting)
    assert what.receipt.balanced
    assert (what.receipt.sent, what.receipt.dropped, what.receipt.delivered, what.stored) == (3, 3, 0, 0)
    assert (what.codes, what.diagnosis["code"]) == ((code,), code)
    assert [what.diagnosis[key] for key in ("outcome", "retry")] == verdict
    assert code in what.checked


@pytest.mark.parametrize("name", ["read_only", "read_only_allow_delete"])
def test_the_emulator_refuses_as_the_engine_does(engine: Engine, name: str) -> None:
    block = f"cluster.blocks.{name}"
    kind = "opensearch" if engine.name.startswith("o") else "elasticsearch"
    answers = []
    with Server(SearchEmulator(kind)) as server:
        emulated = Engine(engine.name, server.origin, engine.index)
        for node in (engine, emulated):
            put(node, "/_cluster/settings", {"persistent": {block: True}})
            try:
                shown = node.http.get("/_cluster/settings?filter_path=*.cluster.blocks").json()
                reply = node.http.post(
                    f"/{node.index}/_bulk",
                    content='{"create":{}}\n{"a":1}\n',
                    headers={"Content-Type": "application/x-ndjson"},
                )
            finally:
                put(node, "/_cluster/settings", {"persistent": {block: None}})
            answers.append((reply.status_code, reply.json(), shown))
        emulated.close()
    assert answers[0] == answers[1]


def test_requests_in_flight_over_their_limit(engine: Engine, tmp_path: Path) -> None:
    """`check` sends nothing as large as this batch: only the roads that saw the answer can tell."""
    what = seen_under(engine, tmp_path, {"network.breaker.inflight_requests.limit": "1kb"}, points=30)
    assert what.receipt.balanced
    assert (what.receipt.dropped, what.stored) == (30, 0)
    assert (what.codes, what.diagnosis["code"]) == (("es.write.breaker",), "es.write.breaker")
    assert [what.diagnosis[key] for key in ("outcome", "retry")] == ["throttled", "backoff"]
    assert what.checked <= {"es.mapping.unprepared"}


def test_a_single_point_over_the_largest_request_is_rejected_and_its_neighbours_arrive(
    engine: Engine, tmp_path: Path
) -> None:
    large = gauge(1.5, attributes={f"long_{number}": "x" * 1000 for number in range(300)}, name="large")
    points = collection(gauge(0.5, name="before"), large, gauge(2.5, name="behind"))
    what = seen(engine, tmp_path, points, provoke=lambda: None, mend=lambda: None)
    assert what.receipt.balanced
    assert (what.receipt.delivered, what.receipt.rejected, what.stored) == (2, 1, 2)
    assert what.codes == ("es.write.too-large",)
    assert [what.diagnosis[key] for key in ("outcome", "code", "retry")] == ["too-large", "es.write.too-large", "split"]
    assert what.checked <= {"es.mapping.unprepared"}


def test_a_request_over_the_largest_is_split_until_it_fits(engine: Engine, tmp_path: Path) -> None:
    what = seen_under(engine, tmp_path, {}, points=1200)
    assert what.receipt.balanced
    assert (what.receipt.delivered, what.stored) == (1200, 1200)
    assert what.codes == ()
    assert [what.diagnosis[key] for key in ("outcome", "code", "retry")] == ["too-large", "es.write.too-large", "split"]
    assert what.checked <= {"es.mapping.unprepared"}


@pytest.mark.skipif(not os.environ.get("MAGICTEL_WATERMARK"), reason="20 s an engine; MAGICTEL_WATERMARK=1 runs it")
def test_a_disk_over_the_engines_own_flood_stage(engine: Engine, tmp_path: Path) -> None:
    disk = "cluster.routing.allocation.disk."
    levels = {f"{disk}watermark.{level}": "1%" for level in ("low", "high", "flood_stage")}
    try:
        what = seen_under(engine, tmp_path, {f"{disk}threshold_enabled": True, **levels}, wait="read_only_allow_delete")
    finally:
        if engine.name == "os2":  # it then refuses new indices, by a block of its own
            put(engine, "/_cluster/settings", {"persistent": {"cluster.blocks.create_index": None}})
    assert what.receipt.balanced
    assert (what.receipt.dropped, what.stored) == (3, 0)
    assert what.codes == ("es.write.flood-stage",)
    assert [what.diagnosis[key] for key in ("outcome", "code", "retry")] == ["partial", "es.write.flood-stage", "slow"]
    assert "es.write.flood-stage" in what.checked
