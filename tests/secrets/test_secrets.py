"""A secret shows itself to nobody, and a redactor finds it wherever it leaked to."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import time
import urllib.parse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.elasticsearch import ElasticsearchExporter, OpenSearchExporter
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.http.wire import Reply, Request
from magictel.plugin.exporter import Exporter
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import MASK, Secret
from tests.delivery.points import collection

VALUE = 'hunter2/+="&%{~-tail'


def test_a_secret_is_shown_to_nobody() -> None:
    secret = Secret(VALUE)
    for text in (str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", repr([secret]), str({"key": secret})):
        assert "hunter2" not in text
        assert MASK in text
    assert secret.reveal() == VALUE


@pytest.mark.parametrize("leak", [pickle.dumps, copy.deepcopy, copy.copy])
def test_a_secret_is_not_pickled_or_copied(leak: Any) -> None:
    with pytest.raises(TypeError, match="never pickled"):
        leak(Secret(VALUE))
    with pytest.raises(TypeError):
        json.dumps(Secret(VALUE))


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert {Secret("a"), Secret("a")} == {Secret("a")}
    assert not Secret("")


@pytest.mark.parametrize(
    "spelled",
    [
        VALUE,
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode(),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
        json.dumps(VALUE),
        repr(VALUE),
    ],
)
def test_every_spelling_is_found(spelled: str) -> None:
    redacted = Redactor([Secret(VALUE)])(f"before {spelled} after")
    assert "hunter2" not in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")


@given(
    st.text("abcdefghij/+=%&", min_size=8, max_size=30).map(lambda value: f"{value[:4]}7{value[4:]}"),
    st.text(max_size=30),
    st.integers(6, 30),
    st.sampled_from(["", "…", "'", '")', "..."]),
)
def test_a_secret_that_a_cut_goes_through_is_masked(value: str, before: str, length: int, after: str) -> None:
    shown = Redactor([value])(before + value[:length] + after)
    assert value[:6] not in shown.removeprefix(before)


def test_words_that_begin_like_a_login_stay() -> None:
    redact = Redactor(["elastic:changeme-please", "changeme-please"])
    assert redact("the cluster knows us as elastic") == "the cluster knows us as elastic"
    assert redact("it said elastic:change") == "it said elastic:***"


def test_values_inside_json_are_redacted_keys_too() -> None:
    assert Redactor(["hunter2"]).value({"a hunter2": ["hunter2", 1, {"b": "x hunter2"}]}) == {
        "a ***": ["***", 1, {"b": "x ***"}]
    }


class Cutting:
    """A transport whose every reply says back the credentials behind so many characters."""

    def __init__(self, status: int, before: int, shape: str) -> None:
        self._status, self._before, self._shape = status, before, shape

    def send(self, request: Request, timeout: float) -> Reply:
        message = "x" * self._before + " ".join(request.headers.values())
        if self._shape == "text":
            return Reply(self._status, {"content-type": "text/plain"}, message.encode())
        error = {"type": "some_exception", "reason": message}
        items = [{"create": {"status": 400, "error": error}} for _ in range(3)]
        body = {"error": error, "status": self._status} if self._shape == "error" else {"errors": True, "items": items}
        return Reply(
            self._status,
            {"content-type": "application/json", "x-elastic-product": "Elasticsearch"},
            json.dumps(body).encode(),
        )

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "kind",
    [ElasticsearchExporter, OpenSearchExporter, PrometheusRemoteWriteExporter, DatadogExporter, NewRelicExporter],
)
@pytest.mark.parametrize("shape", ["text", "error", "items"])
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_what_a_backend_says_back_is_nowhere_in_a_receipt_wherever_it_is_cut(
    kind: type[Exporter[Any]], shape: str, status: int
) -> None:
    url = "http://127.0.0.1:9/api/v1/write"
    key = {DatadogExporter: "api_key", NewRelicExporter: "license_key"}.get(kind, "bearer_token")
    given: dict[str, Any] = {
        "url": [url] if kind in (ElasticsearchExporter, OpenSearchExporter) else url,
        key: Secret(VALUE),
    }
    settings = kind.Settings(**given)
    for before in range(status % 9, 420, 9):
        exporter = kind(settings, transport=Cutting(status, before, shape))
        receipt = exporter.deliver(collection([0, 1, 3], time.time_ns()), seconds=0)
        exporter.shutdown(0)
        assert receipt.balanced
        shown = repr(receipt)
        assert "hunter" not in shown, f"behind {before}: {shown}"
