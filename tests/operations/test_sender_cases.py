"""The cases of Prometheus' compliance suite for remote-write senders, through `run` to a receiver that decodes with its own classes."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cramjam
import pytest

from magictel.clock import Clock, SystemClock
from magictel.conformance.case import LeapingClock
from magictel.errors import WireError
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.http.wire import Reply, Request
from magictel.model.events import RunFinished
from magictel.operations.run import run
from magictel.operations.scrape import Page
from magictel.operations.target_run import Job
from magictel.sandbox.prometheus_protobuf import Request2, WriteRequest
from magictel.sandbox.prometheus_write_2 import MEDIA_TYPE
from tests.cli.running import magictel
from tests.exporters.prometheus_remote_write.test_version_2 import labels as labels_of
from tests.fake_transport import FakeTransport

CASES = Path(__file__).parents[3] / "shared" / "data" / "prometheus-compliance" / "sender_cases.json"
LEFT_OUT = {"zero_timestamp", "string_deduplication"}
"""A time of 1970 is a line that cannot be sent; of the same series twice in one scrape the second is rejected by name. Both are counted."""
ODD = "äöü 测试 🚀 \\\\ {} = , #"
GENERATED = {
    "batch_size_reasonable": "".join(f'test_metric{{n="{n}"}} {n}\n' for n in range(100)),
    "huge_label_values": f'test_metric{{large="{"x" * 10_000}"}} 42\n',
    "many_timeseries": "".join(f'test_metric{{n="{n} {ODD}"}} {n}\n' for n in range(100)),
    "high_cardinality": "".join(f'test_metric{{a="{n} {ODD}",b="{n % 7}"}} {n}\n' for n in range(50)),
    "very_long_metric_name": f"{'very_long_' * 50}name 42\n",
    "future_timestamp": f"test_metric 42 {int(time.time() + 3600) * 1000}\n",
}
"""Pages that the suite's own code makes."""
PROTOCOLS = pytest.mark.parametrize("protocol", ["1.0", "2.0"])
_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*?)\})? (\S+)(?: \d+)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
pytestmark = pytest.mark.skipif(not CASES.exists(), reason=f"the suite's cases are not here: {CASES}")
Answer = Callable[[Request], Reply]


@cache
def cases() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(CASES.read_text())
    return loaded


def ran(
    text: str, receiver: Answer, protocol: str, scrapes: int = 1, clock: Clock | None = None, **more: Any
) -> RunFinished:
    """Run until so many scrapes are done."""
    openmetrics = "# {" in text
    body = text.encode() + (b"# EOF\n" if openmetrics else b"")
    kind = "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain; version=0.0.4"
    scraped = FakeTransport(lambda _: Reply(200, {"content-type": kind}, body))
    given = {"retry_budget": 0.02, "backoff_initial": 0.001, "shutdown_timeout": 0.05, **more}
    settings = PrometheusRemoteWriteSettings(
        url="http://receiver/api/v1/write", trust_env=False, protocol=protocol, **given
    )
    transport = FakeTransport(receiver)
    job = Job(
        "rw",
        "prometheus-remote-write",
        lambda: PrometheusRemoteWriteExporter(settings, transport=transport, clock=clock or SystemClock()),
    )
    events: Any = run([job], Page.at("http://target:8080/metrics"), scraped, 0.001, "test", SystemClock())
    for _ in events:
        if len(scraped.requests) >= scrapes:
            break
    *_, last = [events.throw(KeyboardInterrupt()), *events]
    assert isinstance(last, RunFinished)
    (result,) = last.results
    assert result.receipt.balanced
    return last


def stored(request: Request) -> Reply:
    """The reply of a receiver that stores everything."""
    if request.header("Content-Type") != MEDIA_TYPE:
        return Reply(204)
    rows = decoded(request).timeseries
    counts = {kind: sum(len(getattr(row, kind)) for row in rows) for kind in ("samples", "histograms", "exemplars")}
    return Reply(204, {f"x-prometheus-remote-write-{kind}-written": str(count) for kind, count in counts.items()})


def decoded(request: Request) -> Any:
    headers = {name.lower(): value for name, value in request.headers.items()}
    newer = headers["content-type"] == MEDIA_TYPE
    assert newer or headers["content-type"] == "application/x-protobuf"
    assert headers["content-encoding"] == "snappy"
    assert headers["x-prometheus-remote-write-version"] == ("2.0.0" if newer else "0.1.0")
    assert headers["user-agent"].startswith("magictel/")
    body = bytes(cramjam.snappy.decompress_raw(request.body))
    return (Request2 if newer else WriteRequest).FromString(body)


