"""Answers of every wrong shape to every question that a command asks: a verdict, a finding or a reason each, never a broken command.

A sample of the changes runs here; `MAGICTEL_CHANGES=all` runs every one, a number so many for each backend.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from magictel.diagnose.diagnose import diagnose
from magictel.diagnose.diagnosis import Pasted
from magictel.exporters.elasticsearch import ElasticsearchExporter, OpenSearchExporter
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.model.events import CheckFinished, ReplayFinished, SendFinished, SendResult
from magictel.model.finding import SideEffect
from magictel.operations.check import CheckOptions, check
from magictel.operations.clean import clean
from magictel.operations.prepare import prepare
from magictel.operations.replay import replay
from magictel.operations.replay_reading import ReplayOptions
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from magictel.plugin.exporter import Exporter
from magictel.sandbox.elasticsearch import ElasticsearchEmulator, OpenSearchEmulator
from magictel.sandbox.emulator import Emulator
from magictel.sandbox.prometheus_remote_write import PrometheusRemoteWriteEmulator
from magictel.sources.recording import Recordings
from tests.fake_clock import FakeClock
from tests.wrong_shapes import Change, Changing, changes

Make = Callable[[FakeClock], Emulator]
BACKENDS: dict[str, tuple[type[Exporter[Any]], Make]] = {
    "elasticsearch": (ElasticsearchExporter, lambda clock: ElasticsearchEmulator(clock=clock)),
    "opensearch": (OpenSearchExporter, lambda clock: OpenSearchEmulator(clock=clock)),
    "prometheus-remote-write": (
        PrometheusRemoteWriteExporter,
        lambda clock: PrometheusRemoteWriteEmulator(clock=clock),
    ),
}
AT_ONCE = 40


@pytest.fixture
def port() -> Iterator[int]:
    """Something takes connections, for the rungs below HTTP."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def recording(tmp_path: Path) -> str:
    given = [{"timeUnixNano": str(1_795_000_000_000_000_000 + n * 10**9), "asDouble": n + 0.5} for n in range(3)]
    line = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "shape", "gauge": {"dataPoints": given}}]}]}]}
    (tmp_path / "r.jsonl").write_text(json.dumps(line) + "\n")
    return str(tmp_path / "r.jsonl")


def journey(backend: str, port: int, recording: str, change: Change | None) -> Changing:
    """Everything that asks this backend something: check, prepare, send and read back, replay and verify, clean, diagnose."""
    kind, make = BACKENDS[backend]
    clock = FakeClock()
    transport = Changing(make(clock), change)
    url: Any = f"http://127.0.0.1:{port}" + ("/api/v1/write" if "remote" in backend else "")
    settings = kind.Settings(url=url if "remote" in backend else [url], compression="none", trust_env=False)
    job = Job(backend, backend, lambda: kind(settings, transport=transport, clock=clock))
    everything = frozenset(SideEffect)
    events: list[Any] = [*check([job], CheckOptions(allow=everything), clock)]
    events.append(prepare(job, apply=True))
    events += send([job], SendOptions(within=1.0, deadline=2.0, force=True, run_id="shapes"), clock)
    events.append(clean(job, "shapes", say=lambda *_: None, clock=clock))
    recordings = Recordings((recording,), False, int(clock.now() * 1e9))
    with recordings:
        options = ReplayOptions(shift="keep", verify=True, within=1.0, deadline=2.0, force=True)
        events += replay([job], recordings, options, clock)
    if change is not None:
        exporter = kind(settings, transport=transport, clock=clock)
        for status in (200, 400):
            for during in (None, "auth", "health", "read"):
                events.append(diagnose(exporter, Pasted(status=status, body=change.body, during=during)))  # type: ignore[arg-type]
        exporter.shutdown(0)
    _right(events)
    return transport


def _right(events: list[Any]) -> None:
    assert {CheckFinished, SendFinished, ReplayFinished} <= {type(event) for event in events}
    broken = {code for event in events for code in _codes(event) if code.startswith("internal.")}
    assert not broken, broken
    for event in events:
        for result in getattr(event, "results", ()):
            if isinstance(result, SendResult):
                assert result.receipt.balanced, result


def _codes(value: Any) -> Iterator[str]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            inside = getattr(value, name)
            if name == "code" and isinstance(inside, str):
                yield inside
            else:
                yield from _codes(inside)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _codes(item)


@pytest.mark.parametrize("part", range(AT_ONCE // 10))
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_shape_of_an_answer_breaks_a_command(backend: str, part: int, port: int, recording: str) -> None:
    asked = os.environ.get("MAGICTEL_CHANGES", str(AT_ONCE))  # how much is run
    every = changes(journey(backend, port, recording, None).answers)
    parts = AT_ONCE // 10
    chosen = every if asked == "all" else every[: int(asked)]
    wrong = {}
    for change in chosen[part::parts]:
        try:
            journey(backend, port, recording, change)
        except Exception as failure:  # each is named with its change
            wrong[f"{change.asked}: {change.name}"] = f"{type(failure).__name__}: {failure}"[:300]
    print(f"{backend}: {len(chosen[part::parts])} of {len(every)} changes, {len(wrong)} wrong")
    assert not wrong
