"""`run`: scrapes with the labels that Prometheus adds, exports that wait and are retried, and an end that flushes and counts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.clock import SystemClock
from magictel.errors import SettingsError, WireError
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.http.wire import Reply, Request
from magictel.model.events import Event, ReplayMoved, ReplayStarted, RunFinished, SendOutcome
from magictel.operations.run import run
from magictel.operations.scrape import Page
from magictel.operations.target_run import Job
from magictel.sandbox.prometheus_remote_write import PrometheusRemoteWriteEmulator
from magictel.sandbox.prometheus_store import is_stale
from tests.fake_transport import FakeTransport

PAGE = Page.at("http://me:s3cr3t@app.example:9100/metrics?token=t0ken")
BODY = b'# TYPE hits counter\nhits_total{job="theirs",path="/"} 3\n# TYPE temp gauge\ntemp 21.5\n'


def page(body: bytes = BODY, status: int = 200) -> Reply:
    return Reply(status, {"content-type": "text/plain; version=0.0.4"}, body)


def settings(**more: Any) -> PrometheusRemoteWriteSettings:
    chosen = {"retry_budget": 0.05, "backoff_initial": 0.001, "backoff_max": 0.01, **more}
    return PrometheusRemoteWriteSettings(url="http://receiver/api/v1/write", trust_env=False, **chosen)


def job(answer: Callable[[Request], Reply], **more: Any) -> Job:
    transport = FakeTransport(answer)
    return Job(
        "rw", "prometheus-remote-write", lambda: PrometheusRemoteWriteExporter(settings(**more), transport=transport)
    )


def ran(
    jobs: list[Job], scraped: Callable[[Request], Reply], until: Callable[[], bool], every: float = 0.01
) -> RunFinished:
    """Run until a condition is met, then interrupt, as a signal does."""
    events: Any = run(jobs, PAGE, FakeTransport(scraped), every, "app", SystemClock())
    for event in events:
        if isinstance(event, RunFinished):
            return event
        if isinstance(event, ReplayMoved) and until():
            break
    return finished([events.throw(KeyboardInterrupt()), *events])


def finished(events: list[Event]) -> RunFinished:
    last = events[-1]
    assert isinstance(last, RunFinished)
    return last


def stored(emulator: PrometheusRemoteWriteEmulator) -> dict[str, list[float]]:
    """Return the values of each series, by its labels as text."""
    values: dict[str, list[float]] = {}
    for labels, _, value in emulator.samples():
        values.setdefault(str(dict(sorted(labels.items()))), []).append(value)
    return values


def test_each_scrape_arrives_with_job_instance_and_up() -> None:
    emulator = PrometheusRemoteWriteEmulator()
    done = ran([job(emulator.handle)], lambda _: page(), lambda: emulator.stored >= 9)
    (result,) = done.results
    assert (result.outcome, result.receipt.delivered) == (SendOutcome.ACCEPTED, result.receipt.sent)
    assert result.receipt.sent == done.source.points
    mine = "'instance': 'app.example:9100', 'job': 'app'"
    values = stored(emulator)
    assert set(values) == {
        "{'__name__': 'hits_total', 'exported_job': 'theirs', " + mine + ", 'path': '/'}",
        "{'__name__': 'temp', " + mine + "}",
        "{'__name__': 'up', " + mine + "}",
    }
    assert {value for name, row in values.items() for value in row if "'up'" in name} == {1.0}


def test_a_page_that_fails_is_up_0_and_the_reason_is_counted() -> None:
    emulator = PrometheusRemoteWriteEmulator()
    answers = iter([page(), page(b"<html>", 503)])

    def scraped(request: Request) -> Reply:
        reply = next(answers, None)
        if reply is None:
            raise WireError("net.tcp.refused", "connection refused", phase="connect")
        return reply

    done = ran([job(emulator.handle)], scraped, lambda: emulator.stored >= 6)
    ups = next(row for name, row in stored(emulator).items() if "'up'" in name)
    assert ups[:3] == [1.0, 0.0, 0.0]
    (reason,) = done.source.reasons
    assert (reason.code, reason.lost) == ("scrape", True)
    assert str(reason).endswith("in all: connection refused")
    assert done.source.points == done.results[0].receipt.sent


def test_lines_that_cannot_be_read_are_counted_and_the_others_sent() -> None:
    emulator = PrometheusRemoteWriteEmulator()
    done = ran([job(emulator.handle)], lambda _: page(b"a 1\nb{ 2\nc 3\n"), lambda: emulator.stored >= 3)
    assert done.source.lost >= 1
    assert {name for name in ("a", "b", "c") if any(f"'{name}'" in key for key in stored(emulator))} == {"a", "c"}


def test_skipped_lines_are_logged_once_while_the_run_goes_on_and_so_is_their_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    replies = [page(b"a 1\nb{ 2\n"), page(status=503), page(b"a 1\nb{ 2\n"), page(b"a 1\n")]  # a failure is no recovery
    scrapes: list[Request] = []

    def scraped(request: Request) -> Reply:
        scrapes.append(request)
        return replies[min(len(scrapes), len(replies)) - 1]

    emulator = PrometheusRemoteWriteEmulator()
    ran([job(emulator.handle)], scraped, lambda: len(scrapes) > 5)
    logged = [record.getMessage() for record in caplog.records if "lines" in record.getMessage()]
    assert [line.partition(", for")[0] for line in logged] == [
        "a scrape has unusable lines: 1 skipped",
        "all lines of the page are usable again",
    ]
    assert "line 2" in logged[0]


def test_what_the_receiver_refuses_for_a_while_is_sent_later() -> None:
    emulator = PrometheusRemoteWriteEmulator()
    busy = iter([True] * 5)

    def receiver(request: Request) -> Reply:
        if request.method == "POST" and next(busy, False):
            return Reply(503, {}, b"busy")
        return emulator.handle(request)

    done = ran([job(receiver, breaker_cooldown=0.05)], lambda _: page(), lambda: emulator.stored >= 3)
    (result,) = done.results
    assert (result.receipt.delivered, result.receipt.dropped) == (result.receipt.sent, 0)
    assert result.receipt.balanced


def one_by_one(*replies: Reply) -> Callable[[Request], Reply]:
    """Return a page that gives these replies, the last one again and again."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def ended(emulator: PrometheusRemoteWriteEmulator) -> dict[str, list[bool]]:
    """Return for each metric which of its samples end it."""
    rows = emulator.store.select(lambda _: True)
    return {dict(labels)["__name__"]: [is_stale(value) for _, value in samples] for labels, samples in rows}


