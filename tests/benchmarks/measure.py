"""How a row is measured: CPU seconds of this process (all threads), never wall time; instructions of whole commands by valgrind."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable


def cpu_per_million(work: Callable[[], object], points: int, *, repeat: int = 3, warm: int = 1) -> float:
    """CPU seconds for a million points: the best of `repeat` runs after `warm` unmeasured ones."""
    for _ in range(warm):
        work()
    best = float("inf")
    for _ in range(repeat):
        gc.collect()
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    return best / points * 1_000_000


def transient_mib(work: Callable[[], object]) -> float:
    """MiB that Python allocated at the peak of one call, beyond what it holds between two calls (caches are traced from their making)."""
    tracemalloc.start()
    try:
        work()
        work()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        _, peak = tracemalloc.get_traced_memory()
        return (peak - held) / 2**20
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
    """Instructions of a whole command in millions of units of one, or None where valgrind is not installed."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    environment = {**os.environ, "PYTHONHASHSEED": "0", "NO_COLOR": "1"}
    ran = subprocess.run(
        [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sys.executable, *command],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=False,
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", ran.stderr)
    return int(found.group(1).replace(",", "")) if found else None
