"""The Prometheus emulator by itself: the head's rules with and without a window, by version, and a real client as judge.

That it answers as the real server does, step by step, is `tests/real/test_prometheus_real.py`.
"""

from __future__ import annotations

import base64
import json
import math
import urllib.parse
from collections.abc import Sequence
from typing import Any

import pytest

from magictel.http.wire import Reply, Request
from magictel.sandbox import prometheus_remote_write as sandbox
from magictel.sandbox.emulator import Emulator, Refuses
from magictel.sandbox.prometheus_store import NativeHistogram, RefusedError, Store
from magictel.sandbox.server import Server
from magictel.sandbox.table import make
from tests.emulators.prometheus import PrometheusRemoteWriteEmulator
from tests.fake_clock import FakeClock
from tests.sandbox.prometheus_scenarios import HOUR, MINUTE, SCENARIOS, SECOND, Write, named, single

NOW = 1_764_000_000_000


def emulator(**options: Any) -> PrometheusRemoteWriteEmulator:
    return PrometheusRemoteWriteEmulator(clock=FakeClock(NOW / 1000), **options)


def write(backend: PrometheusRemoteWriteEmulator, step: Write, **headers: str) -> Reply:
    sent = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", **headers}
    return backend.handle(Request("POST", "http://p/api/v1/write", sent, step.bytes("m", NOW)))


def ask(
    backend: PrometheusRemoteWriteEmulator,
    path: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    **given: Any,
) -> Reply:
    return backend.handle(Request(method, f"http://p{path}?{urllib.parse.urlencode(given, doseq=True)}", headers or {}))


def stored(backend: PrometheusRemoteWriteEmulator) -> list[tuple[int, float]]:
    return [(NOW - time, value) for _, time, value in backend.samples()]


REFUSED = {
    # the ages and values of several requests, what the last is answered, by 2.42 and by 3
    "older than the newest of its series": ([(0, 1.0), (SECOND, 2.0)], (400, "out of order sample"), (400, "out of order sample")),
    "another value at one time": (
        [(0, 1.0), (0, 2.0)],
        (400, "duplicate sample for timestamp"),
        (400, f"duplicate sample for timestamp {NOW}; overrides not allowed: existing 1, new value 2"),
    ),
    "three hours old": ([(0, 1.0), (3 * HOUR, 2.0)], (400, "out of bounds"), (400, "out of bounds")),
    "ten minutes ahead": ([(0, 1.0), (-10 * MINUTE, 2.0)], None, None),
    "eleven minutes ahead": ([(0, 1.0), (-11 * MINUTE, 2.0)], None, (400, "out of bounds: timestamp is too far in the future")),
}  # fmt: skip