def series(request: Request) -> list[tuple[dict[str, str], float, int]]:
    """Return labels, value and time of each sample, after the checks that hold for every request."""
    message = decoded(request)
    rows = []
    for item in message.timeseries:
        if isinstance(message, Request2):
            labels = labels_of(item.labels_refs, message.symbols)
            assert all(0 <= sample.start_timestamp <= sample.timestamp for sample in item.samples)
            assert all(exemplar.timestamp > 0 for exemplar in item.exemplars)
        else:
            labels = {label.name: label.value for label in item.labels}
            assert [label.name for label in item.labels] == sorted(labels)
        assert all(name and value for name, value in labels.items())
        assert (labels["job"], labels["instance"]) == ("test", "target:8080")
        times = [sample.timestamp for sample in item.samples]
        assert times == sorted(times)
        rows += [(labels, sample.value, sample.timestamp) for sample in item.samples]
    return rows


def written(text: str) -> list[tuple[dict[str, str], float]]:
    """Return the samples of a page, read with a pattern: names, labels and numbers."""
    samples = []
    for line in text.splitlines():
        match = _SAMPLE.match(line.partition(" # ")[0])
        if match and not line.startswith("#"):
            try:
                value = float(match[3])
            except ValueError:
                continue
            labels = {name: value.replace("\\\\", "\\") for name, value in _LABEL.findall(match[2] or "") if value}
            if labels.get("le", "+Inf") != "+Inf":
                labels["le"] = repr(float(labels["le"]))  # as Prometheus 3 writes a bound
            samples.append(({"__name__": match[1], **labels}, value))
    return samples


def texts() -> set[str]:
    assert {case["name"] for case in cases() if case["generated_scrape"]} == set(GENERATED)
    return {GENERATED.get(case["name"], case["scrape"]) for case in cases() if case["name"] not in LEFT_OUT}


@PROTOCOLS
def test_every_sample_of_every_case_arrives_with_its_labels_and_value(protocol: str) -> None:
    compared = 0
    for text in texts():
        requests: list[Request] = []

        def receiver(request: Request, requests: list[Request] = requests) -> Reply:
            requests.append(request)
            return stored(request)

        done = ran(text, receiver, protocol)
        rows = [row for request in requests for row in series(request)]
        up = 0.0 if text.endswith(" StaleNaN\n") else 1.0  # to Prometheus too, this page is unreadable
        assert {value for labels, value, _ in rows if labels["__name__"] == "up"} == {up}, text
        got = {json.dumps(labels, sort_keys=True): value for labels, value, _ in rows}
        for labels, value in written(text):
            key = json.dumps({**labels, "job": "test", "instance": "target:8080"}, sort_keys=True)
            assert key in got, (text, sorted(got), done.source)
            assert got[key] == value or (math.isnan(value) and math.isnan(got[key])), text
            compared += 1
    assert compared > 370


LARGE = b"Error details: " + b"detailed error information; " * 1000
COUNTED = "x-prometheus-remote-write-samples-written"
REPLIES: dict[str, tuple[Answer, str, str, str]] = {
    "handle_connection_refused": (lambda _: _failed("net.tcp.refused"), "delivered", "delivered", "net.tcp.refused"),
    "handle_timeout": (lambda _: _failed("net.http.read-timeout"), "delivered", "delivered", "net.http.read-timeout"),
    "dns_resolution_failure": (lambda _: _failed("net.dns.not-found"), "delivered", "delivered", "net.dns.not-found"),
    "handle_partial_write": (lambda _: Reply(200, {COUNTED: "0"}), "rejected", "rejected", "prom.rw.partial"),
    "handle_malformed_response": (lambda _: Reply(200, {}, b"{malformed"), "unconfirmed", "rejected", ""),
    "sender_continues_after_errors": (lambda _: Reply(500), "delivered", "delivered", "http.server-error"),
    "handle_invalid_status_code": (lambda _: Reply(999), "rejected", "rejected", "999"),
    "handle_empty_response": (lambda _: Reply(200), "delivered", "rejected", ""),
    "handle_large_error_response": (lambda _: Reply(400, {}, LARGE), "rejected", "rejected", "Error details: detailed"),
    "ignore_response_body_on_success": (stored, "delivered", "delivered", ""),
    "process_written_count_headers": (stored, "delivered", "delivered", ""),
    "handle_partial_write_response": (
        lambda _: Reply(400, {COUNTED: "1"}, b"Rejected 1 sample"), "rejected", "rejected", "Rejected 1 sample"
    ),
    "handle_missing_written_headers": (lambda _: Reply(400, {}, b"Bad request"), "rejected", "rejected", "Bad request"),
    "log_error_messages_verbatim": (
        lambda _: Reply(400, {}, b"Error: Invalid label name '__invalid__'"), *["rejected"] * 2, "Invalid label name '__invalid__'"
    ),
    "handle_large_error_body": (lambda _: Reply(400, {}, LARGE), "rejected", "rejected", "Error details: detailed"),
    "handle_204_no_content": (stored, "delivered", "delivered", ""),
    "handle_200_ok": (lambda request: Reply(200, stored(request).headers, b"OK"), "unconfirmed", "delivered", ""),
}  # fmt: skip
"""The reply to the first request, what becomes of its points by 1.0 and by 2.0, and what the log says. All later requests are stored."""
RETRIED = {
    **dict.fromkeys((400, 401, 404, 413), False),
    **dict.fromkeys((500, 502, 503, 504, 429), True),
}


