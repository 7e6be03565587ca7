"""`run`: scrapes with the labels that Prometheus adds, exports that wait and are retried, and an end that flushes and counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from magictel.clock import SystemClock
from magictel.errors import SettingsError, WireError
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.http.wire import Reply, Request
from magictel.model.events import Event, ReplayFinished, ReplayMoved, SendOutcome
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
) -> ReplayFinished:
    """Run until a condition is met, then interrupt, as a signal does."""
    events: Any = run(jobs, PAGE, FakeTransport(scraped), every, "app", SystemClock())
    for event in events:
        if isinstance(event, ReplayFinished):
            return event
        if isinstance(event, ReplayMoved) and until():
            break
    return finished([events.throw(KeyboardInterrupt()), *events])


def finished(events: list[Event]) -> ReplayFinished:
    last = events[-1]
    assert isinstance(last, ReplayFinished)
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
    (warning,) = done.source.warnings
    assert warning.endswith("scrapes failed: connection refused")
    assert done.source.points == done.results[0].receipt.sent


def test_lines_that_cannot_be_read_are_counted_and_the_others_sent() -> None:
    emulator = PrometheusRemoteWriteEmulator()
    done = ran([job(emulator.handle)], lambda _: page(b"a 1\nb{ 2\nc 3\n"), lambda: emulator.stored >= 3)
    assert done.source.lost >= 1
    assert {name for name in ("a", "b", "c") if any(f"'{name}'" in key for key in stored(emulator))} == {"a", "c"}


def test_skipped_lines_are_logged_once_while_the_run_goes_on_and_so_is_their_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bodies = [b"a 1\nb{ 2\n", b"", b"a 1\nb{ 2\n", b"a 1\n"]  # an empty page is no recovery
    scrapes: list[Request] = []

    def scraped(request: Request) -> Reply:
        scrapes.append(request)
        return page(bodies[min(len(scrapes), len(bodies)) - 1])

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


def test_the_end_of_the_run_can_end_the_series() -> None:
    emulator = PrometheusRemoteWriteEmulator()
    ran([job(emulator.handle, stale_markers=True)], lambda _: page(), lambda: emulator.stored >= 6)
    last: dict[str, float] = {name: values[-1] for name, values in stored(emulator).items()}
    assert len(last) == 3
    assert all(map(is_stale, last.values())), last


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
