"""What every exporter inherits: export, flush, shutdown, the end of the process, forks; without the SDK around it."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import threading
import time
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.metrics import Counter, Histogram, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExportResult

from magictel.encoding.payload import Payload
from magictel.errors import SettingsError
from magictel.model.outcome import Delivered, Outcome, Rejected, Throttled, Unavailable
from magictel.secrets.secret import Secret
from magictel.settings.model import ExporterSettings
from tests.delivery.lines import LinesExporter
from tests.delivery.points import collection

REFUSED = Unavailable("net.tcp.refused", "nobody listens")


def refused(payload: Payload, timeout: float) -> Outcome:
    return REFUSED


def settings(**values: Any) -> ExporterSettings:
    return ExporterSettings(**{"backoff_initial": 0.001, "backoff_max": 0.01, "retry_budget": 0.02, **values})


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "magictel")


def test_success_is_told_only_when_everything_arrived() -> None:
    exporter = LinesExporter(settings())
    assert exporter.export(collection(range(5))) is MetricExportResult.SUCCESS
    exporter.backend = refused
    assert exporter.export(collection(range(5))) is MetricExportResult.FAILURE
    exporter.backend = lambda payload, timeout: Rejected("http.refused", "400")
    assert exporter.export(collection(range(5))) is MetricExportResult.FAILURE
    exporter.shutdown(0)
    ledger = exporter.ledger
    assert (ledger.sent, ledger.delivered, ledger.rejected, ledger.dropped) == (15, 5, 10, 0)


def test_a_bug_in_encode_costs_its_collection_once_and_then_only_its_point(caplog: pytest.LogCaptureFixture) -> None:
    data = collection(range(6))
    metric = data.resource_metrics[0].scope_metrics[0].metrics[1]
    metric.data.data_points[0].attributes["odd"] = "bug"  # type: ignore[index]
    exporter = LinesExporter(settings(max_batch_points=1))
    assert exporter.export(data) is MetricExportResult.FAILURE
    first = exporter.ledger
    assert first.balanced
    assert first.delivered < 5
    assert exporter.export(data) is MetricExportResult.FAILURE
    second = exporter.ledger
    assert (second.delivered - first.delivered, second.dropped - first.dropped) == (5, 1)
    assert {reason.code for reason in second.reasons} == {"internal.export"}
    assert "ZeroDivisionError" in caplog.text


def test_withheld_points_are_no_failure() -> None:
    data = collection([0, 1])
    metric = data.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.data.data_points[0].attributes["odd"] = "withheld"  # type: ignore[index]
    exporter = LinesExporter(settings())
    assert exporter.export(data) is MetricExportResult.SUCCESS
    assert (exporter.ledger.withheld, exporter.ledger.delivered) == (1, 1)


def test_export_after_shutdown_is_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    exporter = LinesExporter(settings())
    exporter.shutdown()
    for _ in range(3):
        assert exporter.export(collection(range(2))) is MetricExportResult.FAILURE
    assert exporter.deliver(collection(range(2))).dropped == 2
    assert (exporter.ledger.sent, exporter.ledger.dropped) == (8, 8)
    assert caplog.text.count("exported after shutdown") == 1
    assert exporter.force_flush()


@pytest.mark.parametrize("given", [{"timeout": -5}, {"timeout": 0}, {"timeout_millis": -1}, {"timeout": -1e12}])
def test_without_time_shutdown_tries_nothing_and_counts_the_rest(
    given: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    exporter = LinesExporter(settings(), backend=refused)
    exporter.export(collection(range(4)))
    tried = exporter.ledger.attempts
    exporter.shutdown(**given)
    assert exporter.ledger.attempts == tried
    assert (exporter.ledger.kept, exporter.ledger.dropped) == (0, 4)
    assert "shut down with undelivered points; 4 dropped: net.tcp.refused: nobody listens" in caplog.text


def test_shutdown_tries_what_waits_once_more_and_closes_the_transport() -> None:
    exporter = LinesExporter(settings(), backend=refused)
    exporter.export(collection(range(4)))
    exporter.backend = lambda payload, timeout: Delivered()
    exporter.shutdown(60_000)
    exporter.shutdown(60_000)
    assert (exporter.ledger.delivered, exporter.ledger.dropped, exporter.closed) == (4, 0, 1)


def test_shutdown_interrupts_a_retry_that_waits() -> None:
    trying = threading.Event()

    def away(payload: Payload, timeout: float) -> Outcome:
        trying.set()
        return Throttled("http.throttled", "429", retry_after=20.0)

    exporter = LinesExporter(settings(shutdown_timeout=60), backend=away)
    delivering = threading.Thread(target=lambda: exporter.deliver(collection(range(3)), seconds=50))
    delivering.start()
    assert trying.wait(100)
    exporter.shutdown(60_000)
    delivering.join(100)
    assert not delivering.is_alive(), "it waits for 20 seconds"
    assert (exporter.ledger.dropped, exporter.ledger.balanced) == (3, True)


def test_shutdown_is_not_held_up_by_an_attempt_that_hangs_and_counts_it_when_it_ends() -> None:
    trying, gate = threading.Event(), threading.Event()

    def hang(payload: Payload, timeout: float) -> Outcome:
        trying.set()
        assert gate.wait(100)
        return REFUSED

    exporter = LinesExporter(settings(), backend=hang)
    exporting = threading.Thread(target=lambda: exporter.export(collection(range(3))))
    exporting.start()
    assert trying.wait(100)
    exporter.shutdown(50)  # returns: else this test never ends
    assert exporter.closed == 1
    gate.set()
    exporting.join(100)
    assert (exporter.ledger.sent, exporter.ledger.dropped, exporter.ledger.kept) == (3, 3, 0)


def test_of_many_that_shut_down_at_once_one_does_it_and_all_return_when_it_is_done() -> None:
    exporter = LinesExporter(settings(), backend=refused)
    exporter.export(collection(range(4)))
    ended: list[int] = []
    threads = [
        threading.Thread(target=lambda: (exporter.shutdown(60_000), ended.append(exporter.ledger.kept)))  # type: ignore[func-returns-value]
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert ended == [0] * 8
    assert (exporter.closed, exporter.ledger.dropped) == (1, 4)


def test_force_flush_says_whether_anything_still_waits() -> None:
    exporter = LinesExporter(settings(), backend=refused)
    assert exporter.force_flush(10)
    exporter.export(collection(range(4)))
    assert not exporter.force_flush(20)
    assert not exporter.force_flush(-5)
    exporter.backend = lambda payload, timeout: Delivered()
    assert exporter.force_flush(60_000)
    assert exporter.ledger.delivered == 4
    exporter.shutdown(0)


def test_force_flush_does_not_wait_for_another_export_longer_than_its_time() -> None:
    trying, gate = threading.Event(), threading.Event()

    def hang(payload: Payload, timeout: float) -> Outcome:
        trying.set()
        assert gate.wait(100)
        return Delivered()

    exporter = LinesExporter(settings(), backend=hang)
    exporting = threading.Thread(target=lambda: exporter.export(collection(range(3))))
    exporting.start()
    assert trying.wait(100)
    assert not exporter.force_flush(20)
    assert exporter.export(collection([9]), timeout_millis=20) is MetricExportResult.FAILURE
    gate.set()
    exporting.join(100)
    exporter.shutdown(0)
    ledger = exporter.ledger
    assert (ledger.sent, ledger.delivered, ledger.dropped) == (4, 3, 1)


@pytest.mark.parametrize("in_flight", [1, 3])
def test_our_own_traffic_is_hidden_from_instrumentations(in_flight: int) -> None:
    hidden: list[tuple[str, object]] = []

    def look(payload: Payload, timeout: float) -> Outcome:
        key = context._SUPPRESS_INSTRUMENTATION_KEY
        hidden.append((threading.current_thread().name, context.get_value(key)))
        return Delivered()

    exporter = LinesExporter(settings(in_flight=in_flight, max_batch_points=1), backend=look)
    exporter.export(collection(range(9)))
    exporter.shutdown(0)
    assert len(hidden) == 9
    assert all(value is True for _, value in hidden)
    assert ("magictel" in {name for name, _ in hidden}) == (in_flight > 1)
    assert context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY) is None, "the application's own stays visible"


def test_the_pool_ends_with_the_exporter() -> None:
    def mine() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "magictel" and thread not in before]

    before = threading.enumerate()
    exporter = LinesExporter(settings(in_flight=3, max_batch_points=1))
    assert mine() == [], "made lazily"
    exporter.export(collection(range(9)))
    threads = mine()
    assert 1 <= len(threads) <= 3
    exporter.shutdown(60_000)
    for thread in threads:
        thread.join(100)
    assert mine() == []


def test_trouble_with_files_that_are_not_there_is_a_verdict_not_a_crash() -> None:
    def missing(payload: Payload, timeout: float) -> Outcome:
        raise SettingsError("tls.ca-file", "the file /nowhere/ca.pem cannot be read")

    exporter = LinesExporter(settings(), backend=missing)
    assert exporter.export(collection(range(2))) is MetricExportResult.FAILURE
    ledger = exporter.ledger
    assert (ledger.kept, ledger.reasons[0].code) == (2, "tls.ca-file")
    exporter.shutdown(0)


def test_an_exporter_that_is_forgotten_says_what_it_takes_along(caplog: pytest.LogCaptureFixture) -> None:
    exporter = LinesExporter(settings(), backend=refused)
    exporter.export(collection(range(4)))
    del exporter
    gc.collect()
    assert "shut down with undelivered points" in caplog.text


def test_an_exporter_shows_no_setting_and_is_never_pickled() -> None:
    exporter = LinesExporter(settings(redact_attributes=["hunter2"]), target="prod")
    assert repr(exporter) == "LinesExporter(target='prod')"
    with pytest.raises(TypeError):
        pickle.dumps(exporter)
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hunter2"))
    exporter.shutdown(0)


def test_delta_is_for_what_only_adds_up() -> None:
    preferred = LinesExporter(settings(temporality="delta"))._preferred_temporality
    assert preferred[Counter] is preferred[Histogram] is AggregationTemporality.DELTA
    assert preferred[UpDownCounter] is AggregationTemporality.CUMULATIVE


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_starts_empty_and_works_and_the_parent_keeps_what_is_its_own(in_flight: int) -> None:
    bodies: list[str] = []

    def take(payload: Payload, timeout: float) -> Outcome:
        bodies.append(payload.body.decode())
        return Delivered()

    exporter = LinesExporter(settings(in_flight=in_flight, max_batch_points=1), backend=take)
    exporter.export(collection(range(3)))
    exporter.backend = refused
    exporter.export(collection(range(100, 104)))
    assert exporter.ledger.kept == 4
    # The locks are taken while the process forks, as by a reader's thread in the middle of an export.
    with exporter._sending, exporter._pipeline._ledger._lock:
        child = os.fork()
        if not child:
            status = 1
            try:
                bodies.clear()
                exporter.backend = take
                empty = exporter.ledger.sent == 0 and exporter.force_flush(60_000) and bodies == []
                succeeded = exporter.export(collection(range(200, 205))) is MetricExportResult.SUCCESS
                exporter.shutdown(60_000)
                whole = exporter.ledger.delivered == 5 and all("'n': 20" in line for line in bodies)
                status = 0 if empty and succeeded and whole else 2
            finally:
                os._exit(status)
    assert os.waitstatus_to_exitcode(_wait(child)) == 0
    bodies.clear()
    exporter.backend = take
    assert exporter.force_flush(60_000)
    assert sorted(bodies) == sorted(f"{_name(n)} {{'n': {n}, 'host': 'host-{n % 5}'}}\n" for n in range(100, 104))
    exporter.shutdown(60_000)
    assert (exporter.ledger.sent, exporter.ledger.delivered) == (7, 7)


def _name(n: int) -> str:
    return ("load", "requests", "latency")[n % 3]


def _wait(child: int) -> int:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")
