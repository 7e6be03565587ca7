"""Replies of OTLP receivers as outcomes: partial success in both encodings, errors in both, the retry table, and what is no OTLP answer."""

from __future__ import annotations

from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from magictel.encoding.payload import Payload
from magictel.exporters.otlp import OtlpExporter
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Outcome, Partial, Rejected, Throttled, TooLarge, Unavailable, Unconfirmed

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
TEXT = {"content-type": "text/plain; charset=utf-8"}


def judge(status: int, body: bytes | str = b"", headers: dict[str, str] | None = None, points: int = 5) -> Outcome:
    exporter = OtlpExporter()
    try:
        raw = body.encode() if isinstance(body, str) else body
        return exporter.judge(Payload(b"x", points), Reply(status, headers or {}, raw))
    finally:
        exporter.shutdown(0)


def response(rejected: int, message: str) -> bytes:
    reply = ExportMetricsServiceResponse()
    reply.partial_success.rejected_data_points = rejected
    reply.partial_success.error_message = message
    return bytes(reply.SerializeToString())


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"", PROTOBUF),
        (ExportMetricsServiceResponse().SerializeToString(), PROTOBUF),
        (b"{}", JSON),
        (b'{"partialSuccess":{}}', JSON),
        (b'{"partialSuccess":null}', JSON),
        (b'{"partialSuccess":{"rejectedDataPoints":null,"errorMessage":null}}', JSON),
        (response(0, ""), PROTOBUF),
    ],
)
def test_a_success(body: bytes, headers: dict[str, str]) -> None:
    assert judge(200, body, headers) == Delivered()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (response(2, "metric x: unsupported type"), PROTOBUF),
        (b'{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"metric x: unsupported type"}}', JSON),
        (b'{"partial_success":{"rejected_data_points":2,"error_message":"metric x: unsupported type"}}', JSON),
    ],
)
def test_partial_success_blames_no_point(body: bytes, headers: dict[str, str]) -> None:
    outcome = judge(200, body, headers)
    assert isinstance(outcome, Partial)
    assert (outcome.unnamed, dict(outcome.rejected), dict(outcome.retry)) == (2, {}, {})
    assert outcome.why is not None
    assert (outcome.why.code, outcome.why.message) == ("otlp.partial", "metric x: unsupported type")


def test_more_rejected_points_than_were_sent_are_all_of_them() -> None:
    outcome = judge(200, response(2**40, "all"), PROTOBUF)
    assert isinstance(outcome, Partial)
    assert outcome.unnamed == 5


def test_a_message_without_rejected_points_is_a_warning() -> None:
    outcome = judge(200, b'{"partialSuccess":{"errorMessage":"deprecated attribute"}}', JSON)
    assert isinstance(outcome, Delivered)
    assert outcome.warning is not None
    assert (outcome.warning.code, outcome.warning.message) == ("otlp.partial-warning", "deprecated attribute")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"welcome", TEXT),
        (b'{"status":"stored"}', JSON),
        (b"[]", JSON),
        (b'{"partialSuccess":[]}', JSON),
        (b'{"partialSuccess":false}', JSON),
        (b'{"partialSuccess":{"rejectedDataPoints":"many"}}', JSON),
        (b'{"partialSuccess":{"rejectedDataPoints":""}}', JSON),
        (b'{"partialSuccess":{"rejectedDataPoints":-2}}', JSON),
        (b'{"partialSuccess":{"rejectedDataPoints":"-2"}}', JSON),
        (b'{"partialSuccess":{"rejectedDataPoints":true}}', JSON),
        (b'{"partialSuccess":{"errorMessage":["x"]}}', JSON),
        (response(-2, "all"), PROTOBUF),
        (b"\xff\xff\xff", PROTOBUF),
    ],
)
def test_a_success_that_is_no_otlp_response_is_not_delivered(body: bytes, headers: dict[str, str]) -> None:
    assert isinstance(judge(200, body, headers), Unconfirmed | Rejected)


