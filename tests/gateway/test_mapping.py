"""One mapping of requests to metrics, for the runtime and for the replay of a request log; names and units are the conventions'."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics, http_metrics

from magictel.gateway import CustomMetric, GatewayMetrics, GatewayRequest, Mapping, read_request
from magictel.gateway.instruments import Kind
from magictel.gateway.mapping import OVERFLOW
from magictel.sources.bytestream import shipped
from magictel.sources.gateway_log import GatewayLog

REQUEST = GatewayRequest(
    provider="openai",
    model="gpt-4o",
    method="POST",
    path="/v1/chat/completions?user=ada",
    status_code=200,
    duration=1.25,
    provider_duration=1.0,
    first_token=0.2,
    request_size=193,
    response_size=52_280,
    input_tokens=48,
    output_tokens=865,
    cost=0.0456,
    cache="miss",
)
Sent = dict[tuple[str, str, str, str, frozenset[tuple[str, Any]]], Any]


def collected(*requests: Any, **options: Any) -> Sent:
    """Return what the SDK has of these requests: by name, unit, description, type and attributes the sum or the value."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    gateway_metrics = GatewayMetrics(provider, Mapping(**options))
    for request in requests:
        gateway_metrics.record(request)
    assert gateway_metrics.invalid == 0
    data = reader.get_metrics_data()
    provider.shutdown()
    sent: Sent = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    key = metric.name, metric.unit or "", metric.description or "", type(metric.data).__name__
                    value = getattr(point, "value", None)
                    number: Any = value if value is not None else (point.sum, tuple(point.bucket_counts))  # type: ignore[union-attr]
                    sent[(*key, frozenset((point.attributes or {}).items()))] = number
    return sent


def replayed(*lines: str, custom: Sequence[CustomMetric] = ()) -> Sent:
    """Return what a replay sends last of these records."""
    log = GatewayLog("log", custom=custom)
    sent: Sent = {}
    for number, line in enumerate(lines, 1):
        for part in log.line(line.encode(), number):
            for point in part.points:
                kind = {"sum": "Sum", "histogram": "Histogram", "gauge": "Gauge"}[part.head.kind.value]
                key = part.head.name, part.head.unit, part.head.description, kind
                series = (*key, frozenset((point.attributes or {}).items()))
                value = getattr(point, "value", None)
                sent[series] = value if value is not None else (point.sum, tuple(point.bucket_counts))  # type: ignore[union-attr]
    return sent


def approximate(sent: Sent) -> Sent:
    return {
        key: (pytest.approx(value[0]), value[1]) if isinstance(value, tuple) else pytest.approx(value)
        for key, value in sent.items()
    }


def test_the_replay_of_a_log_sends_what_the_runtime_records_of_the_same_requests() -> None:
    lines = shipped("@gateway").read_text().splitlines()
    assert replayed(*lines) == approximate(collected(*map(json.loads, lines)))


def test_the_replay_of_a_log_sends_custom_metrics_of_every_kind_as_the_runtime_records_them() -> None:
    kinds: tuple[Kind, ...] = get_args(Kind)
    custom = [CustomMetric(name=f"my.{kind}", kind=kind, source="units") for kind in kinds]
    lines = [
        json.dumps({"timestamp": "2025-03-05T16:03:20Z", "attributes": {"metadata": {"latency": 5, "units": units}}})
        for units in (3, 40, 7)
    ]
    sent = replayed(*lines, custom=custom)
    assert {f"my.{kind}" for kind in kinds} <= names(sent)
    assert sent == approximate(collected(*map(json.loads, lines), custom=custom))


def test_every_name_and_unit_is_the_convention_s() -> None:
    units = {
        name: getattr(module, f"create_{constant.lower()}").__code__.co_consts
        for module in (gen_ai_metrics, http_metrics)
        for constant, name in vars(module).items()
        if constant.isupper() and isinstance(name, str) and hasattr(module, f"create_{constant.lower()}")
    }
    sent = collected(REQUEST, server=True)
    checked = 0
    for name, unit, *_ in sent:
        if name in units:
            assert unit in units[name], name
            checked += 1
        else:
            assert name.startswith("gateway.") or name == "gen_ai.client.operation.time_to_first_chunk", name
    assert checked >= 8


def names(sent: Sent) -> set[str]:
    return {key[0] for key in sent}


def test_a_streamed_request_has_every_metric_of_its_fields() -> None:
    assert names(collected(REQUEST)) == {
        "http.server.request.duration",
        "http.server.request.body.size",
        "http.server.response.body.size",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
        "gateway.request.cost",
        "gateway.cache.requests",
    }
    plain = names(collected(GatewayRequest(duration=1.0)))
    assert plain == {"http.server.request.duration"}


def test_tokens_are_measured_by_type_with_the_model_and_durations_in_seconds() -> None:
    sent = collected(REQUEST)
    tokens = {
        dict(key[4])["gen_ai.token.type"]: value[0] for key, value in sent.items() if key[0].endswith("token.usage")
    }
    assert tokens == {"input": 48, "output": 865}
    (operation,) = [key for key in sent if key[0] == "gen_ai.client.operation.duration"]
    assert sent[operation][0] == 1.0
    assert dict(operation[4]) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
    }