def _failed(code: str) -> Reply:
    raise WireError(code, code, phase="connect")


@PROTOCOLS
@pytest.mark.parametrize("name", REPLIES)
def test_whatever_the_reply_its_points_are_counted_and_the_run_goes_on(
    name: str, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, by_1, by_2, logged = REPLIES[name]
    requests: list[Request] = []

    def receiver(request: Request) -> Reply:
        requests.append(request)
        return (first if len(requests) == 1 else stored)(request)

    done = ran("test_metric 42\n", receiver, protocol, scrapes=3, shutdown_timeout=5.0, breaker_failures=100)
    (result,) = done.results
    fate = by_1 if protocol == "1.0" else by_2
    others = [kind for kind in ("rejected", "unconfirmed", "dropped", "kept") if getattr(result.receipt, kind)]
    assert others == ([fate] if fate != "delivered" else []), result
    assert result.receipt.delivered >= 4, "the scrapes after it"
    assert logged in "\n".join(record.getMessage() for record in caplog.records) or fate == "delivered"


@PROTOCOLS
@pytest.mark.parametrize(("status", "again"), RETRIED.items())
def test_a_refusal_is_not_repeated_and_an_error_of_the_server_is(status: int, again: bool, protocol: str) -> None:
    bodies: list[bytes] = []

    def receiver(request: Request) -> Reply:
        bodies.append(request.body)
        return Reply(status)

    ran("test_metric 42\n", receiver, protocol)
    assert (len(set(bodies)) < len(bodies)) is again


class Waits(LeapingClock):
    """A clock that skips waits and keeps their lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, seconds: float, stop: Any = None) -> bool:
        self.seconds.append(seconds)
        return super().wait(seconds, stop)


@PROTOCOLS
@pytest.mark.parametrize("status", [502, 503])
def test_retries_wait_at_random_up_to_a_limit_that_doubles(status: int, protocol: str) -> None:
    waits = Waits()
    failures = [Reply(status)] * 7

    def receiver(request: Request) -> Reply:
        return failures.pop() if failures else stored(request)

    options = {"retry_budget": 10.0, "backoff_initial": 0.1, "backoff_max": 0.8, "breaker_failures": 100}
    done = ran("test_metric 42\n", receiver, protocol, clock=waits, **options)
    (result,) = done.results
    assert result.receipt.delivered == result.receipt.sent
    pauses = [seconds for seconds in waits.seconds if seconds > 0]
    assert len(pauses) == 7
    assert all(pause <= min(0.8, 0.1 * 2**number) for number, pause in enumerate(pauses))
    assert len(set(pauses)) == 7, "at random"
    assert max(pauses) > 0.1


def test_a_receiver_of_1_is_found_out_by_415_and_gets_the_same_by_1_from_then_on() -> None:
    kinds: list[str] = []

    def receiver(request: Request) -> Reply:
        kinds.append(request.header("Content-Type"))
        return Reply(415) if kinds[-1] == MEDIA_TYPE else stored(request)

    done = ran("test_metric 42\n", receiver, "auto", scrapes=3)
    (result,) = done.results
    assert result.receipt.delivered == result.receipt.sent >= 6
    assert kinds[0] == MEDIA_TYPE
    assert set(kinds[1:]) == {"application/x-protobuf"}
    assert len(kinds) > 3


def test_a_scheme_that_is_none_is_refused_before_the_first_scrape(tmp_path: Path) -> None:
    options = (
        "--from",
        "http://127.0.0.1:1/metrics",
        "--to",
        "prometheus-remote-write",
        "--set",
        "url=ftp://h/api/v1/write",
    )
    done = magictel("run", *options, folder=tmp_path)
    assert (done.code, "config.url.bad-scheme" in done.out + done.err) == (78, True), done


def test_every_case_about_replies_and_networks_is_tried() -> None:
    named = {case["name"]: case for case in cases()}
    statuses = {f"{prefix}_{status}" for status in RETRIED for prefix in ("no_retry_on", "retry_on", "may_retry_on")}
    for name, case in named.items():
        if case["group"] in ("TestErrorHandling", "TestResponseProcessing", "TestNetworkErrors"):
            assert name in {*REPLIES, "invalid_url_scheme"}, name
        if case["group"] == "TestRetryBehavior":
            assert name in statuses, name
    assert REPLIES.keys() <= named.keys()
