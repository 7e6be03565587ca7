"""Exporters with the setting `spool`: no secret is on disk, forks are separate, memory and disk are bounded."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictel.encoding.payload import Payload
from magictel.exporters.elasticsearch import ElasticsearchExporter, ElasticsearchSettings
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.prometheus_remote_write.stale import LatestCollection
from magictel.model.outcome import Delivered, Outcome, Unavailable
from magictel.plugin.foreign import ForeignSettings
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.faults import Faults, parse_faults
from magictel.sandbox.newrelic import LICENSE_KEY, NewRelicEmulator
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from magictel.settings.model import ExporterSettings
from tests.delivery.lines import LinesExporter
from tests.delivery.points import collection
from tests.delivery.spools import counts


def refused(payload: Payload, timeout: float) -> Outcome:
    return Unavailable("x.away", "away")


def lines(folder: Path, **options: Any) -> LinesExporter:
    exporter = LinesExporter(ExporterSettings(spool=str(folder), retry_budget=0, breaker_failures=10**6, **options))
    exporter.backend = refused
    return exporter


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(
        ElasticsearchEmulator(), faults=parse_faults("503 body='your s3cret-Header' forever")
    ).start() as server:
        yield server


def test_no_secret_is_on_disk(tmp_path: Path, backend: Server) -> None:
    """Not even one that the backend returns in its error message."""
    settings = ElasticsearchSettings(
        url=[backend.origin.replace("//", "//me:s3cret-Password@")],
        headers={"X-Tenant": Secret("s3cret-Header")},
        spool=str(tmp_path),
        retry_budget=0,
    )
    exporter = ElasticsearchExporter(settings, target="prod")
    exporter.export(collection(range(9)))
    exporter.shutdown(0)
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert b'"latency"' in files["prod.spool"], "the points are there"
    assert b"your ***" in files["prod.spool"], "so is why they wait"
    for name, content in files.items():
        assert b"s3cret-Header" not in content, name
        assert b"s3cret-Password" not in content, name


def test_a_license_key_is_not_on_disk(tmp_path: Path) -> None:
    emulator = NewRelicEmulator()
    with Server(emulator, faults=parse_faults("503 forever")).start() as server:
        variables = emulator.environment(server.origin) | {
            "NEW_RELIC_SPOOL": str(tmp_path),
            "NEW_RELIC_RETRY_BUDGET": "0s",
        }
        exporter = NewRelicExporter(environment=variables)
        exporter.export(collection(range(0, 9, 3), time.time_ns()))
        exporter.shutdown(0)
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"load" in content
    assert LICENSE_KEY.encode() not in content


def test_a_forked_child_has_its_own_points(tmp_path: Path) -> None:
    exporter = lines(tmp_path)
    exporter.export(collection(range(4)))
    file = exporter._pipeline.outbox._file  # type: ignore[attr-defined]
    child = os.fork()
    if not child:
        status = 1
        try:
            assert file._db is None, "SQLite forbids to take a connection through a fork"
            bodies: list[bytes] = []
            exporter.backend = lambda payload, timeout: bodies.append(payload.body) or Delivered()  # type: ignore[func-returns-value]
            exporter.export(collection(range(10, 15)))
            exporter.shutdown()
            status = 0 if exporter.ledger.delivered == 5 and b"".join(bodies).count(b"\n") == 5 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert counts(tmp_path / "lines.spool") == {"sent": 9, "delivered": 5, "kept": 4}
    exporter.backend = lambda payload, timeout: Delivered()
    assert exporter.force_flush()
    exporter.shutdown()
    assert (exporter.ledger.sent, exporter.ledger.delivered, exporter.ledger.balanced) == (4, 4, True)


def test_the_child_of_a_parent_that_ends_sends_what_it_left(tmp_path: Path) -> None:
    exporter = lines(tmp_path)
    exporter.export(collection(range(4)))
    exporter.shutdown(0)
    child = os.fork()
    if not child:
        heir = lines(tmp_path)
        heir.backend = lambda payload, timeout: Delivered()
        heir.force_flush()
        os._exit(0 if heir.ledger.delivered == 4 else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_takes_over_when_its_parent_has_ended(tmp_path: Path) -> None:
    readable, writable = os.pipe()
    ended, alive = os.pipe()
    parent = os.fork()
    if not parent:
        exporter = lines(tmp_path)
        exporter.export(collection(range(4)))
        if os.fork():
            os._exit(0)
        os.close(alive)
        os.read(ended, 1)  # until the parent is gone
        exporter.backend = lambda payload, timeout: Delivered()
        exporter.force_flush()
        os.write(writable, b"%d" % exporter.ledger.delivered)
        os._exit(0)
    os.close(writable)
    os.waitpid(parent, 0)
    os.close(alive)
    assert os.read(readable, 9) == b"4"
    os.close(readable)
    os.close(ended)


def with_bodies() -> list[Payload]:
    """Return the payloads in memory that have their bytes."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Payload) and each.body]


def test_memory_and_disk_are_flat_while_the_backend_is_away(tmp_path: Path) -> None:
    """Counted, not measured: payloads in memory after each export, and the bytes of the files."""
    most = 400_000
    earlier = with_bodies()  # of other tests
    exporter = lines(tmp_path, spool_bytes=most)
    for number in range(60):
        exporter.export(collection(range(number * 1_000, number * 1_000 + 500)))
        if number % 10 == 0:
            assert sum(all(each is not other for other in earlier) for each in with_bodies()) <= 1
            assert exporter.waiting == ()
    ledger = exporter.ledger
    assert (ledger.sent, ledger.balanced) == (30_000, True)
    assert ledger.dropped > 10_000, "the bound was reached"
    fates = counts(tmp_path / "lines.spool")
    assert (fates["kept"], fates["dropped"]) == (ledger.kept, ledger.dropped)
    exporter.shutdown(0)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * most


def test_another_package_s_exporter_takes_no_spool(tmp_path: Path) -> None:
    assert [problem[:2] for problem in ForeignSettings(spool=str(tmp_path)).problems()] == [("spool", "config.value")]
    assert list(ForeignSettings().problems()) == []


def test_series_of_an_earlier_process_are_not_ended() -> None:
    latest = LatestCollection()
    for _ in range(3):
        latest.delivered(Payload(b"", 1))
    assert list(latest.markers(0)) == []


def test_check_and_deliver_leave_the_spool_alone(tmp_path: Path, backend: Server) -> None:
    settings = ElasticsearchSettings(url=[backend.origin], spool=str(tmp_path / "spool"), retry_budget=0)
    exporter = ElasticsearchExporter(settings, target="prod")
    exporter.export(collection(range(3)))
    exporter.shutdown(0)
    backend.faults = Faults([])
    another = ElasticsearchExporter(settings, target="prod")
    assert another.deliver(collection(range(10, 12))).delivered == 2
    another.shutdown()
    assert counts(tmp_path / "spool" / "prod.spool") == {"sent": 3, "kept": 3}
