"""Every known reply to a remote write, and the verdict on it. `judge` is the one place that reads a reply."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magictel.encoding.payload import Payload
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter, PrometheusRemoteWriteSettings
from magictel.exporters.prometheus_remote_write.encoding import time_series
from magictel.exporters.prometheus_remote_write.scan import counts
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Partial, Rejected, Throttled, TooLarge, Unavailable, Unconfirmed

_ROWS = Path(__file__).parents[4] / "shared/reference/fault_responses.json"
_TEXT = {"content-type": "text/plain; charset=utf-8"}
_HTML = {"content-type": "text/html"}
RATE = (
    "the request has been rejected because the tenant exceeded the ingestion rate limit, set to 10000 items/s "
    "(err-mimir-tenant-max-ingestion-rate)"
)


@pytest.fixture(scope="module")
def exporter() -> PrometheusRemoteWriteExporter:
    return PrometheusRemoteWriteExporter(PrometheusRemoteWriteSettings(url="http://127.0.0.1:1/api/v1/write"))


def judged(
    exporter: PrometheusRemoteWriteExporter, status: int, body: str = "", headers: dict[str, str] = _TEXT
) -> Any:
    payload = Payload(time_series({"a": "b"}, 1.0, 1) + time_series({"a": "c"}, 1.0, 1), 2)
    return exporter.judge(payload, Reply(status, headers, body.encode()))


@pytest.mark.parametrize(
    ("status", "body", "verdict", "code"),
    [
        (200, "", Delivered, None),
        (202, "", Delivered, None),
        (204, "", Delivered, None),
        # all or nothing, and a point is to blame: halved until it stands alone
        (400, "out of order sample\n", TooLarge, "prom.rw.out-of-order"),
        (400, 'out of order sample for series {a="b"}\n', TooLarge, "prom.rw.out-of-order"),
        (400, "duplicate sample for timestamp\n", TooLarge, "prom.rw.duplicate"),
        (400, "duplicate sample for timestamp 1; overrides not allowed: existing 1, new value 2\n", TooLarge, "prom.rw.duplicate"),
        (400, "out of bounds\n", TooLarge, "prom.rw.out-of-bounds"),
        (400, "out of bounds: timestamp is too far in the future\n", TooLarge, "prom.rw.future"),
        (400, "too old sample\n", TooLarge, "prom.rw.too-old"),
        (500, "too old sample\n", TooLarge, "prom.rw.too-old"),
        (400, 'invalid metric name or labels, got {a="b"}\n', TooLarge, "prom.rw.labels"),
        (500, "empty labelset: invalid sample\n", TooLarge, "prom.rw.labels"),
        (500, 'label name "a" is not unique: invalid sample\n', TooLarge, "prom.rw.labels"),
        (400, "series over the limit (err-mimir-max-label-names-per-series)", TooLarge, "mimir.label-limit"),
        (400, 'label value too long for metric: "a" label value: "b"', TooLarge, "mimir.label-limit"),
        (400, "the sample has been rejected (err-mimir-sample-out-of-order)", TooLarge, "prom.rw.out-of-order"),
        (400, 'timestamp too new: 1 metric: "a"', TooLarge, "prom.rw.future"),
        (400, "per-metric series limit of 5 exceeded (err-mimir-max-series-per-metric)", TooLarge, "mimir.series-limit"),
        (429, "the tenant exceeded the active series limit (err-mimir-max-active-series)", TooLarge, "mimir.series-limit"),
        (400, "something else (err-mimir-metric-name-invalid)", TooLarge, "mimir.refused"),
        (400, "too many clusters (err-mimir-tenant-too-many-ha-clusters)", Rejected, "mimir.refused"),
        (400, "decoded size exceeds the 33554432 bytes limit\n", TooLarge, "prom.rw.too-large"),
        (413, "", TooLarge, "http.too-large"),
        # nothing of it will ever be taken
        (500, "native histograms are disabled\n", Rejected, "prom.rw.native"),
        (400, "snappy: corrupt input\n", Rejected, "prom.rw.snappy"),
        (400, "s2: corrupt input\n", Rejected, "prom.rw.snappy"),
        (400, "unexpected EOF\n", Rejected, "prom.rw.protobuf"),
        (400, "who knows\n", Rejected, "http.refused"),
        (401, "no org id\n", Rejected, "mimir.org-id"),
        (401, '{"status":"error","error":"authentication error: invalid token"}', Rejected, "mimir.token"),
        (401, "Unauthorized\n", Rejected, "http.unauthorized"),
        (403, "", Rejected, "http.forbidden"),
        (404, "remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n", Rejected, "prom.rw.disabled"),
        (404, "404 page not found\n", Rejected, "http.not-found"),
        (405, "Method Not Allowed\n", Rejected, "prom.rw.get"),
        (415, "gzip encoding (compression) is not accepted by this server; only snappy is acceptable\n", Rejected, "prom.rw.media-type"),
        # it may pass by itself
        (429, RATE, Throttled, "mimir.rate"),
        (429, "", Throttled, "http.throttled"),
        (500, "something broke\n", Unavailable, "http.server-error"),
        (502, "", Unavailable, "http.server-error"),
        (503, "Service Unavailable\n", Unavailable, "http.server-error"),
    ],
)  # fmt: skip
def test_a_reply_has_one_verdict(
    exporter: PrometheusRemoteWriteExporter, status: int, body: str, verdict: type, code: str | None
) -> None:
    outcome = judged(exporter, status, body)
    assert type(outcome) is verdict
    assert getattr(outcome, "code", None) == code


@pytest.mark.parametrize(
    ("status", "body", "verdict", "code"),
    [
        # thrown away, and said so: as it would be under a 400
        (202, "out of bounds\n", TooLarge, "prom.rw.out-of-bounds"),
        (200, "out of order sample\n", TooLarge, "prom.rw.out-of-order"),
        (202, "too old sample; dropped", TooLarge, "prom.rw.too-old"),
        (202, "user=a: duplicate sample for timestamp", TooLarge, "prom.rw.duplicate"),
        (202, "rejected (err-mimir-sample-timestamp-too-old). The affected sample has …", TooLarge, "mimir.refused"),
        (202, "replicas did not mach, rejecting sample: replica=b, elected=a\n", Rejected, "prom.rw.replica"),
        (202, "replicas did not match, rejecting sample: replica=b, elected=a", Rejected, "prom.rw.replica"),
        (202, "accepted, but 2 samples were dropped by a relabelling rule", Rejected, "http.discarded"),
        (200, '{"message": "metrics discarded: quota exceeded"}', Rejected, "http.discarded"),
        (200, "the samples were not stored: retention period", Rejected, "http.discarded"),
        (200, '{"status": "ok", "rejected": 3}', Rejected, "http.refused"),
        (200, '{"code": 200, "status": [{"name": "up", "successful": 0, "failed": 1}]}', Rejected, "http.refused"),
        (200, '{"linesOk": 1, "linesInvalid": 2}', Rejected, "http.refused"),
        (200, '{"status": "error", "error": "bad_data"}', Rejected, "http.refused"),
        # nobody's answer to a remote write
        (200, "OK", Unconfirmed, "http.unconfirmed"),
        (200, "Hello, world", Unconfirmed, "http.unconfirmed"),
        (200, "{}", Unconfirmed, "http.unconfirmed"),
        (200, '{"took": 3, "errors": false, "items": []}', Unconfirmed, "http.unconfirmed"),
        (200, "no samples dropped", Unconfirmed, "http.unconfirmed"),
        (206, "", Unconfirmed, "http.unconfirmed"),
        (299, "", Unconfirmed, "http.unconfirmed"),
        (200, '{"couchdb": "Welcome"}', Rejected, "http.other-product"),
        # its own
        (200, "\n", Delivered, None),
    ],
)  # fmt: skip
def test_what_a_success_itself_says_is_read(
    exporter: PrometheusRemoteWriteExporter, status: int, body: str, verdict: type, code: str | None
) -> None:
    outcome = judged(exporter, status, body)
    assert (type(outcome), getattr(outcome, "code", None)) == (verdict, code), outcome


@pytest.mark.parametrize(
    ("headers", "verdict", "code"),
    [
        ({"x-elastic-product": "Elasticsearch", "content-type": "application/json"}, Rejected, "http.other-product"),
        ({"x-prometheus-remote-write-samples-written": "0"}, Rejected, "prom.rw.partial"),
        ({"x-prometheus-remote-write-samples-written": "1"}, TooLarge, "prom.rw.partial"),
        ({"x-prometheus-remote-write-samples-written": "2"}, Delivered, None),
        ({"x-prometheus-remote-write-samples-written": "0", "x-prometheus-remote-write-histograms-written": "2"}, Delivered, None),
        ({"x-server-hostname": "vm"}, Delivered, None),
        ({"content-type": "text/html"}, Delivered, None),
    ],
)  # fmt: skip
def test_what_the_headers_of_a_success_say_is_read(
    exporter: PrometheusRemoteWriteExporter, headers: dict[str, str], verdict: type, code: str | None
) -> None:
    outcome = judged(exporter, 204, "", headers)
    assert (type(outcome), getattr(outcome, "code", None)) == (verdict, code), outcome


def test_the_words_of_a_refusal_that_blames_a_point_are_quoted(exporter: PrometheusRemoteWriteExporter) -> None:
    outcome = judged(exporter, 400, 'out of order sample for series {a="b"}\n')
    assert outcome.message.endswith('newest of its series: out of order sample for series {a="b"}')
    assert judged(exporter, 429, RATE).message.count("err-mimir") == 1


def test_a_web_page_is_nobodys_acceptance(exporter: PrometheusRemoteWriteExporter) -> None:
    assert judged(exporter, 200, "<!doctype html>", _HTML).code == "http.not-a-backend"
    assert judged(exporter, 400, "<html>out of order sample</html>", _HTML).code == "http.refused"


def test_a_slow_down_says_how_long(exporter: PrometheusRemoteWriteExporter) -> None:
    assert judged(exporter, 429, RATE, {**_TEXT, "retry-after": "7"}).retry_after == 7.0


def test_written_headers_of_a_refusal_are_counted_and_nothing_is_sent_again(
    exporter: PrometheusRemoteWriteExporter,
) -> None:
    outcome = judged(
        exporter, 400, "out of order sample\n", {**_TEXT, "x-prometheus-remote-write-samples-written": "1"}
    )
    assert type(outcome) is Partial
    assert (outcome.unnamed, outcome.rejected, outcome.retry) == (1, {}, {})
    assert outcome.why is not None
    assert outcome.why.code == "prom.rw.partial"
    assert "1 samples" in outcome.why.message


@pytest.mark.parametrize("written", ["0", "5", "many"])
def test_written_headers_of_a_refusal_that_leave_nothing_to_count_reject_all(
    exporter: PrometheusRemoteWriteExporter, written: str
) -> None:
    outcome = judged(
        exporter, 400, "out of order sample\n", {**_TEXT, "x-prometheus-remote-write-samples-written": written}
    )
    assert type(outcome) is Rejected
    assert outcome.code == "prom.rw.partial"


def test_every_known_row_of_the_catalogue_that_a_reply_can_show(exporter: PrometheusRemoteWriteExporter) -> None:
    if not _ROWS.exists():
        pytest.skip(f"the table of known faults is not here: {_ROWS}")
    rows = [
        row
        for row in json.loads(_ROWS.read_text())["rows"]
        if row["backend"] in ("prometheus-remote-write", "mimir", "victoriametrics")
    ]
    assert len(rows) >= 12
    expected = {
        "no": (Rejected, TooLarge, Partial),
        "after-header": (Throttled,),
        "verify": (Delivered,),
        "poll": (Delivered, Unconfirmed),
    }
    for row in rows:
        status = int(row["seen"].split()[0])
        headers = dict(_TEXT)
        if "Written" in row["seen"]:
            headers["x-prometheus-remote-write-samples-written"] = "1"
        outcome = judged(exporter, status, row["body"], headers)
        assert isinstance(outcome, expected[row["retry"]]), row
        if not isinstance(outcome, Delivered | Unconfirmed):
            assert (outcome.why if isinstance(outcome, Partial) else outcome).code == row["id"], row


def test_written_headers_count_samples_and_a_histograms_point_is_many(exporter: PrometheusRemoteWriteExporter) -> None:
    point = b"".join(time_series({"le": str(bound), "pad": "x" * 300}, 1.0, 1) for bound in range(5))
    assert counts(point).samples == 5
    for written, verdict in (("3", TooLarge), ("5", Delivered)):
        reply = Reply(204, {"x-prometheus-remote-write-samples-written": written}, b"")
        assert type(exporter.judge(Payload(point, 1), reply)) is verdict


@pytest.mark.parametrize("written", ["\u00b2", "-5", "9" * 5000, "5.0", "\u0665"])
def test_written_headers_that_are_no_numbers_say_nothing(exporter: PrometheusRemoteWriteExporter, written: str) -> None:
    headers = {**_TEXT, "x-prometheus-remote-write-samples-written": written}
    point = Payload(time_series({"le": "1"}, 1.0, 1), 1)
    assert isinstance(exporter.judge(point, Reply(204, headers, b"")), Delivered)
    assert isinstance(exporter.judge(point, Reply(400, headers, b"boom")), Rejected)
    newer = replace(point, form="2.0")
    outcome = exporter.judge(newer, Reply(204, headers, b""))
    assert isinstance(outcome, Unconfirmed)
    assert (outcome.code, "Samples-Written is" in outcome.message) == ("http.unconfirmed", True)
    assert isinstance(exporter.judge(newer, Reply(400, headers, b"boom")), Rejected)
