"""A payload written as bytes and JSON, with its target's fingerprint, is delivered by another process, and by no other target."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magictel.delivery.stored import StoredPayload
from magictel.encoding.payload import Payload, Run
from magictel.errors import SettingsError
from magictel.exporters.elasticsearch import ElasticsearchExporter, ElasticsearchSettings
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.faults import parse_faults
from magictel.sandbox.server import Server
from tests.delivery.points import collection

SEND = """
import json, sys
from pathlib import Path
from magictel.delivery.stored import StoredPayload
from magictel.exporters.elasticsearch import ElasticsearchExporter, ElasticsearchSettings

folder, origin = Path(sys.argv[1]), sys.argv[2]
stored = [
    StoredPayload.read(json.loads(path.read_text()), path.with_suffix(".bin").read_bytes())
    for path in sorted(folder.glob("*.json"))
]
exporter = ElasticsearchExporter(ElasticsearchSettings(url=[origin], index="metrics-a"), target="prod")
receipt = exporter.send_stored(stored)
exporter.shutdown()
print(json.dumps([receipt.sent, receipt.delivered, receipt.attempts]))
"""


@pytest.fixture
def backend() -> Iterator[Server]:
    with Server(ElasticsearchEmulator()).start() as server:
        yield server


def exporter(origin: str, **options: Any) -> ElasticsearchExporter:
    settings = ElasticsearchSettings(url=[origin], index="metrics-a", max_batch_points=4, retry_budget=0.0)
    return ElasticsearchExporter(settings, target="prod", **options)


def test_another_process_delivers_what_waits(backend: Server, tmp_path: Path) -> None:
    backend.faults = parse_faults("503 forever")
    first = exporter(backend.origin)
    first.export(collection(range(10)))
    waiting = first.waiting
    assert sum(stored.payload.points for stored in waiting) == 10
    for number, stored in enumerate(waiting):
        (tmp_path / f"{number}.bin").write_bytes(stored.payload.body)
        (tmp_path / f"{number}.json").write_text(json.dumps(stored.document()))
    first.shutdown(0)
    backend.faults = parse_faults("ok")
    done = subprocess.run(
        [sys.executable, "-c", SEND, str(tmp_path), backend.origin], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    sent, delivered, attempts = json.loads(done.stdout)
    assert (sent, delivered) == (10, 10)
    assert attempts == len(waiting)
    assert isinstance(backend.emulator, ElasticsearchEmulator)
    numbers = sorted(document["attributes"]["n"] for document in backend.emulator.documents())
    assert numbers == list(range(10))


@pytest.mark.parametrize("change", [{"index": "metrics-b"}, {"url": ["http://elsewhere:9200"]}, {"pipeline": "other"}])
def test_a_target_with_other_settings_sends_nothing(change: dict[str, Any]) -> None:
    before = exporter("http://127.0.0.1:1")
    stored = StoredPayload(Payload(b"{}\n{}\n", 1, (6,)), "prod", before.fingerprint(), 0.0, "net.tcp.refused", "")
    values = {"url": ["http://127.0.0.1:1"], "index": "metrics-a", **change}
    other = ElasticsearchExporter(ElasticsearchSettings(**values), target="prod")
    with pytest.raises(SettingsError, match="for other settings"):
        other.send_stored([stored])
    assert other.ledger.sent == 0


def test_how_it_is_delivered_and_by_which_key_is_no_other_target() -> None:
    plain = ElasticsearchExporter(ElasticsearchSettings(url=["http://127.0.0.1:1"], api_key=None))
    tuned = ElasticsearchSettings(url=["http://127.0.0.1:1"], timeout=3.0, compression="none", outbox_points=7)
    assert plain.fingerprint() == ElasticsearchExporter(tuned).fingerprint()


@pytest.mark.parametrize("at", [range(3, 5), (1, 9), ()])
def test_all_of_a_payload_comes_back(at: Any) -> None:
    runs = (Run((b"\x00\xff", b""), 1, 2), Run((b"r",), 1, 3))
    payload = Payload(b"aabbb", 2, (2, 3), attempted=True, route="series", runs=runs, at=at, batch=7)
    stored = StoredPayload(payload, "prod", "f", 12.5, "x.busy", "later")
    document = json.loads(json.dumps(stored.document()))
    assert StoredPayload.read(document, payload.body) == stored


@pytest.mark.parametrize("change", [{"format": 2}, {"id": "00"}, {"runs": []}])
def test_what_does_not_belong_together_is_refused(change: dict[str, Any]) -> None:
    payload = Payload(b"aabbb", 2, (2, 3), runs=(Run((b"r",), 2, 5),))
    document = StoredPayload(payload, "prod", "f", 12.5, "x.busy", "later").document()
    with pytest.raises(ValueError, match=r"format 2|do not match their checksum"):
        StoredPayload.read({**document, **change}, payload.body)
    with pytest.raises(ValueError, match="do not match their checksum"):
        StoredPayload.read(document, replace(payload, body=b"aabbc").body)
