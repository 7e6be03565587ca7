"""Which version of remote write a receiver understands is asked by sending, and what it stored is known by its counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cramjam
import pytest

from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.http.wire import Reply, Request
from magictel.model.outcome import Receipt
from magictel.sandbox.prometheus_protobuf import Request2
from magictel.sandbox.prometheus_write_2 import MEDIA_TYPE
from tests.emulators.prometheus import PrometheusRemoteWriteEmulator
from tests.exporters.prometheus_remote_write.test_version_2 import (
    MS,
    NOW,
    buckets,
    collection,
    counter,
    exemplar,
    exponential,
    gauge,
    histogram,
    number,
    powers,
)
from tests.fake_clock import FakeClock
from tests.fake_transport import FakeTransport

WRITTEN = "x-prometheus-remote-write-{}-written"


class Sender:
    """An exporter, its requests' versions, and its refused points by position."""

    def __init__(self, answer: Callable[[Request], Reply], protocol: str = "auto", **options: Any) -> None:
        self.transport = FakeTransport(answer)
        settings = PrometheusRemoteWriteSettings(
            url="http://127.0.0.1:1/api/v1/write",
            protocol=protocol,
            retry_budget=0.0,
            **options,  # type: ignore[arg-type]
        )
        self.exporter = PrometheusRemoteWriteExporter(settings, transport=self.transport, clock=FakeClock(NOW / 1e9))
        self.refused: dict[int, str] = {}

    def deliver(self, *metrics: Any, seconds: float = 0.0) -> Receipt:
        def refuse(positions: Any, verdict: Any) -> None:
            self.refused |= dict.fromkeys(positions, verdict.code)

        receipt = self.exporter.deliver(collection(*metrics), seconds=seconds, on_refused=refuse)
        assert receipt.balanced
        return receipt

    @property
    def versions(self) -> list[str]:
        return ["2.0" if "write.v2" in request.header("Content-Type") else "1.0" for request in self.transport.requests]


def old(status: int, body: str = "unsupported proto") -> Callable[[Request], Reply]:
    """A receiver of 1.0, which answers a request of 2.0 by a status; by 204, it reads it as an empty one."""
    emulator = PrometheusRemoteWriteEmulator(clock=FakeClock(NOW / 1e9), version="2.42.0")

    def answer(request: Request) -> Reply:
        if request.header("Content-Type") == MEDIA_TYPE and status != 204:
            return Reply(status, {"content-type": "text/plain"}, f"{body}\n".encode())
        return emulator.handle(request)

    return answer


def new() -> tuple[PrometheusRemoteWriteEmulator, Callable[[Request], Reply]]:
    emulator = PrometheusRemoteWriteEmulator(clock=FakeClock(NOW / 1e9), version="3.5.0")
    return emulator, emulator.handle


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (415, "io.prometheus.write.v2.Request protobuf message is not accepted by this server"),
        (204, ""),
        (400, "snappy: corrupt input"),
        (400, "unexpected EOF"),
        (400, "cannot unmarshal prompb.WriteRequest with size 12 bytes: cannot read the next field"),
        (422, '{"code":422,"message":"Failed decompressing payload with snappy decoder."}'),
    ],
)
def test_a_receiver_that_does_not_understand_2_gets_the_same_payload_by_1_and_only_1_from_then_on(
    status: int, body: str
) -> None:
    sender = Sender(old(status, body))
    receipts = [sender.deliver(gauge(number(1.0, time=NOW + turn * MS)), histogram(buckets())) for turn in range(2)]
    assert [(receipt.delivered, receipt.rejected, receipt.attempts) for receipt in receipts] == [(2, 0, 1), (2, 0, 1)]
    assert sender.versions == ["2.0", "1.0", "1.0"]


def test_native_histograms_that_the_receiver_cannot_take_are_rejected_by_name() -> None:
    sender = Sender(old(415))
    receipt = sender.deliver(gauge(number()), exponential(powers()), counter(number()))
    assert (receipt.delivered, receipt.rejected, receipt.unnamed) == (2, 1, 0)
    assert sender.refused == {1: "prom.rw.exponential"}
    assert sender.deliver(exponential(powers())).rejected == 1
    assert sender.versions == ["2.0", "1.0"], "a payload of nothing else is not sent"


@pytest.mark.parametrize("body", [b"Hello, world", b"OK"])
def test_a_success_that_neither_version_can_verify_is_no_success(body: bytes) -> None:
    sender = Sender(lambda _: Reply(200, {"content-type": "text/plain"}, body))
    receipt = sender.deliver(gauge(number()))
    assert (receipt.delivered, receipt.unconfirmed) == (0, 1)
    assert sender.versions == ["2.0", "1.0"]
    sender.deliver(gauge(number()))
    assert sender.versions[2:] == ["2.0", "1.0"], "it is not known which version it understands"


