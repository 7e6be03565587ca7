"""Run the benchmark and print its tables: `python -m tests.benchmarks.run [--points 100000] [--quick] [--markdown] [--only small]`.

Each row compares magictel with a named peer: same data, same sink, same process, one run. Ratios carry over to other machines,
absolute figures do not.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version

from tests.benchmarks import tables
from tests.benchmarks.sink import sink
from tests.benchmarks.tables import Table

_PEERS = (
    "elasticsearch9",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry-exporter-prometheus",
    "opentelemetry-exporter-prometheus-remote-write",
    "datadog-api-client",
    "newrelic-telemetry-sdk",
    "datadog",
    "ddsketch",
)
_PARTS = ("elasticsearch", "remote-write", "otlp", "vendors", "page", "small", "gateway", "memory", "start-up")


def main() -> int:
    """Run what was asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--points", type=int, default=100_000, help="points of a large export (default 100000)")
    options.add_argument("--quick", action="store_true", help="20 000 points, no start-up instructions")
    options.add_argument("--markdown", action="store_true", help="print Markdown")
    options.add_argument("--only", choices=_PARTS, action="append", help="one part, repeatable (default: all)")
    chosen = options.parse_args()
    parts = chosen.only or [part for part in _PARTS if not (chosen.quick and part == "start-up")]
    peers = ", ".join(f"{name} {version(name)}" for name in _PEERS)
    print(f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.machine()}, {_cpu()}; {peers}")
    with sink() as port:
        for part in parts:
            for table in _tables(part, port, 20_000 if chosen.quick else chosen.points):
                _show(table, markdown=chosen.markdown)
    return 0


def _tables(part: str, port: int, points: int) -> Iterator[Table]:
    match part:
        case "elasticsearch":
            return tables.elasticsearch(port, points)
        case "remote-write":
            return tables.remote_write(port, points)
        case "page":
            return tables.page(points)
        case "otlp":
            return tables.otlp(port, points)
        case "vendors":
            return tables.vendors_clients(port, points)
        case "small":
            return tables.small(port)
        case "gateway":
            return tables.gateway()
        case "memory":
            return tables.memory(port, points)
    return tables.start_up()


def _show(table: Table, *, markdown: bool) -> None:
    ours = table.rows[0][1]
    if markdown:
        print(f"\n| {table.title} | {table.unit} |{' times ours |' if table.multiples else ''}")
        print(f"|---|---:|{'---:|' if table.multiples else ''}")
    else:
        print(f"\n{table.title} ({table.unit})")
    for number, (name, figure) in enumerate(table.rows):
        shown = f"{figure:.0f}" if figure >= 1000 else f"{figure:.3g}"
        multiple = f"{figure / ours:.1f}" if table.multiples and number else ""
        if markdown:
            print(f"| {name} | {shown} |{f' {multiple} |' if table.multiples else ''}")
        else:
            print(f"  {name:<58}{shown:>8}{f'{multiple:>9} x' if multiple else ''}".rstrip())
    sys.stdout.flush()


def _cpu() -> str:
    """The processor's name, where the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:  # noqa: PTH123 # one line of many
            return next(line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    sys.exit(main())
