"""The scrapes of Prometheus' compliance suite for remote-write senders, through `run` to a receiver that decodes with its own classes."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import cramjam
import pytest

from magictel.clock import SystemClock
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.http.wire import Reply, Request
from magictel.model.events import RunFinished
from magictel.operations.run import run
from magictel.operations.scrape import Page
from magictel.operations.target_run import Job
from magictel.sandbox.prometheus_protobuf import WriteRequest
from tests.fake_transport import FakeTransport

CASES = Path(__file__).parents[3] / "shared" / "data" / "prometheus-compliance" / "sender_cases.json"
LEFT_OUT = {"zero_timestamp", "string_deduplication"}
"""A time of 1970 is a line that cannot be sent; of the same series twice in one scrape the second is rejected by name. Both are counted."""
_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*?)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
pytestmark = pytest.mark.skipif(not CASES.exists(), reason=f"the suite's cases are not here: {CASES}")


@cache
def cases() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(CASES.read_text())
    return loaded


def received(text: str, statuses: list[int], scrapes: int = 1) -> tuple[list[Request], RunFinished]:
    """Run until so many scrapes are done, and return the receiver's requests."""
    requests: list[Request] = []

    def receiver(request: Request) -> Reply:
        requests.append(request)
        return Reply(statuses[min(len(requests), len(statuses)) - 1], {}, b"")

    openmetrics = "# {" in text
    body = text.encode() + (b"# EOF\n" if openmetrics else b"")
    kind = "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain; version=0.0.4"
    scraped = FakeTransport(lambda _: Reply(200, {"content-type": kind}, body))
    settings = PrometheusRemoteWriteSettings(
        url="http://receiver/api/v1/write",
        trust_env=False,
        protocol="1.0",
        retry_budget=0.02,
        backoff_initial=0.001,
        shutdown_timeout=0.05,
    )
    job = Job(
        "rw",
        "prometheus-remote-write",
        lambda: PrometheusRemoteWriteExporter(settings, transport=FakeTransport(receiver)),
    )
    events: Any = run([job], Page.at("http://target:8080/metrics"), scraped, 0.001, "test", SystemClock())
    for event in events:
        if isinstance(event, RunFinished):
            return requests, event
        if len(scraped.requests) >= scrapes:
            break
    *_, last = [events.throw(KeyboardInterrupt()), *events]
    assert isinstance(last, RunFinished)
    return requests, last


def series(request: Request) -> list[tuple[dict[str, str], float, int]]:
    """Return labels, value and time of each sample, after the checks that hold for every request."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["content-encoding"] == "snappy"
    assert headers["x-prometheus-remote-write-version"] == "0.1.0"
    message = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(request.body)))
    rows = []
    for item in message.timeseries:
        names = [label.name for label in item.labels]
        assert names == sorted(set(names))
        assert all(label.name and label.value for label in item.labels)
        labels = {label.name: label.value for label in item.labels}
        assert (labels["job"], labels["instance"]) == ("test", "target:8080")
        times = [sample.timestamp for sample in item.samples]
        assert times == sorted(times)
        rows += [(labels, sample.value, sample.timestamp) for sample in item.samples]
    return rows


def written(text: str) -> list[tuple[dict[str, str], float]]:
    """Return the samples of a page, read with a pattern: names, labels and numbers."""
    samples = []
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match and not line.startswith("#"):
            try:
                value = float(match[3])
            except ValueError:
                continue
            labels = {name: value for name, value in _LABEL.findall(match[2] or "") if value}
            if labels.get("le", "+Inf") != "+Inf":
                labels["le"] = repr(float(labels["le"]))  # as Prometheus 3 writes a bound
            samples.append(({"__name__": match[1], **labels}, value))
    return samples


def texts() -> set[str]:
    return {case["scrape"] for case in cases() if case["scrape"] is not None and case["name"] not in LEFT_OUT}


def test_every_sample_of_every_case_arrives_with_its_labels_and_value() -> None:
    compared = 0
    for text in texts():
        requests, done = received(text, [204])
        rows = [row for request in requests for row in series(request)]
        up = 0.0 if text.endswith(" StaleNaN\n") else 1.0  # to Prometheus too, this page is unreadable
        assert {value for labels, value, _ in rows if labels["__name__"] == "up"} == {up}, text
        got = {json.dumps(labels, sort_keys=True): value for labels, value, _ in rows}
        for labels, value in written(text):
            key = json.dumps({**labels, "job": "test", "instance": "target:8080"}, sort_keys=True)
            assert key in got, (text, sorted(got), done.source)
            assert got[key] == value or (math.isnan(value) and math.isnan(got[key])), text
            compared += 1
    assert compared > 120


@pytest.mark.parametrize(
    ("status", "again"),
    [
        (400, False),
        (401, False),
        (404, False),
        (413, False),
        (500, True),
        (502, True),
        (503, True),
        (504, True),
        (429, True),
    ],
)
def test_a_refusal_is_not_repeated_and_an_error_of_the_server_is(status: int, again: bool) -> None:
    requests, _ = received("test_metric 42\n", [status])
    bodies = [request.body for request in requests]
    assert (len(set(bodies)) < len(bodies)) is again