def test_errors_retries_fallbacks_and_rate_limits_are_counted() -> None:
    failed = GatewayRequest(
        provider="openai",
        status_code=429,
        provider_error_type="timeout",
        retries=2,
        fallbacks=1,
        errors=3,
        duration=1.0,
    )
    counts = {key[0]: value for key, value in collected(failed, failed).items() if key[3] == "Sum"}
    assert counts == {"gateway.errors": 6, "gateway.retries": 4, "gateway.fallbacks": 2, "gateway.rate_limits": 2}


def test_the_renamed_convention_is_an_option() -> None:
    renamed = names(collected(REQUEST, convention="inference"))
    assert "gen_ai.client.token.usage" not in renamed
    assert renamed >= {
        "gen_ai.client.inference.usage.input_tokens",
        "gen_ai.client.inference.usage.output_tokens",
        "gen_ai.client.inference.operation.input_tokens",
        "gen_ai.client.inference.operation.output_tokens",
    }


def attributes(sent: Sent, name: str) -> list[dict[str, Any]]:
    return [dict(key[4]) for key in sent if key[0] == name]


def test_a_path_is_a_template_or_nothing() -> None:
    for path, route in {
        "/v1/chat/completions?user=ada": "/v1/chat/completions",
        "/v1/models/gpt-4o": "/v1/models/{model}",
        "/v1/users/ada/secret": None,
        "/tenants/ada/chat": "/tenants/{tenant}/chat",
    }.items():
        sent = collected(GatewayRequest(path=path, duration=1.0), routes=["/tenants/{tenant}/chat"])
        (shown,) = attributes(sent, "http.server.request.duration")
        assert shown.get("http.route") == route
        assert "ada" not in repr(shown)


def test_allow_adds_and_deny_removes_attributes() -> None:
    request = GatewayRequest(provider="openai", org_id="o", project_id="p", duration=1.0, path="/v1/chat/completions")
    by_default = attributes(collected(request), "http.server.request.duration")[0]
    assert not {"gateway.org.id", "gateway.project.id"} & by_default.keys()
    chosen = attributes(
        collected(request, allow=["gateway.project.*"], deny=["http.route"]), "http.server.request.duration"
    )[0]
    assert chosen["gateway.project.id"] == "p"
    assert not {"gateway.org.id", "http.route"} & chosen.keys()


def test_beyond_its_limit_a_metric_has_one_more_series_which_is_counted_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mapping = Mapping(limit=2)
    for number in range(5):
        for _ in range(2):
            measured = mapping(GatewayRequest(model=f"m-{number}", provider_duration=1.0, duration=1.0))
    assert [cell.attributes for cell, _ in measured if mapping.instruments[cell.at].name.startswith("gen_ai")] == [
        OVERFLOW
    ]
    assert mapping.overflowed["gen_ai.client.operation.duration"] == 3
    assert mapping.overflowed["http.server.request.duration"] == 0
    named = Counter(record.getMessage().split()[1] for record in caplog.records)
    assert named["gen_ai.client.operation.duration"] == 1


def test_contents_users_and_ids_are_never_attributes() -> None:
    record = json.loads(shipped("@gateway").read_text().splitlines()[0])
    private = {"id": "req_s3cr3t", "user_id": "user_s3cr3t", "threadId": "t_s3cr3t", "request": {"messages": "s3cr3t"}}
    record["attributes"] |= private
    record["attributes"]["metadata"] |= {"provider_request_id": "p_s3cr3t", "path": "/v1/users/s3cr3t"}
    assert "s3cr3t" not in repr(collected(record, allow=["*"]))


def test_an_invalid_record_is_counted_and_logged_once_and_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    gateway_metrics = GatewayMetrics(MeterProvider())
    for record in ({}, {"attributes": {"metadata": {"latency": "slow"}}}, {"attributes": 1}):
        gateway_metrics.record(record)
    assert gateway_metrics.invalid == 3
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["gateway.record"]


def test_records_of_a_series_in_one_millisecond_or_out_of_order_stay_apart() -> None:
    line = '{{"timestamp":"{}","attributes":{{"provider":"p","metadata":{{"latency":5}}}}}}'
    log = GatewayLog("log", shift=7)
    stamps = ("2025-03-05T16:03:20.123Z", "2025-03-05T16:03:20.123Z", "2025-03-05T16:03:19Z", "2025-03-05T16:03:21Z")
    points = [log.line(line.format(stamp).encode(), 1)[0].points[0] for stamp in stamps]
    times = [point.time_unix_nano for point in points]
    assert [time - times[0] for time in times] == [0, 1_000_000, 2_000_000, 877_000_000]
    assert {point.start_time_unix_nano for point in points} == {times[0] - 1_000_000}
    assert [point.count for point in points] == [1, 2, 3, 4]


def test_both_spellings_are_the_same_request() -> None:
    snake = {"attributes": {"org_id": "o", "metadata": {"provider_latency": 5, "tokens": {"input": 3}}}}
    camel = {"attributes": {"orgId": "o"}, "metadata": {"providerLatency": 5, "tokens": {"input": 3}}}
    first, second = read_request(snake), read_request(camel)
    assert (first.org_id, first.provider_duration, first.input_tokens) == ("o", 0.005, 3)
    assert (second.org_id, second.provider_duration, second.input_tokens) == ("o", 0.005, 3)