@pytest.mark.parametrize("version", ["2.42.0", "3.5.0"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_the_head_refuses(version: str, case: str) -> None:
    samples, two, three = REFUSED[case]
    expected = two if version.startswith("2") else three
    backend = emulator(version=version)
    replies = [write(backend, single(sample)) for sample in samples]
    last = replies[-1]
    assert (last.status, last.text.strip()) == (expected or (204, ""))
    assert len(stored(backend)) == (1 if expected else 2)


def test_version_2_is_poisoned_by_one_sample_from_the_future() -> None:
    backend = emulator()
    assert write(backend, single((-24 * HOUR, 1))).status == 204
    refused = write(backend, single((0, 2), labels=named(("other", "sender"))))
    assert (refused.status, refused.text) == (400, "out of bounds\n")


def test_native_histograms_of_one_time_are_compared_by_their_fields() -> None:
    store = Store()
    first, equal, other = (NativeHistogram(1, total, ((-1.0, 0.0, 1),)) for total in (-1.0, -1.0, -2.0))
    assert hash(first) == hash(other), "a hash does not tell them apart"
    store.append([([("__name__", "m")], [(NOW, first)])], NOW)
    store.append([([("__name__", "m")], [(NOW, equal)])], NOW)
    with pytest.raises(RefusedError, match="duplicate sample for timestamp"):
        store.append([([("__name__", "m")], [(NOW, other)])], NOW)


@pytest.mark.parametrize(("window", "stored_ages"), [(0, [0]), (600, [5 * MINUTE, 0])])
def test_out_of_order_samples_need_a_window(window: float, stored_ages: list[int]) -> None:
    backend = emulator(out_of_order_window=window)
    write(backend, single((0, 1)))
    write(backend, single((5 * MINUTE, 2)))
    assert [age for age, _ in stored(backend)] == stored_ages
    if window:
        too_old = write(backend, single((11 * MINUTE, 3)))
        assert (too_old.status, too_old.text) == (500, "too old sample\n")


LABELS: dict[str, tuple[Sequence[tuple[str, str]], int, int]] = {
    # labels, what 2.42 answers, how many samples it stores; 3 answers 204 to all of these and stores none
    "no name": ((("a", "b"),), 204, 1),
    "a label twice": (named(("a", "1"), ("a", "2")), 500, 0),
    "an empty label name": ((("", "x"), *named()), 204, 1),
}


@pytest.mark.parametrize("case", LABELS)
def test_bad_labels_are_refused_by_2_or_stored_and_dropped_in_silence_by_3(case: str) -> None:
    labels, status, kept = LABELS[case]
    old, new = emulator(), emulator(version="3.5.0")
    assert write(old, single((0, 1), labels=tuple(labels))).status == status
    assert len(old.samples()) == kept
    assert write(new, single((0, 1), labels=tuple(labels))).status == 204
    assert (new.samples(), new.store.invalid) == ([], 1)


@pytest.mark.parametrize(
    ("header", "value"),
    [("Content-Encoding", "gzip"), ("Content-Type", "application/json"), ("Content-Encoding", "zstd")],
)
def test_version_3_looks_at_media_types_and_2_does_not(header: str, value: str) -> None:
    assert write(emulator(), single((0, 1)), **{header: value}).status == 204
    assert write(emulator(version="3.5.0"), single((0, 1)), **{header: value}).status == 415


def test_every_scenario_is_answered_without_a_bug() -> None:
    backend = emulator(out_of_order_window=600)
    for steps in SCENARIOS.values():
        for step in steps:
            reply = (
                write(backend, step)
                if isinstance(step, Write)
                else ask(
                    backend,
                    step.path,
                    step.method,
                    **{k: str(v).replace("{m}", "m") for k, v in step.parameters.items()},
                )
            )
            assert reply.status in {200, 204, 400, 404, 405, 500}
            if reply.headers.get("content-type") == "application/json":
                assert json.loads(reply.body)["status"] in {"success", "error"}
            assert reply.headers["date"]


def test_numbers_are_shown_as_prometheus_writes_them() -> None:
    backend = emulator()
    write(backend, single((4, math.nan), (3, math.inf), (2, -0.0), (1, 1e300), (0, 123456789012345680000.0)))
    shown = json.loads(ask(backend, "/api/v1/query", query="m[1m]").body)["data"]["result"][0]["values"]
    assert [text for _, text in shown] == ["NaN", "+Inf", "-0", "1e+300", "123456789012345680000"]


def test_flags_and_admin_can_be_off() -> None:
    backend = emulator(receiver=False, admin=False, ready=False)
    assert write(backend, single((0, 1))).status == 404
    assert ask(backend, "/api/v1/admin/tsdb/delete_series", "POST", **{"match[]": "m"}).status == 500
    assert ask(backend, "/-/ready").status == 503
    assert json.loads(ask(backend, "/api/v1/status/flags").body)["data"]["web.enable-remote-write-receiver"] == "false"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer right"}, 200),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic " + base64.b64encode(b"u:pw").decode()}, 200),
        ({"Authorization": "Basic " + base64.b64encode(b"u:no").decode()}, 401),
        ({"Authorization": "Basic ~"}, 401),
    ],
)
def test_credentials_are_asked_for_on_every_path(given: dict[str, str], status: int) -> None:
    backend = emulator(users={"u": "pw"}, token="right")
    assert ask(backend, "/-/ready", headers=given).status == status


def test_it_is_an_emulator_and_knows_prometheus_own_refusals() -> None:
    backend = make("prometheus_remote_write", FakeClock(NOW / 1000))
    assert isinstance(backend, sandbox.PrometheusRemoteWriteEmulator)
    assert isinstance(backend, Refuses)
    known: Emulator = backend
    assert known.environment("http://127.0.0.1:1") == {"PROMETHEUS_REMOTE_WRITE_URL": "http://127.0.0.1:1/api/v1/write"}
    assert backend.refusal(400).text == "out of order sample\n"
    assert backend.refusal(418).body == b""
    assert known.is_write(Request("POST", "http://p/api/v1/write"))
    assert not known.is_write(Request("GET", "http://p/api/v1/write"))


def test_opentelemetrys_own_remote_write_exporter_is_taken() -> None:
    from opentelemetry.exporter.prometheus_remote_write import PrometheusRemoteWriteMetricsExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    backend = PrometheusRemoteWriteEmulator()
    with Server(backend) as server:
        exporter = PrometheusRemoteWriteMetricsExporter(endpoint=f"{server.origin}/api/v1/write")
        provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)])
        provider.get_meter("app").create_counter("orders").add(3, {"zone": "eu"})
        provider.shutdown()
    assert [(labels["zone"], value) for labels, _, value in backend.samples()] == [("eu", 3.0)]


def test_a_query_can_be_posted_as_a_form() -> None:
    backend = emulator()
    write(backend, single((0, 1)))
    body = urllib.parse.urlencode({"query": "m", "time": NOW / 1000}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = backend.handle(Request("POST", "http://p/api/v1/query", headers, body))
    assert len(json.loads(reply.body)["data"]["result"]) == 1
