"""Run every benchmark and print ratios: `python -m tests.benchmarks.run [--points 100000] [--quick]`.

Each row compares magictel with a named peer: same data, same sink, same process, one run. Ratios carry over to other
machines, absolute figures do not.
"""

from __future__ import annotations

import argparse
import socket
import sys

from tests.benchmarks import elasticsearch, remote_write
from tests.benchmarks.measure import instructions
from tests.benchmarks.sink import sink


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--points", type=int, default=100_000, help="points of a large export (default 100000)")
    options.add_argument("--quick", action="store_true", help="20 000 points, no start-up instructions")
    chosen = options.parse_args()
    points = 20_000 if chosen.quick else chosen.points
    with sink() as port:
        for title, rows in (*elasticsearch.tables(port, points), *remote_write.tables(port, points)):
            _table(title, rows)
    if not chosen.quick:
        _startup()
    return 0


def _table(title: str, rows: list[tuple[str, float]]) -> None:
    """The first row is ours; the ratio says how many times more the peer costs."""
    ours = rows[0][1]
    print(f"\n{title}")
    for name, figure in rows:
        ratio = "" if name == rows[0][0] else f"{figure / ours:8.1f} x"
        print(f"  {name:<58}{figure:10.3f}{ratio}")


def _startup() -> None:
    bare = instructions("-c", "pass")
    if bare is None:
        print("\nStart-up: valgrind is not installed, nothing was counted")
        return
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    print("\nStart-up: instructions as multiples of a bare interpreter")
    commands = {
        "list": ["-m", "magictel", "list"],
        "--version": ["-m", "magictel", "--version"],
        "--help": ["-m", "magictel", "--help"],
        "check on a refused port": [
            "-m",
            "magictel",
            "check",
            "elasticsearch",
            "--set",
            f"url=http://127.0.0.1:{port}",
        ],
    }
    for name, command in commands.items():
        counted = instructions(*command)
        if counted is not None:
            print(f"  {name:<58}{counted / bare:10.1f}")


if __name__ == "__main__":
    sys.exit(main())
