"""Random faults, restarts and crashes over exporters with a spool: the file's counts are what the backend has.

`MAGICTEL_SPOOL_SEEDS=1000` tries as many; 100 by default. A crash is an exporter that nobody shuts down, and whose lock is released as the
kernel does; `test_spool_kill` kills processes.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.sandbox.datadog import DatadogEmulator
from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.faults import Fault, Faults
from magictel.sandbox.newrelic import NewRelicEmulator
from magictel.sandbox.otlp import OtlpEmulator
from magictel.sandbox.prometheus_remote_write import PrometheusRemoteWriteEmulator
from magictel.sandbox.server import Server
from tests.delivery.points import collection
from tests.delivery.spools import counts
from tests.delivery.test_ledger_property import Hurrying

SEEDS = int(os.environ.get("MAGICTEL_SPOOL_SEEDS", "100"))
_COLLECTIONS = 8


class Backend(NamedTuple):
    """An exporter, its emulator, the prefix of its variables, and the numbers that the emulator stores."""

    exporter: Callable[..., Any]
    emulator: Callable[..., Any]
    prefix: str
    stored: Callable[[Any], Counter[int]]


def _labels(emulator: Any) -> Counter[int]:
    """From labels, of which each number has a series of its own."""
    return Counter(
        int(match[1]) for labels in emulator.store.series if (match := re.search(r"'n', '(\d+)'", str(labels)))
    )


BACKENDS = [
    Backend(
        ElasticsearchExporter, ElasticsearchEmulator, "ELASTICSEARCH",
        lambda emulator: Counter(document["attributes"]["n"] for document in emulator.documents()),
    ),
    Backend(
        NewRelicExporter, NewRelicEmulator, "NEW_RELIC",
        lambda emulator: Counter(int(metric.attributes["n"]) for metric in emulator.metrics),
    ),
    Backend(
        DatadogExporter, DatadogEmulator, "DATADOG",
        lambda emulator: Counter(int(tag[2:]) for _, tags, *_ in emulator._stored for tag in tags if tag.startswith("n:")),
    ),
    Backend(OtlpExporter, OtlpEmulator, "OTLP", _labels),
    Backend(PrometheusRemoteWriteExporter, PrometheusRemoteWriteEmulator, "PROMETHEUS_REMOTE_WRITE", _labels),
]  # fmt: skip


PROTOBUF = (DatadogEmulator, OtlpEmulator, PrometheusRemoteWriteEmulator)
"""Requests one at a time: protobuf's C library has crashed once when two threads of the emulator used it."""


def _step(dice: random.Random) -> Fault:
    kind = dice.choice(("status", "status", "status", "reset", "reset-after", "close", "truncated", "too-large", "ok"))
    if kind == "status":
        status = dice.choice((400, 401, 429, 429, 500, 502, 503, 503, 504))
        return Fault("status", dice.randint(1, 3), status=status, retry_after=dice.choice((None, "0", "9")))
    return Fault(kind)  # type: ignore[arg-type] # one of the above


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_point_is_delivered_rejected_kept_or_counted_as_dropped(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    exporter_class, emulated, prefix, stored = BACKENDS[seed % len(BACKENDS)]
    clock = Hurrying()
    emulator = emulated(clock=clock)
    file = tmp_path / "seeded.spool"
    with Server(emulator, faults=Faults([_step(dice) for _ in range(dice.randint(1, 12))])).start() as server:
        options = {
            "SPOOL": str(tmp_path), "RETRY_BUDGET": "30ms", "BACKOFF_INITIAL": "2ms", "BACKOFF_MAX": "8ms", "TIMEOUT": "2s",
            "BREAKER_FAILURES": dice.choice(("2", "50")), "MAX_BATCH_POINTS": str(dice.randint(1, 9)),
            "IN_FLIGHT": "1" if emulated in PROTOBUF else dice.choice(("1", "3")), "SPOOL_BYTES": dice.choice(("6KB", "256MiB", "256MiB")),
        }  # fmt: skip
        variables = {
            **emulator.environment(server.origin),
            **{f"{prefix}_{key}": text for key, text in options.items()},
        }

        def process() -> Any:
            exporter = exporter_class(environment=variables, target="seeded", clock=clock)
            assert exporter.unusable is None, exporter.unusable
            return exporter

        exporter, sent = process(), 0
        for _ in range(_COLLECTIONS):
            size = dice.randint(1, 12)
            exporter.export(collection(range(sent, sent + 3 * size, 3), int(clock.now() * 1e9)), timeout_millis=3_000)
            sent += 3 * size
            assert exporter.ledger.balanced
            counts(file)
            clock.ahead += 61.0
            end = dice.choice(("nothing", "nothing", "shutdown", "crash"))
            if end == "shutdown":
                exporter.shutdown(2_000)
                assert exporter.ledger.balanced
            elif end == "crash":
                exporter._pipeline.outbox._owner.release()
                exporter._pid = -1  # nothing is done at its end
            if end != "nothing":
                exporter = process()
        server.faults = Faults([])
        for _ in range(30):
            if exporter.force_flush(5_000):
                break
            clock.ahead += 61.0
        exporter.shutdown(2_000)
        assert exporter.ledger.balanced
        assert server.settle(100)
        fates, seen = counts(file), stored(emulator)
    delivered, given_up = fates.get("delivered", 0), fates.get("dropped", 0) + fates.get("rejected", 0)
    assert fates["kept"] == 0
    assert delivered <= len(seen), "what counts as delivered is there"
    if (
        options["SPOOL_BYTES"] == "256MiB"
    ):  # otherwise some points were sent from memory, and the file does not count them
        assert fates["sent"] == sent // 3
        assert len(seen) <= delivered + fates.get("unconfirmed", 0) + given_up
        assert seen.total() - len(seen) <= fates.get("repeated", 0)
