"""An OpenTelemetry exporter of another package, driven as the SDK drives it: one call, its result believed no further than it reaches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult, MetricsData

from magictel.errors import PluginError
from magictel.model.metrics import count_points, groups
from magictel.model.outcome import Fate, Reason, Receipt
from magictel.operations.send_sample import SendOptions, send
from magictel.operations.target_run import Job
from magictel.plugin.foreign import ForeignExporter, ForeignSettings, environment_secrets, foreign_exporter
from magictel.sources.sample import sample
from tests.delivery.points import collection

log = logging.getLogger("theirs.sender")
Result = Callable[[], Any]


class Theirs(MetricExporter):
    """Takes collections and answers with `result`."""

    result: Result = staticmethod(lambda: MetricExportResult.SUCCESS)
    taken: ClassVar[list[tuple[MetricsData, float]]] = []
    constructed: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__(preferred_temporality={Counter: AggregationTemporality.DELTA})
        self.constructed.append(1)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        self.taken.append((metrics_data, timeout_millis))
        answer: MetricExportResult = type(self).result()
        return answer

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Theirs, "taken", [])
    monkeypatch.setattr(Theirs, "constructed", [])


def driven(monkeypatch: pytest.MonkeyPatch, result: Result | None = None, **settings: Any) -> ForeignExporter:
    if result is not None:
        monkeypatch.setattr(Theirs, "result", staticmethod(result))
    return foreign_exporter("otel:theirs", "theirs 1.0", Theirs)(ForeignSettings(**settings))


def delivered(exporter: ForeignExporter, points: int = 3) -> tuple[Receipt, Reason]:
    receipt = exporter.deliver(collection(range(points)))
    (reason,) = receipt.reasons
    assert receipt.balanced
    return receipt, reason


def test_a_collection_is_one_call_with_every_point_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = driven(monkeypatch)
    data = sample("ab12", 1_800_000_000.0, thorough=True).data
    receipt = exporter.deliver(data)
    ((taken, millis),) = Theirs.taken
    assert list(groups(taken)) == list(groups(data))
    assert taken.resource_metrics[0].resource is data.resource_metrics[0].resource
    assert millis == pytest.approx(30_000, rel=0.01)
    assert (receipt.attempts, receipt.unconfirmed) == (1, receipt.sent)
    many = collection(range(7_000))
    assert exporter.deliver(many).unconfirmed == 7_000
    assert [count_points(data) for data, _ in Theirs.taken[1:]] == [7_000]


def test_a_success_confirms_nothing_and_a_warning_beside_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def warned() -> MetricExportResult:
        log.warning("Unsupported metric type %s", "ExponentialHistogram")
        return MetricExportResult.SUCCESS

    receipt, reason = delivered(driven(monkeypatch, warned))
    assert (receipt.unconfirmed, reason.code, reason.fate) == (3, "foreign.unconfirmed", Fate.UNCONFIRMED)
    assert reason.message.endswith("; it logged: Unsupported metric type ExponentialHistogram")


def raising() -> Any:
    raise ValueError("no such\n host")


def failing() -> MetricExportResult:
    log.error("Failed to export: %s", "503 busy")
    return MetricExportResult.FAILURE


@pytest.mark.parametrize(
    ("result", "code", "message"),
    [
        (failing, "foreign.failure", "otel:theirs reported a failure; it logged: Failed to export: 503 busy"),
        (lambda: MetricExportResult.FAILURE, "foreign.failure", "otel:theirs reported a failure, and logged nothing"),
        (lambda: None, "foreign.failure", "otel:theirs returned NoneType instead of a result, and logged nothing"),
        (raising, "foreign.exception", "otel:theirs raised ValueError: no such host, and logged nothing"),
    ],
)
def test_a_failure_is_rejected_once_and_may_be_stored(
    monkeypatch: pytest.MonkeyPatch, result: Result, code: str, message: str
) -> None:
    receipt, reason = delivered(driven(monkeypatch, result))
    assert (receipt.rejected, receipt.attempts, len(Theirs.taken)) == (3, 1, 1)
    assert (reason.code, reason.message, reason.maybe_stored) == (code, message, True)


def test_a_call_that_does_not_return_is_left_and_no_second_one_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def stuck() -> MetricExportResult:
        log.warning("retrying in 1 s")
        release.wait(30)
        return MetricExportResult.SUCCESS

    exporter = driven(monkeypatch, stuck, timeout=0.1)
    try:
        receipt, reason = delivered(exporter)
        assert (receipt.rejected, reason.code) == (3, "foreign.timeout")
        assert reason.message == "otel:theirs did not return within 0.1 s; it logged: retrying in 1 s"
        _, again = delivered(exporter)
        assert again.message.startswith("otel:theirs has not returned from an earlier call")
        assert len(Theirs.taken) == 1
        exporter.shutdown(0)
    finally:
        release.set()


def test_secrets_of_the_environment_are_masked_in_what_it_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=aS3cret%3Dvalue,x-scope=tenant")
    monkeypatch.setenv("THEIR_URL", "https://me:pa55phrase@example.net/")

    def talkative() -> MetricExportResult:
        log.error(
            "401 for api-key aS3cret=value at https://me:pa55phrase@example.net/, Authorization: Bearer abcdef123456"
        )
        return MetricExportResult.FAILURE

    _, reason = delivered(driven(monkeypatch, talkative))
    for text in (reason.message, reason.example or ""):
        assert "401 for api-key ***" in text
        for secret in ("aS3cret", "pa55phrase", "abcdef123456"):
            assert secret not in text


def test_only_its_own_lines_are_evidence(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def beside() -> MetricExportResult:
        other = threading.Thread(target=lambda: logging.getLogger("other").error("not theirs"))
        other.start()
        other.join()
        return MetricExportResult.FAILURE

    _, reason = delivered(driven(monkeypatch, beside))
    assert reason.message.endswith(", and logged nothing")


def test_attributes_are_redacted_before_it_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = driven(monkeypatch, redact_attributes=["zone"], drop_attributes=["shard", "service.version"])
    exporter.deliver(sample("ab12", 1_800_000_000.0).data)
    ((taken, _),) = Theirs.taken
    (resource_metrics,) = taken.resource_metrics
    assert "service.version" not in resource_metrics.resource.attributes
    for group in groups(taken):
        for point in group.points:
            assert (point.attributes or {})["zone"] == "***"
            assert "shard" not in (point.attributes or {})


def test_it_is_constructed_without_arguments_and_again_after_it_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = driven(monkeypatch)
    delivered(exporter)
    exporter.close()
    delivered(exporter)
    exporter.after_fork()
    delivered(exporter)
    assert len(Theirs.constructed) == 3


def test_it_says_which_temporality_it_prefers(monkeypatch: pytest.MonkeyPatch) -> None:
    preferred = driven(monkeypatch)._preferred_temporality
    assert (preferred[Counter], preferred[Histogram]) == (
        AggregationTemporality.DELTA,
        AggregationTemporality.CUMULATIVE,
    )


def test_the_sample_has_the_temporality_that_it_prefers(monkeypatch: pytest.MonkeyPatch) -> None:
    list(send([Job("t", "otel:theirs", lambda: driven(monkeypatch))], SendOptions(verify=False)))
    ((taken, _),) = Theirs.taken
    temporality = {group.stream.name: group.stream.temporality for group in groups(taken)}
    assert temporality["magictel.sample.requests"] == "delta"
    assert temporality["magictel.sample.connections"] == "cumulative"


def test_an_exporter_that_needs_arguments_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Demanding(Theirs):
        def __init__(self, endpoint: str) -> None:
            super().__init__()

    with pytest.raises(PluginError, match="missing 1 required positional argument: 'endpoint'") as failure:
        foreign_exporter("otel:demanding", "theirs 1.0", Demanding)()
    assert failure.value.code == "foreign.constructor"


def test_secrets_are_taken_by_the_names_of_their_variables() -> None:
    values = set(
        environment_secrets({"A_TOKEN": "t0ken", "HEADERS": "k=v1,n=v%202", "PLAIN": "p", "U": "http://a:b@c/"})
    )
    assert {"t0ken", "v1", "v 2", "v%202", "b"} <= values
    assert "p" not in values


def test_an_exporter_that_never_ends_its_shutdown_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magictel.plugin.foreign._SHUTDOWN", 0.01)
    stuck = threading.Event()
    monkeypatch.setattr(Theirs, "shutdown", lambda *_, **__: stuck.wait())
    exporter = driven(monkeypatch)
    assert delivered(exporter)[0].unconfirmed == 3
    closing = threading.Thread(target=exporter.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    stuck.set()
