"""What `magictel replay` costs, beside protobuf's json_format on the same lines: `python -m tests.benchmarks.replay [--megabytes 10 500]`.

CPU and memory are those of the whole command in a process of its own, sending by remote write to a sink that only answers;
json_format is measured over the decoding alone, warm, in turn with the commands: a machine that is shared changes its speed by the
minute. The bare command is `magictel replay` of one point: its CPU seconds are taken off, run by run in pairs (the ratio with the whole
command's, start and all, stands behind). Every figure is the mean of the middle third of its rounds (of memory, the largest); small
recordings, whose cost hides in what a start varies by, have more rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

_METRICS, _SERIES = 10, 100
_SAMPLE = 8
"""Lines that json_format decodes."""
_ROUNDS, _SMALL_ROUNDS, _SMALL = 3, 25, 50


@dataclass(frozen=True)
class Run:
    """One command: CPU seconds and the largest resident size."""

    cpu: float
    mib: float
    points: int


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, nargs="+", default=[10])
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, sink() as port:
        recording = Path(folder, "one.jsonl")
        recording.write_text(line(0, new=False, metrics=1, series=1))
        for new in (False, True):
            print(f"{'all-new' if new else 'repeating'} attributes")
            for size in chosen.megabytes:
                path = Path(folder, "recording.jsonl")
                write(path, size * 1_000_000, new=new)
                rounds = _ROUNDS if size > _SMALL else _SMALL_ROUNDS
                pairs, references = [], []
                for _ in range(rounds):
                    pairs.append((replay(recording, port), replay(path, port)))
                    references.append(json_format(new=new))
                reference = middle(references)
                cost = middle([run.cpu - bare.cpu for bare, run in pairs])
                bare_mib = statistics.median(bare.mib for bare, _ in pairs)
                mib = max(run.mib for _, run in pairs)
                points = pairs[0][1].points
                each = cost / points
                whole = middle([run.cpu for _, run in pairs]) / points
                print(
                    f"  {size:4d} MB, {points} points: {each * 1e6:.2f} CPU s per million, {1 / each:,.0f} points per CPU second;"
                    f" json_format {reference * 1e6:.1f}: {reference / each:.1f} x ({reference / whole:.1f} x with the start);"
                    f" {mib:.0f} MiB, {mib - bare_mib:+.0f} above the bare command"
                )
                path.unlink()
    return 0


def middle(values: list[float]) -> float:
    """The mean of the middle third: of three the median."""
    ordered, out = sorted(values), len(values) // 3
    return statistics.mean(ordered[out : len(ordered) - out])


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """A process that takes every POST, and answers anything else as a remote-write path does (405)."""
    receiver, sender = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(sender,), daemon=True)
    process.start()
    try:
        yield receiver.recv()
    finally:
        process.terminate()
        process.join(10)


def _serve(sender: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    sender.send(server.server_address[1])
    server.serve_forever()


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def replay(path: Path, port: int) -> Run:
    """The command itself."""
    url = f"url=http://127.0.0.1:{port}/api/v1/write"
    command = [sys.executable, "-m", "magictel", "replay", str(path), "--to", "prometheus-remote-write", "--set", url]
    with subprocess.Popen([*command, "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        document = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    receipt = document["targets"][0]["receipt"]
    assert receipt["delivered"] == receipt["sent"] == document["source"]["points"], document
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, receipt["sent"])


def json_format(*, new: bool) -> float:
    """CPU seconds a point."""
    lines = [line(number, new=new) for number in range(_SAMPLE)]
    Parse(lines[0], ExportMetricsServiceRequest())
    began = time.process_time()
    for text in lines:
        Parse(text, ExportMetricsServiceRequest())
    return (time.process_time() - began) / (_SAMPLE * _METRICS * _SERIES)


def write(path: Path, size: int, *, new: bool) -> None:
    """A recording of about `size` bytes."""
    with path.open("w") as file:
        number = written = 0
        while written < size:
            written += file.write(line(number, new=new) + "\n")
            number += 1


def line(number: int, *, new: bool, metrics: int = _METRICS, series: int = _SERIES) -> str:
    """One collection: 10 metrics of 100 series, five attributes each."""
    time_ = str(1_700_000_000_000_000_000 + number * 10_000_000_000)
    rows = []
    for metric in range(metrics):
        points = [
            {
                "attributes": _attributes(number * 1000 + serial if new else serial),
                "startTimeUnixNano": "1699999999000000000",
                "timeUnixNano": time_,
                "asDouble": (number * 7 + serial * 3 + metric) / 8,
            }
            for serial in range(series)
        ]
        rows.append({"name": f"bench.metric.{metric}", "unit": "1", "gauge": {"dataPoints": points}})
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "bench"}}]}
    scope = {"scope": {"name": "bench"}, "metrics": rows}
    return json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}, separators=(",", ":"))


def _attributes(number: int) -> list[object]:
    return [
        {"key": "host", "value": {"stringValue": f"host-{number}"}},
        {"key": "zone", "value": {"stringValue": "eu-central-1"}},
        {"key": "path", "value": {"stringValue": f"/api/v1/items/{number % 17}"}},
        {"key": "shard", "value": {"intValue": str(number)}},
        {"key": "ok", "value": {"boolValue": True}},
    ]


if __name__ == "__main__":
    sys.exit(main())
