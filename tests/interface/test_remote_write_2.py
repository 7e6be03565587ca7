"""Remote write 2.0: items are those of 1.0, and `frame` makes the table of symbols. A downgrade frames the same payload anew.

Bodies are read by classes of Google's protobuf runtime, made here from the field numbers of `io.prometheus.write.v2`.
"""

from __future__ import annotations

from typing import Any

import cramjam
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.http.wire import Reply, Request
from magictel.model.outcome import ItemVerdict, Outcome, Partial, Rejected
from magictel.net.endpoint import Endpoint
from magictel.sandbox.prometheus_protobuf import WriteRequest
from tests.delivery.points import collection

_Field = descriptor_pb2.FieldDescriptorProto


def _v2() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="rw2.proto", package="v2", syntax="proto3")
    for name, fields in {
        "Request": [
            ("symbols", 4, _Field.TYPE_STRING, True, ""),
            ("timeseries", 5, _Field.TYPE_MESSAGE, True, "Series"),
        ],
        "Series": [
            ("labels_refs", 1, _Field.TYPE_UINT32, True, ""),
            ("samples", 2, _Field.TYPE_MESSAGE, True, "Sample"),
        ],
        "Sample": [("value", 1, _Field.TYPE_DOUBLE, False, ""), ("timestamp", 2, _Field.TYPE_INT64, False, "")],
    }.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated, of in fields:
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            message.field.add(name=field, number=number, type=kind, label=label, type_name=f".v2.{of}" if of else None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("v2.Request"))


Request2 = _v2()


class RemoteWrite2(PrometheusRemoteWriteExporter):
    """2.0 until a receiver shows that it takes 1.0 only."""

    interface = 2
    name = "rw2"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.version = "2.0"
        super().__init__(*arguments, **options)

    def form(self) -> str:
        return self.version

    def frame(self, payload: Payload) -> bytes:
        if payload.form == "1.0":
            return payload.body
        symbols = {"": 0}
        message = Request2()
        for series in WriteRequest.FromString(payload.body).timeseries:
            row = message.timeseries.add()
            for label in series.labels:
                row.labels_refs.extend(symbols.setdefault(text, len(symbols)) for text in (label.name, label.value))
            for sample in series.samples:
                row.samples.add(value=sample.value, timestamp=sample.timestamp)
        message.symbols.extend(symbols)
        return message.SerializeToString()  # type: ignore[no-any-return]

    def request(self, endpoint: Endpoint, payload: Payload) -> Request:
        request = super().request(endpoint, payload)
        return Request(request.method, request.url, {**request.headers, "X-Version": payload.form}, request.body)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        attempted = super().attempt(payload, timeout)
        if getattr(attempted.outcome, "code", "") == "rw2.downgrade":
            self.version = "1.0"
            return super().attempt(payload, timeout)
        return attempted

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        if reply.status == 415 and payload.form == "2.0":
            return Rejected("rw2.downgrade", "2.0 is not understood")
        written = reply.headers.get("x-prometheus-remote-write-samples-written")
        if reply.ok and payload.form == "2.0" and written is not None:
            series = WriteRequest.FromString(payload.body).timeseries
            missing = sum(len(row.samples) for row in series) - int(written)
            if missing > 0:
                return Partial(
                    unnamed=min(missing, payload.points), why=ItemVerdict("rw2.partial", "not all was written")
                )
        return super().judge(payload, reply)


def labels(series: Any, symbols: Any = None) -> tuple[Any, ...]:
    if symbols is None:
        pairs = [(label.name, label.value) for label in series.labels]
    else:
        texts = [symbols[ref] for ref in series.labels_refs]
        pairs = list(zip(texts[::2], texts[1::2], strict=True))
    return (tuple(pairs), *((sample.value, sample.timestamp) for sample in series.samples))


class Receiver:
    """Understands both versions, or 1.0 only; may say that it wrote fewer samples than it was sent."""

    def __init__(self, *, old: bool = False, fewer: int = 0) -> None:
        self.old, self.fewer = old, fewer
        self.rows: list[Any] = []
        self.seen: list[str] = []

    def send(self, request: Request, timeout: float) -> Reply:
        version = request.headers["X-Version"]
        self.seen.append(version)
        if version == "2.0" and self.old:
            return Reply(415, {"content-type": "text/plain"})
        body = bytes(cramjam.snappy.decompress_raw(request.body))
        if version == "1.0":
            self.rows += [labels(series) for series in WriteRequest.FromString(body).timeseries]
            return Reply(204)
        message = Request2.FromString(body)
        assert message.symbols[0] == ""
        assert len(set(message.symbols)) == len(message.symbols)
        self.rows += [labels(series, message.symbols) for series in message.timeseries]
        written = sum(len(series.samples) for series in message.timeseries) - self.fewer
        return Reply(204, {"x-prometheus-remote-write-samples-written": str(written)})

    def close(self) -> None: ...


def delivered(receiver: Receiver, kind: Any = RemoteWrite2) -> Any:
    settings = PrometheusRemoteWriteSettings(url="http://localhost/api/v1/write", max_batch_points=5)
    exporter = kind(settings, transport=receiver)
    receipt = exporter.deliver(collection(range(12)))
    exporter.shutdown(0)
    return receipt


class Old(Receiver):
    """As 1.0's exporter needs it."""

    def send(self, request: Request, timeout: float) -> Reply:
        request.headers["X-Version"] = "1.0"  # type: ignore[index]
        return super().send(request, timeout)


@pytest.mark.parametrize("old", [False, True])
def test_both_versions_carry_the_same_series(old: bool) -> None:
    plain, new = Old(), Receiver(old=old)
    assert delivered(plain, PrometheusRemoteWriteExporter).delivered == 12
    receipt = delivered(new)
    assert (receipt.delivered, receipt.rejected) == (12, 0)
    assert new.rows == plain.rows
    assert new.seen.count("2.0") == (1 if old else len(new.seen))


def test_samples_that_were_not_written_are_points_that_nobody_can_name() -> None:
    receipt = delivered(Receiver(fewer=2))
    assert receipt.unnamed == receipt.rejected > 0
    assert receipt.balanced