def test_a_receiver_that_fails_meanwhile_is_asked_again() -> None:
    replies = iter([Reply(415), Reply(503), Reply(415), Reply(204), Reply(204)])
    sender = Sender(lambda _: next(replies))
    assert sender.deliver(gauge(number())).delivered == 0
    sender.deliver(gauge(number(time=NOW + MS)))
    assert sender.versions[:4] == ["2.0", "1.0", "2.0", "1.0"]


def test_other_payloads_are_sent_by_2_until_the_receiver_has_taken_1() -> None:
    versions: list[str] = []

    def answer(request: Request) -> Reply:
        versions.append(sender.exporter.form())
        return Reply(415 if request.header("Content-Type") == MEDIA_TYPE else 503)

    sender = Sender(answer)
    sender.deliver(gauge(number()))
    assert versions == ["2.0", "2.0"]


@pytest.mark.parametrize("status", [415, 204])
def test_where_only_2_is_chosen_such_a_receiver_rejects_everything_and_the_reason_says_so(status: int) -> None:
    sender = Sender(old(status), "2.0")
    receipt = sender.deliver(gauge(number()))
    assert (receipt.rejected, [reason.code for reason in receipt.reasons]) == (1, ["prom.rw.not-2.0"])
    assert sender.versions == ["2.0"]


def test_where_only_1_is_chosen_nothing_is_asked() -> None:
    emulator, answer = new()
    sender = Sender(answer, "1.0")
    assert sender.deliver(gauge(number())).delivered == 1
    assert sender.versions == ["1.0"]
    assert emulator.metadata == {}


def test_a_receiver_of_2_has_everything_and_is_not_asked_twice() -> None:
    emulator, answer = new()
    sender = Sender(answer)
    points = (gauge(number()), counter(number(exemplars=[exemplar(1.0)])), histogram(buckets()), exponential(powers()))
    receipt = sender.deliver(*points)
    assert (receipt.delivered, receipt.reasons) == (4, ())
    assert sender.versions == ["2.0"]
    assert emulator.metadata["requests_total"] == (1, "Requests so far.", "")
    assert [value for _, _, value, _ in emulator.exemplars] == [1.0]


def test_samples_that_a_receiver_refuses_by_name_are_rejected_by_name_and_the_others_stored() -> None:
    emulator, answer = new()
    sender = Sender(answer)
    points = [number(float(n), n=str(n), quote='a "b"\n\\ä') for n in range(6)]
    assert sender.deliver(gauge(*points[:3])).delivered == 3
    late = [number(9.0, time=NOW - 1000 * MS, n="1", quote='a "b"\n\\ä'), number(8.0, n="2", quote='a "b"\n\\ä')]
    receipt = sender.deliver(gauge(late[0], late[1], *points[3:]), histogram(buckets()))
    assert (receipt.delivered, receipt.rejected, receipt.unnamed) == (4, 2, 0)
    assert sender.refused == {0: "prom.rw.out-of-order", 1: "prom.rw.duplicate"}
    assert sender.versions == ["2.0", "2.0"], "nothing is sent again"
    assert len([1 for labels, _, _ in emulator.samples() if labels["__name__"] == "room_temperature_celsius"]) == 6


def counted(samples: int, histograms: int = 0, exemplars: int = 0, status: int = 204, body: str = "") -> Sender:
    counts = {"samples": samples, "histograms": histograms, "exemplars": exemplars}
    headers = {WRITTEN.format(kind): str(count) for kind, count in counts.items()} | {"content-type": "text/plain"}
    return Sender(lambda _: Reply(status, headers, body.encode()), target_info=False)


@pytest.mark.parametrize(
    ("written", "status", "body", "delivered", "unnamed", "code"),
    [
        ((3, 0), 204, "", 3, 0, None),
        ((2, 0), 204, "", 2, 1, "prom.rw.partial"),
        ((1, 1), 204, "", 1, 2, "prom.rw.partial"),
        ((9, 0), 204, "", 3, 0, None),
        ((0, 0), 204, "", 0, 0, "prom.rw.partial"),
        ((2, 0), 400, "out of order sample", 2, 1, "prom.rw.out-of-order"),
        ((2, 0), 400, "out of bounds: timestamp is too far in the future", 2, 1, "prom.rw.future"),
        ((2, 0), 400, "too old sample", 2, 1, "prom.rw.too-old"),
        ((1, 0), 400, "out of bounds\nout of order sample", 1, 2, "prom.rw.partial"),
        ((2, 0), 400, "who knows", 2, 1, "prom.rw.partial"),
        ((0, 0), 400, "duplicate sample for timestamp 1\n" * 3, 0, 0, "prom.rw.duplicate"),
        ((2, 0), 400, 'out of order sample for series {__name__="other"}', 2, 1, "prom.rw.out-of-order"),
    ],
)  # fmt: skip
def test_the_ledger_is_what_the_receiver_counts(
    written: tuple[int, int], status: int, body: str, delivered: int, unnamed: int, code: str | None
) -> None:
    sender = counted(*written, status=status, body=body)
    receipt = sender.deliver(gauge(*(number(float(n), n=str(n)) for n in range(3))))
    assert (receipt.delivered, receipt.unnamed, receipt.attempts) == (delivered, unnamed, 1)
    assert receipt.delivered + receipt.rejected == 3
    assert [reason.code for reason in receipt.reasons] == ([code] if code else [])


