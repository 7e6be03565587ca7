"""Faults of a whole cluster, provoked on nodes of this file's own so that whoever writes to the shared ones is not disturbed.

Delivery's ledger, the engine's own count, `diagnose` of the engine's own reply and `check` must agree; the faults of one index are in
test_provoked_faults.py.
"""

from __future__ import annotations

import re
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from magictel.finding import Held
from magictel.operations.diagnose import STANDS_WITH
from magictel.wire import Reply, Request, Transport
from tests.cli.running import magictel
from tests.exporters.elasticsearch.collections_of_points import collection, gauge
from tests.exporters.elasticsearch.engines import Engine, checked

SCRIPT = Path(__file__).parents[3] / "shared" / "real" / "start_search.sh"
ENGINES = ("es8", "os2")
pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@dataclass
class Recording:
    """A transport that keeps what answered the writes."""

    inner: Transport
    replies: list[Reply] = field(default_factory=list)

    def send(self, request: Request, timeout: float) -> Reply:
        reply = self.inner.send(request, timeout)
        if "/_bulk?" in request.url:
            self.replies.append(reply)
        return reply

    def close(self) -> None:
        self.inner.close()


@dataclass(frozen=True)
class Seen:
    """What each road said: the ledger and its codes, `diagnose` of the first refusal, `check`'s codes, and the engine's count."""

    receipt: Any
    codes: tuple[str, ...]
    told: Mapping[str, Any]
    found: frozenset[str | None]
    stored: int


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    if not SCRIPT.exists():
        pytest.skip("faults of a whole cluster need nodes of their own: no ../shared/real/start_search.sh here")
    folder = tmp_path_factory.mktemp("nodes")
    wanted = folder / "env"
    command = ["bash", str(SCRIPT), "--with", ",".join(ENGINES), "-E", "http.max_content_length=256kb"]
    with (folder / "log").open("w+") as log:
        running = subprocess.Popen([*command, "--env-file", str(wanted), "--for", "600"], stdout=log, stderr=log)
        try:
            until = time.monotonic() + 100
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
            running.wait(30)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, nodes: Mapping[str, str]) -> Iterator[Engine]:
    if request.param not in nodes:
        pytest.skip(f"{request.param} did not come up")
    made = Engine(request.param, nodes[request.param], f"p-{uuid.uuid4().hex[:10]}")
    made.make()
    yield made
    made.http.delete(f"/{made.index}")
    made.close()


def cluster(engine: Engine, settings: Mapping[str, Any]) -> None:
    if not settings:  # the engines refuse an empty change
        return
    reply = engine.http.put("/_cluster/settings", json={"transient": settings})
    assert reply.status_code == 200, reply.text


def held(engine: Engine, folder: Path, settings: Mapping[str, Any], points: int = 3) -> Seen:
    """Deliver, diagnose and check while the cluster's settings stand; count when they are taken back."""
    recorders: list[Recording] = []

    def wrap(inner: Transport) -> Recording:
        recorders.append(Recording(inner))
        return recorders[-1]

    cluster(engine, settings)
    try:
        exporter = engine.job(wrap, compression="none").build()
        receipt = exporter.deliver(collection(gauge(*[number + 0.5 for number in range(points)])), seconds=3)
        exporter.shutdown(0)
        rungs = checked(engine.job(compression="none")).rungs
    finally:
        cluster(engine, dict.fromkeys(settings))
    refused = next(reply for one in recorders for reply in one.replies if not reply.ok)
    found = frozenset(one.code for one in rungs if one.outcome in (Held.FAIL, Held.WARN))
    engine.http.post(f"/{engine.index}/_refresh")
    stored = engine.http.get(f"/{engine.index}/_count").json()["count"]
    codes = tuple(reason.code for reason in receipt.reasons)
    return Seen(receipt, codes, diagnosed(engine, folder, refused), found, stored)


def diagnosed(engine: Engine, folder: Path, reply: Reply) -> Mapping[str, Any]:
    """What `diagnose` makes of the engine's own words."""
    body = folder / "body"
    body.write_bytes(reply.body)
    headers = [word for name, value in reply.headers.items() for word in ("--header", f"{name}: {value}")]
    given = ["--status", str(reply.status), *headers, "--body", str(body), "--format", "json"]
    name = "opensearch" if engine.name.startswith("o") else "elasticsearch"
    told: Mapping[str, Any] = magictel("diagnose", name, *given, folder=folder).document
    assert told["outcome"] in STANDS_WITH[told["retry"]], told
    return told


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ({"cluster.blocks.read_only": True}, "es.write.blocked"),
        ({"cluster.blocks.read_only_allow_delete": True}, "es.write.blocked"),
        ({"indices.breaker.total.limit": "1kb"}, "es.write.breaker"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_a_clusters_fault_has_one_code_on_every_road(
    engine: Engine, tmp_path: Path, setting: Mapping[str, Any], code: str
) -> None:
    seen = held(engine, tmp_path, setting)
    assert seen.receipt.balanced
    assert (seen.receipt.sent, seen.receipt.dropped, seen.receipt.delivered, seen.stored) == (3, 3, 0, 0)
    assert (seen.codes, seen.told["code"]) == ((code,), code)
    assert code in seen.found


def test_requests_in_flight_over_their_limit(engine: Engine, tmp_path: Path) -> None:
    """`check` sends nothing as large as this batch: only the roads that saw the answer can tell."""
    seen = held(engine, tmp_path, {"network.breaker.inflight_requests.limit": "1kb"}, points=30)
    assert seen.receipt.balanced
    assert (seen.receipt.dropped, seen.stored) == (30, 0)
    assert (seen.codes, seen.told["code"]) == (("es.write.breaker",), "es.write.breaker")


def test_a_request_over_the_largest_is_split_until_it_fits(engine: Engine, tmp_path: Path) -> None:
    seen = held(engine, tmp_path, {}, points=1200)
    assert seen.receipt.balanced
    assert (seen.receipt.delivered, seen.stored) == (1200, 1200)
    assert [seen.told[key] for key in ("outcome", "code", "retry")] == ["too-large", "es.write.too-large", "split"]
