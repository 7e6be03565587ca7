"""kill -9 at random instructions while a faulty backend replies: every point is delivered, rejected, kept or counted as dropped.

`MAGICTEL_KILLS=200` kills as many processes for each backend; 20 by default.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magictel.sandbox.elasticsearch import ElasticsearchEmulator
from magictel.sandbox.faults import Fault, Faults
from magictel.sandbox.newrelic import NewRelicEmulator
from magictel.sandbox.server import Server
from tests.delivery.nursery import exporter
from tests.delivery.spools import counts

KILLS = int(os.environ.get("MAGICTEL_KILLS", "20"))
SETTINGS = {
    "RETRY_BUDGET": "50ms", "BACKOFF_INITIAL": "2ms", "BACKOFF_MAX": "10ms", "TIMEOUT": "1s", "BREAKER_FAILURES": "1000",
    "MAX_BATCH_POINTS": "10",
}  # fmt: skip


def elasticsearch(emulator: Any) -> Counter[int]:
    return Counter(document["attributes"]["n"] for document in emulator.documents())


def newrelic(emulator: Any) -> Counter[int]:
    return Counter(int(metric.attributes["n"]) for metric in emulator.metrics)


BACKENDS = [
    ("magictel.exporters.elasticsearch:ElasticsearchExporter", ElasticsearchEmulator, "ELASTICSEARCH", elasticsearch),
    ("magictel.exporters.newrelic:NewRelicExporter", NewRelicEmulator, "NEW_RELIC", newrelic),
]


def script(dice: random.Random) -> Faults:
    """Faults after which points are retried; some after the backend has stored them."""
    return Faults([_step(dice) for _ in range(3_000)])


def _step(dice: random.Random) -> Fault:
    kind = dice.choice(("status", "status", "reset", "reset-after", "reset-after", "close", "truncated", "ok", "ok"))
    if kind == "status":
        return Fault("status", status=dice.choice((429, 502, 503, 503)), retry_after="0")
    return Fault(kind)  # type: ignore[arg-type] # one of the above


@pytest.mark.timeout(120 + 20 * KILLS)
@pytest.mark.parametrize(("path", "emulated", "prefix", "stored"), BACKENDS, ids=["elasticsearch", "newrelic"])
def test_no_point_is_lost_unseen(
    tmp_path: Path, path: str, emulated: Callable[[], Any], prefix: str, stored: Callable[[Any], Counter[int]]
) -> None:
    emulator = emulated()
    with Server(emulator, faults=script(random.Random(14))).start() as server:
        variables = {**emulator.environment(server.origin), f"{prefix}_SPOOL": str(tmp_path)}
        variables |= {f"{prefix}_{key}": value for key, value in SETTINGS.items()}
        seeds = [str(seed) for seed in range(KILLS)]
        nursery = subprocess.run(
            [sys.executable, "-m", "tests.delivery.nursery", path, *seeds],
            input=json.dumps(variables), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert nursery.returncode == 0, nursery.stderr
        exported = {n for line in nursery.stdout.splitlines() for n in range(*map(int, line.split()), 3)}
        assert len(nursery.stdout.splitlines()) < (KILLS + 1) * 3, "no process was killed"
        file = tmp_path / "killed.spool"
        before = counts(file)
        server.faults = Faults([])
        last = exporter(path, variables)
        for _ in range(20):
            if last.force_flush(5_000):
                break
        assert last.ledger.balanced
        last.shutdown()
        assert server.settle(100)
        fates, seen = counts(file), stored(emulator)
        assert (fates["kept"], fates.get("dropped", 0), fates.get("rejected", 0)) == (0, 0, 0)
        assert fates["sent"] == before["sent"] == fates["delivered"]
        assert exported <= seen.keys(), "export() had returned for these"
        assert fates["sent"] == len(seen)
        repeated = seen.total() - len(seen)
        assert repeated <= fates.get("repeated", 0)
        if prefix == "ELASTICSEARCH":
            assert repeated == 0, "it can deduplicate"
