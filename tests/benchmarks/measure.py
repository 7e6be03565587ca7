"""How a row is measured: CPU seconds of this process (all threads), never wall time; instructions of whole commands by valgrind.

The rows of a table take turns, round by round, and each keeps its best round: what else the machine does meets all alike. What is
sent is made before the clock starts (the SDK's own work is nobody's here) and forgotten after it. The garbage collector runs as it
does in an application: it walks over the collection that is being sent.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.data import Data

ROUNDS = 5


@dataclass
class Row:
    """Somebody who sends: `send` takes one collection and raises when not every point of it was taken."""

    name: str
    data: Data
    send: Callable[[Any], object]
    exports: int = 1
    cold: bool = False
    """New attribute objects in every collection, as in another process."""
    collected: int = field(default=0, init=False)

    def collect(self) -> list[Any]:
        """The next collections, made anew."""
        samples = []
        for _ in range(self.exports):
            if self.cold:
                self.data.fresh()
            samples.append(self.data.collect(self.collected))
            self.collected += 1
        return samples

    def seconds(self) -> float:
        """CPU seconds of one round of exports."""
        collections = self.collect()
        gc.collect()
        before = time.process_time()
        for collection in collections:
            self.send(collection)
        return time.process_time() - before


def cpu_per_million(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """CPU seconds for a million points, of each row's best round; the first round warms up and does not count."""
    return [(row.name, best / row.exports / row.data.points * 1e6) for row, best in zip(rows, _best(rows), strict=True)]


def cpu_per_export(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """CPU microseconds for one export."""
    return [(row.name, best / row.exports * 1e6) for row, best in zip(rows, _best(rows), strict=True)]


def _best(rows: Sequence[Row]) -> list[float]:
    rounds = [[row.seconds() for row in rows] for _ in range(ROUNDS + 1)]
    return [min(of_one) for of_one in zip(*rounds[1:], strict=True)]


def transient_mib(work: Callable[[], object]) -> float:
    """MiB that Python allocated at the peak of one call, beyond what it holds between two calls (caches are traced from their making)."""
    tracemalloc.start()
    try:
        work()
        work()
        gc.collect()
        allocated, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        _, peak = tracemalloc.get_traced_memory()
        return (peak - allocated) / 2**20
    finally:
        tracemalloc.stop()


def held_bytes(work: Callable[[], object]) -> int:
    """Bytes that Python holds after a call and did not before: a cache."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        work()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        return after - before
    finally:
        tracemalloc.stop()


def instructions(*command: str) -> int | None:
    """Instructions of a whole Python command, or None where valgrind is not installed."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    environment = {**os.environ, "PYTHONHASHSEED": "0", "NO_COLOR": "1"}
    environment.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # an installed package has its bytecode, and compiling a tree is no start-up
    subprocess.run([sys.executable, *command], capture_output=True, env=environment, timeout=600, check=False)
    ran = subprocess.run(
        [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sys.executable, *command],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=False,
    )
    match = re.search(r"I\s+refs:\s+([\d,]+)", ran.stderr)
    return int(match.group(1).replace(",", "")) if match else None