def test_histograms_that_are_missing_are_not_made_up_for_by_samples() -> None:
    sender = counted(5, 0)
    receipt = sender.deliver(
        gauge(*(number(float(n), n=str(n)) for n in range(3))), exponential(powers(), powers(a="b"))
    )
    assert (receipt.delivered, receipt.unnamed, [reason.code for reason in receipt.reasons]) == (
        3,
        2,
        ["prom.rw.partial"],
    )


@pytest.mark.parametrize(
    ("written", "body"),
    [
        (1, "replicas did not match, rejecting sample: replica=b, elected=a"),  # Mimir
        (0, "replicas did not mach, rejecting sample: replica=b, elected=a"),  # Cortex
    ],
)
def test_the_samples_of_a_replica_that_is_not_elected_are_rejected_whatever_is_counted(written: int, body: str) -> None:
    receipt = counted(written, status=202, body=body).deliver(gauge(number()))
    assert (receipt.delivered, [reason.code for reason in receipt.reasons]) == (0, ["prom.rw.replica"])


@pytest.mark.parametrize(
    ("counted_all", "sentence"),
    [
        (True, "the sample has been rejected because … (err-mimir-sample-out-of-order)"),
        (False, "user=t: err: out of order sample. timestamp=2025-01-01T00:00:00Z, series={}"),
    ],
    ids=["Mimir", "Cortex"],
)
def test_wrong_counts_in_a_refusal_do_not_decide_which_samples_are_stored(counted_all: bool, sentence: str) -> None:
    def answer(request: Request) -> Reply:
        message = Request2.FromString(bytes(cramjam.snappy.decompress_raw(request.body)))
        refused = "late" in message.symbols
        written = 0 if refused and not counted_all else len(message.timeseries)
        headers = {WRITTEN.format("samples"): str(written), "content-type": "text/plain"}
        return Reply(400, headers, sentence.encode()) if refused else Reply(200, headers)

    sender = Sender(answer, target_info=False)
    receipt = sender.deliver(gauge(*(number(n=n) for n in ("a", "late", "b"))), seconds=10.0)
    assert (receipt.delivered, sender.refused) == (2, {1: "prom.rw.out-of-order"})


def test_a_request_that_is_too_large_is_halved_by_2_too() -> None:
    def mimir(request: Request) -> Reply:
        message = Request2.FromString(bytes(cramjam.snappy.decompress_raw(request.body)))
        large = len(message.timeseries) > 1
        headers = {WRITTEN.format("samples"): str(int(not large)), "content-type": "text/plain"}
        why = b"larger than the allowed limit (err-mimir-distributor-max-write-message-size)"
        return Reply(400, headers, why) if large else Reply(200, headers)

    sender = Sender(mimir, target_info=False)
    receipt = sender.deliver(gauge(*(number(n=str(n)) for n in range(3))), seconds=10.0)
    assert (receipt.delivered, receipt.rejected) == (3, 0)


def test_a_refusal_without_a_known_reason_that_counts_all_is_unconfirmed() -> None:
    receipt = counted(1, status=400, body="who knows").deliver(gauge(number()))
    assert (receipt.delivered, receipt.unconfirmed) == (0, 1)


@pytest.mark.parametrize(("status", "body"), [(204, ""), (400, "out of order exemplar")])
def test_an_exemplar_that_was_not_stored_costs_no_point(status: int, body: str) -> None:
    sender = counted(1, status=status, body=body)
    assert sender.deliver(counter(number(exemplars=[exemplar(1.0)]))).delivered == 1


@pytest.mark.parametrize(
    ("status", "body", "kept"), [(500, "too old sample", False), (503, "busy", True), (429, "slow down", True)]
)
def test_a_permanent_error_is_not_retried_whatever_its_status(status: int, body: str, kept: bool) -> None:
    headers = {WRITTEN.format("samples"): "0", "content-type": "text/plain"}
    sender = Sender(lambda _: Reply(status, headers, body.encode()), target_info=False)
    receipt = sender.deliver(gauge(number()))
    assert (receipt.rejected == 0) is kept