def test_a_web_page_is_not_delivered() -> None:
    assert isinstance(judge(200, "<!doctype html><html>sign in</html>", {"content-type": "text/html"}), Rejected)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_these_statuses_are_retried(status: int) -> None:
    assert isinstance(judge(status), Throttled | Unavailable)


@pytest.mark.parametrize("status", [400, 404, 405, 408, 410, 415, 425, 431, 499, 500, 501, 505, 507, 520, 524])
def test_all_others_are_not(status: int) -> None:
    assert isinstance(judge(status), Rejected)


def status_message(code: int, message: str, delay: float | None = None) -> bytes:
    status = status_pb2.Status(code=code, message=message)
    if delay is not None:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(round(delay * 1000))
        status.details.add().Pack(info)
    return bytes(status.SerializeToString())


def test_the_message_of_a_status_is_read_in_both_encodings() -> None:
    for body, headers in (
        (status_message(14, "data refused due to high memory usage"), PROTOBUF),
        (b'{"code":14,"message":"data refused due to high memory usage"}', JSON),
    ):
        outcome: Any = judge(503, body, {**headers, "retry-after": "7"})
        assert isinstance(outcome, Throttled)
        assert (outcome.retry_after, "data refused due to high memory usage" in outcome.message) == (7.0, True)


def test_retry_info_says_how_long_to_wait() -> None:
    outcome = judge(429, status_message(8, "quota", delay=2.5), PROTOBUF)
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after == 2.5
    body = b'{"code":8,"message":"quota","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2.5s"}]}'
    outcome = judge(429, body, JSON)
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after == 2.5


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, "http: request body too large"),
        (413, ""),
        (429, '{"code":8,"message":"grpc: received message larger than max (5000000 vs. 4194304)"}'),
    ],
)
def test_what_is_too_large_is_split(status: int, body: str) -> None:
    assert isinstance(judge(status, body, JSON if body[:1] == "{" else TEXT), TooLarge)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, "otlp write receiver needs to be enabled with --web.enable-otlp-receiver", "prom.otlp.disabled"),
        (
            415,
            "415 unsupported media type, supported: [application/json, application/x-protobuf]",
            "otlp.http.content-type",
        ),
        (500, "a failure", "otlp.not-retried"),
        (500, "failed to marshal error message", "otlp.http.content-type"),
        (
            400,
            "json encoding isn't supported for opentelemetry format. Use protobuf encoding",
            "otlp.http.content-type",
        ),
    ],
)
def test_refusals_have_codes(status: int, body: str, code: str) -> None:
    outcome = judge(status, body, TEXT)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, 'invalid temporality and type combination for metric "x"', "prom.otlp.delta"),
        (500, 'invalid temporality and type combination for metric "x"', "prom.otlp.delta"),
        (400, "out of order sample", "prom.otlp.time"),
        (400, "too old sample", "prom.otlp.time"),
        (500, "cannot convert exponential to native histogram. Scale must be >= -4, was -5", "prom.otlp.unstorable"),
        (500, "7 observations found in buckets, but the Count field is 70: histogram's …", "prom.otlp.unstorable"),
        (500, 'normalization for metric "" resulted in empty name', "prom.otlp.unstorable"),
        (
            500,
            "could not get aggregation temporality for x as it has unsupported metric type Empty",
            "prom.otlp.unstorable",
        ),
    ],
)
def test_a_sentence_that_blames_a_point_halves_the_payload(status: int, body: str, code: str) -> None:
    outcome = judge(status, body, TEXT)
    assert isinstance(outcome, TooLarge)
    assert outcome.code == code


def test_a_negative_delay_of_retry_info_is_none() -> None:
    outcome: Any = judge(429, status_message(8, "quota", -5.0), PROTOBUF)
    assert (type(outcome), outcome.retry_after) == (Throttled, None)
