"""What a fault on a real engine looks like by every road: the ledger, the engine's own count, `diagnose` of its own reply, `check`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData

from magictel.diagnose.diagnosis import STANDS_WITH
from magictel.http.wire import Reply, Request, Transport
from magictel.model.finding import Status
from magictel.model.outcome import Receipt
from tests.cli.running import magictel
from tests.exporters.elasticsearch.collections_of_points import collection, gauge
from tests.exporters.elasticsearch.engines import Engine, checked


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

    receipt: Receipt
    codes: tuple[str, ...]
    diagnosis: Mapping[str, Any]
    checked: frozenset[str | None]
    stored: int


def put(engine: Engine, path: str, body: Mapping[str, Any]) -> None:
    """A change of the engine's settings."""
    reply = engine.http.put(path, json=body)
    assert reply.status_code == 200, reply.text


def seen(
    engine: Engine,
    folder: Path,
    points: int | MetricsData = 3,
    *,
    provoke: Callable[[], None],
    mend: Callable[[], None],
) -> Seen:
    """Deliver (gauges, so many, or what is given), diagnose and check while the fault stands; count when it is taken back."""
    data = collection(gauge(*[number + 0.5 for number in range(points)])) if isinstance(points, int) else points
    recorders: list[Recording] = []

    def wrap(inner: Transport) -> Recording:
        recorders.append(Recording(inner))
        return recorders[-1]

    try:
        provoke()
        exporter = engine.job(wrap, compression="none").build()
        receipt = exporter.deliver(data, seconds=3)
        exporter.shutdown(0)
        rungs = checked(engine.job(compression="none")).rungs
    finally:
        mend()
    replies = [reply for recorder in recorders for reply in recorder.replies]
    refused = next(reply for reply in replies if not reply.ok or b'"errors":true' in reply.body)
    check_codes = frozenset(rung.code for rung in rungs if rung.outcome in (Status.FAIL, Status.WARN))
    engine.http.post(f"/{engine.index}/_refresh")
    stored = engine.http.get(f"/{engine.index}/_count").json()["count"]
    codes = tuple(reason.code for reason in receipt.reasons)
    return Seen(receipt, codes, diagnosed(engine, folder, refused), check_codes, stored)


def diagnosed(engine: Engine, folder: Path, reply: Reply) -> Mapping[str, Any]:
    """What `diagnose` makes of the engine's own words."""
    body = folder / "body"
    body.write_bytes(reply.body)
    headers = [word for name, value in reply.headers.items() for word in ("--header", f"{name}: {value}")]
    given = ["--status", str(reply.status), *headers, "--body", str(body), "--format", "json"]
    name = "opensearch" if engine.name.startswith("o") else "elasticsearch"
    document: Mapping[str, Any] = magictel("diagnose", name, *given, folder=folder).document
    assert document["outcome"] in STANDS_WITH[document["retry"]], document
    return document