@pytest.mark.parametrize("histograms", ["classic", "native"])
def test_a_series_that_leaves_the_page_ends_at_that_scrape(histograms: str) -> None:
    shrunk, whole = (
        page(b"# TYPE hits counter\nhits_total 3\n"),
        b'# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_count 1\nh_sum 2\n',
    )
    emulator = PrometheusRemoteWriteEmulator()
    target = job(emulator.handle, histograms=histograms, protocol="2.0")
    scraped = one_by_one(page(shrunk.body + whole), shrunk, shrunk, page(shrunk.body + whole))
    done = ran([target], scraped, lambda: len(ended(emulator).get("hits_total", ())) >= 5)
    samples = ended(emulator)
    names = ("h",) if histograms == "native" else ("h_bucket", "h_sum", "h_count")
    for name in names:
        assert samples[name][:3] == [False, True, False], samples
    assert not any(samples["hits_total"])
    assert done.results[0].receipt.delivered == done.results[0].receipt.sent == done.source.points


@pytest.mark.parametrize("protocol", ["1.0", "2.0"])
def test_a_series_that_a_scrape_lacks_ends_there_as_in_prometheus(protocol: str) -> None:
    histogram = b'# TYPE h histogram\nh_bucket{le="1"} 1\n%bh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'
    both = b'a{x="1"} 1\na{x="2"} 2\n'
    pages = [
        page(both + b"timed 1 %d\n" % (time.time() * 1000) + histogram % b'h_bucket{le="0.5"} 0\n'),
        page(b'a{x="1"} 1\nnew 1\n' + histogram % b""),
        page(b"", 503),
        page(both),
    ]
    emulator = PrometheusRemoteWriteEmulator()
    scrapes: list[Request] = []

    def scraped(request: Request) -> Reply:
        scrapes.append(request)
        return pages[min(len(scrapes), len(pages)) - 1]

    ran([job(emulator.handle, protocol=protocol)], scraped, lambda: len(scrapes) > len(pages))
    series: dict[str, dict[int, float]] = {}
    for labels, at, value in emulator.samples():
        series.setdefault(labels["__name__"] + labels.get("x", labels.get("le", "")), {})[at] = value
    times = sorted(series["up"])[:4]
    shown = {
        name: "".join("-" if at not in values else "e" if is_stale(values[at]) else "v" for at in times)
        for name, values in series.items()
    }
    assert shown == {
        "up": "vvvv",
        "a1": "vvev",
        "a2": "ve-v",
        "new": "-ve-",
        "timed": "----",
        "h_bucket0.5": "ve--",
        **dict.fromkeys(("h_bucket1.0", "h_bucket+Inf", "h_sum", "h_count"), "vve-"),
    }
    assert emulator.metadata.get("h_sum", (0, "", "")) == (0, "", ""), "an end has no metadata of its neighbour"


def test_only_a_scrape_says_that_a_series_has_ended() -> None:
    emulator = PrometheusRemoteWriteEmulator()
    exporter = job(emulator.handle).build()
    for value in (1, 2):
        metric = Metric(f"m{value}", "", "", Gauge([NumberDataPoint({}, 0, time.time_ns(), value)]))
        scope = ScopeMetrics(InstrumentationScope("t"), [metric], "")
        exporter.deliver(MetricsData([ResourceMetrics(Resource({"service.name": "a"}), [scope], "")]))
    exporter.shutdown(0)
    assert [value for _, _, value in emulator.samples()] == [1, 2]


def test_the_end_of_the_run_can_end_the_series_of_a_large_page() -> None:
    emulator = PrometheusRemoteWriteEmulator()
    body = b"".join(b'a{n="%d"} 1\n' % number for number in range(9000))
    ran([job(emulator.handle, stale_markers=True)], lambda _: page(body), lambda: emulator.stored >= 9001, 0.3)
    last = {str(labels): value for labels, _, value in emulator.samples()}
    assert len(last) == 9001
    assert all(map(is_stale, last.values()))


@pytest.mark.parametrize(("body", "up"), [(b"", 1.0), (b"<html>\n<p>no\n", 0.0), (b"\x00\x01\xff", 0.0)])
def test_a_page_without_metrics_is_up_and_one_without_a_readable_line_is_not(body: bytes, up: float) -> None:
    emulator = PrometheusRemoteWriteEmulator()
    ran([job(emulator.handle)], lambda _: page(body), lambda: emulator.stored >= 2)
    assert {(labels["__name__"], value) for labels, _, value in emulator.samples()} == {("up", up)}


def test_a_warning_about_the_settings_is_in_the_result() -> None:
    emulator = PrometheusRemoteWriteEmulator()
    target = dataclasses.replace(job(emulator.handle), warnings=("password: sent unencrypted",))
    done = ran([target], lambda _: page(), lambda: emulator.stored >= 3)
    assert [finding.code for finding in done.results[0].findings] == ["config.warning"]


def test_a_signal_before_the_first_scrape_ends_the_run_like_a_later_one() -> None:
    asked = FakeTransport(lambda _: page())
    events: Any = run([job(PrometheusRemoteWriteEmulator().handle)], PAGE, asked, 0.01, "app")
    assert isinstance(next(events), ReplayStarted)
    last = finished([events.throw(KeyboardInterrupt()), *events])
    assert (asked.requests, last.results[0].receipt.sent) == ([], 0)


def test_the_last_flush_counts_what_it_could_not_send() -> None:
    scrapes: list[int] = []

    def scraped(request: Request) -> Reply:
        scrapes.append(1)
        return page()

    receiver = job(lambda _: Reply(503, {}, b"busy"), shutdown_timeout=0.1)
    done = ran([receiver], scraped, lambda: len(scrapes) >= 3)
    (result,) = done.results
    assert (result.outcome, result.receipt.dropped) == (SendOutcome.UNDELIVERED, result.receipt.sent)
    assert result.receipt.balanced
    assert result.receipt.sent == done.source.points


def test_a_target_with_unusable_settings_stops_the_run_before_a_scrape() -> None:
    def unusable() -> PrometheusRemoteWriteExporter:
        raise SettingsError("config.missing", "url is required")

    asked = FakeTransport(lambda _: page())
    last = finished(list(run([Job("rw", "prometheus-remote-write", unusable)], PAGE, asked, 0.01, "app")))
    assert last.results[0].unusable
    assert asked.requests == []


def test_the_login_of_the_page_is_sent_and_never_shown() -> None:
    asked: list[Request] = []

    def scraped(request: Request) -> Reply:
        asked.append(request)
        return Reply(302, {"location": "/login?token=t0ken"}, b"")

    done = ran([job(PrometheusRemoteWriteEmulator().handle)], scraped, lambda: len(asked) >= 2)
    assert asked[0].headers["Authorization"].startswith("Basic ")
    assert asked[0].url == "http://app.example:9100/metrics?token=t0ken"
    shown = repr(done)
    assert "t0ken" not in shown
    assert "s3cr3t" not in shown
    assert "answers 302" in shown
