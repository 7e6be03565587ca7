"""What is on the page and what is not: types, names, help, units, scopes, conflicts, exemplars, start times, native histograms."""

from __future__ import annotations

import shutil
import subprocess
import threading
import tracemalloc
from typing import Any

import pytest
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import Buckets, Metric, MetricsData, ResourceMetrics, ScopeMetrics, Sum
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.exporters.prometheus import PrometheusExporter, PrometheusSettings
from magictel.exporters.prometheus.encoding import PageEncoding
from magictel.exporters.prometheus.negotiation import Form
from magictel.formats.prometheus.names import TranslationStrategy
from magictel.model.metrics import PROMETHEUS_TYPE, MetricWithMetadata, groups
from magictel.sources.sample import sample
from tests.benchmarks.data import Data
from tests.exporters.prometheus.pages import (
    BARE,
    DELTA,
    NOW,
    OPENMETRICS,
    PROTOBUF,
    SCOPE,
    START,
    TEXT,
    UTF8,
    buckets,
    collection,
    counter,
    exponential,
    gauge,
    histogram,
    messages,
    number,
    page,
    read,
)

PLAIN = PageEncoding(target_info=False, scope_labels=False)


def exemplar(value: float, time: int = NOW, trace: int | None = 0xAB, **attributes: Any) -> Exemplar:
    return Exemplar(attributes, value, time, None if trace is None else 0xCD, trace)


def test_a_page_of_text() -> None:
    data = collection(
        counter("http.requests", number(3, route='/a"b'), number(4.5), text='Of "all"\nroutes \\ hosts.'),
        gauge("room.temperature", number(float("nan"), room=1), number(float("-inf"), room=2), unit="Cel"),
        histogram("latency", buckets([0.25, 1.0], [1, 2, 3], 4.5, route="/"), unit="s"),
    )
    assert page(data).text == (
        '# HELP target_info Target metadata\n# TYPE target_info gauge\ntarget_info{host_name="h",service_name="shop"} 1\n'
        '# HELP http_requests_total Of "all"\\nroutes \\\\ hosts.\n# TYPE http_requests_total counter\n'
        'http_requests_total{route="/a\\"b",otel_scope_name="lib",otel_scope_version="1.2"} 3\n'
        'http_requests_total{otel_scope_name="lib",otel_scope_version="1.2"} 4.5\n'
        "# TYPE room_temperature_celsius gauge\n"
        'room_temperature_celsius{room="1",otel_scope_name="lib",otel_scope_version="1.2"} NaN\n'
        'room_temperature_celsius{room="2",otel_scope_name="lib",otel_scope_version="1.2"} -Inf\n'
        "# TYPE latency_seconds histogram\n"
        'latency_seconds_bucket{route="/",otel_scope_name="lib",otel_scope_version="1.2",le="0.25"} 1\n'
        'latency_seconds_bucket{route="/",otel_scope_name="lib",otel_scope_version="1.2",le="1.0"} 3\n'
        'latency_seconds_bucket{route="/",otel_scope_name="lib",otel_scope_version="1.2",le="+Inf"} 6\n'
        'latency_seconds_sum{route="/",otel_scope_name="lib",otel_scope_version="1.2"} 4.5\n'
        'latency_seconds_count{route="/",otel_scope_name="lib",otel_scope_version="1.2"} 6\n'
    )


def test_a_page_of_openmetrics() -> None:
    data = collection(
        counter("requests", number(3, exemplars=[exemplar(1.0, NOW - 1), exemplar(2.0, user="u")]), unit="By", text='"All".'),
        histogram("latency", buckets([1.0], [1, 2], 4.5, exemplars=[exemplar(0.5), exemplar(7.0, trace=None)]), unit="s"),
    )  # fmt: skip
    assert page(data, OPENMETRICS, PLAIN).text == (
        '# HELP requests_bytes \\"All\\".\n# TYPE requests_bytes counter\n# UNIT requests_bytes bytes\n'
        'requests_bytes_total 3 # {span_id="00000000000000cd",trace_id="000000000000000000000000000000ab",user="u"} 2.0 1764000100.0\n'
        "requests_bytes_created 1764000000.25\n"
        "# TYPE latency_seconds histogram\n# UNIT latency_seconds seconds\n"
        'latency_seconds_bucket{le="1.0"} 1 # {span_id="00000000000000cd",trace_id="000000000000000000000000000000ab"} 0.5 1764000100.0\n'
        'latency_seconds_bucket{le="+Inf"} 3 # {} 7.0 1764000100.0\n'
        "latency_seconds_sum 4.5\nlatency_seconds_count 3\nlatency_seconds_created 1764000000.25\n"
        "# EOF\n"
    )
    infos = page(collection(), OPENMETRICS).text
    assert infos == "# EOF\n"
    shown = page(collection(gauge("m", number(1))), OPENMETRICS).text
    assert shown.startswith("# HELP target Target metadata\n# TYPE target info\ntarget_info{")


def test_utf_8_names_are_quoted_for_a_scraper_that_reads_them_and_escaped_for_others() -> None:
    encoding = PageEncoding(translation_strategy="NoTranslation", scope_labels=False, target_info=False)
    data = collection(gauge("größe.m", number(1, **{"http.route": "/", "ok": True})), counter("n", number(1, start=0)))
    assert page(data, UTF8, encoding).text == (
        '# TYPE "größe.m" gauge\n{"größe.m","http.route"="/",ok="true"} 1\n# TYPE n unknown\nn 1\n# EOF\n'
    )
    assert page(data, TEXT, encoding).text == (
        '# TYPE gr__e_m gauge\ngr__e_m{http_route="/",ok="true"} 1\n# TYPE n counter\nn 1\n'
    )
    bare = collection(gauge("größe.m", number(1)))
    assert '{"größe.m"} 1\n' in page(bare, Form("text", "1.0.0", "allow-utf-8"), encoding).text


@pytest.mark.parametrize("user", ["u" * 100, "\0"])
def test_exemplar_attributes_that_a_scraper_refuses_are_left_out_and_the_trace_stays(user: str) -> None:
    data = collection(counter("n", number(1, exemplars=[exemplar(1.0, user=user)])))
    shown = page(data, OPENMETRICS, PLAIN).text
    assert 'trace_id="000000000000000000000000000000ab"' in shown
    assert "user" not in shown
    (message,) = messages(page(data, PROTOBUF, PLAIN).body)
    assert [label.name for label in message.metric[0].counter.exemplar.label] == ["trace_id", "span_id"]


def test_two_scopes_share_a_family_and_its_first_help_and_unit() -> None:
    scopes = [
        ScopeMetrics(InstrumentationScope(name), [gauge("m", number(value), text=text)], "")
        for name, value, text in (("a", 1, ""), ("b", 2, "First."), ("c", 3, "Second."))
    ]
    data = MetricsData(
        [ResourceMetrics(BARE, [*scopes[:1], ScopeMetrics(SCOPE, [gauge("z", number(0))], ""), *scopes[1:]], "")]
    )
    assert page(data).text == (
        '# HELP m First.\n# TYPE m gauge\nm{otel_scope_name="a"} 1\nm{otel_scope_name="b"} 2\nm{otel_scope_name="c"} 3\n'
        '# TYPE z gauge\nz{otel_scope_name="lib",otel_scope_version="1.2"} 0\n'
    )


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS, PROTOBUF], ids=lambda form: form.syntax)
@pytest.mark.parametrize(
    ("metrics", "codes"),
    [
        ([Metric("d", "", "", Sum([number(1)], DELTA, True))], ["prom.page.delta"]),
        ([gauge("m", number(1)), histogram("m", buckets([], [1], 1.0))], ["prom.page.type"]),
        ([histogram("m", buckets([], [1], 1.0)), gauge("m.count", number(1), number(2, a=1))], ["prom.page.type"] * 2),
        ([gauge("target_info", number(1))], ["prom.page.type"]),
        ([gauge("m", number(1, **{"a.b": 1}), number(2, a_b=1))], ["prom.page.collision"]),
        ([gauge("m", number(1, a=""), number(2))], ["prom.page.collision"]),
        ([gauge("m", number(1), number(2, time=NOW + 10**9))], ["prom.page.collision"]),
        ([gauge("m", number(1), number(1))], ["prom.page.collision"]),
        ([gauge("a.b", number(1)), gauge("a_b", number(2))], ["prom.page.collision"]),
        ([gauge("…", number(1))], ["prom.page.name"]),
        ([gauge("m", number(10**400))], ["prom.page.number"]),
        ([histogram("m", buckets([1.0], [1], 1.0))], ["delivery.impossible-point"]),
    ],
)  # fmt: skip
def test_a_point_left_out_is_named_with_its_reason(metrics: list[Metric], codes: list[str], form: Form) -> None:
    shown = page(collection(*metrics), form)
    assert shown.codes == codes
    read(shown.body, form)
    assert all(withheld.point for withheld in shown.withheld)


def test_a_repeated_point_is_no_loss_and_another_value_is() -> None:
    (same,) = page(collection(gauge("m", number(1), number(1)))).withheld
    (other,) = page(collection(gauge("m", number(1), number(2)))).withheld
    assert (same.refused, other.refused) == (False, True)


def test_a_counter_whose_openmetrics_name_is_taken_keeps_its_series() -> None:
    data = collection(
        gauge("jobs", number(1)), counter("jobs", number(2)), gauge("n.created", number(5)), counter("n", number(3))
    )
    shown = page(data, OPENMETRICS, PLAIN)
    assert shown.withheld == []
    assert "# TYPE jobs gauge\njobs 1\n# TYPE jobs_total unknown\njobs_total 2\n" in shown.text
    assert shown.text.count("n_created") == 2, "the gauge's metadata and sample"


def test_metrics_of_a_prometheus_page_keep_their_names_and_types() -> None:
    def of_page(name: str, kind: str, point: Any) -> MetricWithMetadata:
        return MetricWithMetadata(name, "", "", gauge("", point).data, ((PROMETHEUS_TYPE, kind),))

    data = collection(
        of_page("up:rate", "unknown", number(1)), of_page("build_info", "info", number(1, v="2")), resource=BARE
    )
    assert page(data, OPENMETRICS).text == (
        '# TYPE up:rate unknown\nup:rate 1\n# TYPE build info\nbuild_info{v="2"} 1\n# EOF\n'
    )
    assert page(data).text == '# TYPE up:rate untyped\nup:rate 1\n# TYPE build_info gauge\nbuild_info{v="2"} 1\n'


def test_several_resources_are_told_apart_by_job_and_instance() -> None:
    resources = [
        Resource({"service.name": "shop", "service.instance.id": number, "host": f"h{number}"}) for number in "12"
    ]
    data = MetricsData(
        [ResourceMetrics(each, [ScopeMetrics(SCOPE, [gauge("m", number(1))], "")], "") for each in resources]
    )
    shown = page(data, TEXT, PageEncoding(scope_labels=False))
    assert shown.withheld == []
    assert shown.text == (
        "# HELP target_info Target metadata\n# TYPE target_info gauge\n"
        'target_info{host="h1",instance="1",job="shop"} 1\ntarget_info{host="h2",instance="2",job="shop"} 1\n'
        '# TYPE m gauge\nm{instance="1",job="shop"} 1\nm{instance="2",job="shop"} 1\n'
    )


def test_an_exponential_histogram_is_native_in_protobuf() -> None:
    data = collection(exponential("size", 9, Buckets(-3, [1, 2, 0, 0, 5]), Buckets(4, [1]), zeros=2))
    (message,) = messages(page(data, PROTOBUF, PLAIN).body)
    native = message.metric[0].histogram
    assert (message.type, native.schema, native.sample_count, native.sample_sum) == (4, 8, 11, 1.5)
    assert (native.zero_threshold, native.zero_count, len(native.bucket)) == (1e-128, 2, 0)
    # Indices -3 to 1 at scale 9 are -2 (1), -1 (2 + 0), 0 (0 + 5) at scale 8; Prometheus' are one higher.
    assert [(span.offset, span.length) for span in native.positive_span] == [(-1, 3)]
    assert list(native.positive_delta) == [1, 1, 3]
    assert [(span.offset, span.length) for span in native.negative_span] == [(3, 1)]
    assert list(native.negative_delta) == [1]
    assert (native.start_timestamp.seconds, native.start_timestamp.nanos) == divmod(START, 10**9)


@pytest.mark.parametrize(
    ("form", "scale", "native"),
    [(TEXT, 3, True), (OPENMETRICS, 3, True), (PROTOBUF, 3, False), (PROTOBUF, -5, True)],
)
def test_elsewhere_an_exponential_histogram_is_its_count_and_sum(form: Form, scale: int, native: bool) -> None:
    encoding = PageEncoding(target_info=False, scope_labels=False, native_histograms=native, created=False)
    shown = page(collection(exponential("size", scale, Buckets(0, [1, 2]), a=1)), form, encoding)
    assert shown.withheld == []
    labels = {("a", "1")}
    assert read(shown.body, form) == {
        ("size_bucket", frozenset({*labels, ("le", "+Inf")})): 3.0,
        ("size_sum", frozenset(labels)): 1.5,
        ("size_count", frozenset(labels)): 3.0,
    }


def test_a_counter_in_protobuf_has_its_start_and_exemplar() -> None:
    data = collection(
        counter("n", number(2, exemplars=[exemplar(1.0)]), number(3, a=1, start=0), unit="s", text="Help.")
    )
    (message,) = messages(page(data, PROTOBUF, PLAIN).body)
    assert (message.name, message.help, message.type, message.unit) == ("n_seconds_total", "Help.", 0, "seconds")
    first, second = (metric.counter for metric in message.metric)
    assert (first.value, first.exemplar.value, first.start_timestamp.seconds) == (2.0, 1.0, START // 10**9)
    assert (second.value, second.HasField("exemplar"), second.HasField("start_timestamp")) == (3.0, False, False)


def test_the_settings_reach_the_page() -> None:
    def shown(accept: str, **options: Any) -> bytes:
        exporter = PrometheusExporter(PrometheusSettings(**options))
        data = collection(counter("a.b", number(1)), exponential("e", 0, Buckets(0, [1])))
        return b"".join(part for part in exporter.page(list(groups(data)), accept)[1] if isinstance(part, bytes))

    openmetrics, protobuf = OPENMETRICS.content_type, PROTOBUF.content_type
    options = {"created": False, "scope_labels": False, "target_info": False, "translation_strategy": "NoTranslation"}
    assert shown(openmetrics, **options) == (
        b'# TYPE a_b unknown\na_b 1\n# TYPE e histogram\ne_bucket{le="+Inf"} 1\ne_sum 1.5\ne_count 1\n# EOF\n'
    )
    assert b"_created" in shown(openmetrics)
    assert shown(protobuf) != shown(protobuf, native_histograms=False)


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS, PROTOBUF], ids=lambda form: form.syntax)
def test_a_large_page_comes_in_pieces_and_needs_little_memory(form: Form) -> None:
    data = Data(20_000)
    encoding = PageEncoding()
    collections = [list(groups(data.collect(number))) for number in range(3)]
    for given in collections[:2]:
        pieces = list(encoding.page(given, form))
    assert max(map(len, pieces)) < 300_000  # type: ignore[arg-type]
    assert len(pieces) > 20
    del pieces
    tracemalloc.start()
    try:
        encoded = 0
        for piece in encoding.page(collections[2], form):
            encoded += len(piece)  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert encoded > 2_000_000
    assert peak < 3 * 2**20


def test_scrapes_side_by_side_get_whole_pages() -> None:
    encoding = PageEncoding()
    given = list(groups(Data(3_000).collect(0)))
    whole = b"".join(encoding.page(given, TEXT))  # type: ignore[arg-type]
    pages: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: pages.append(b"".join(encoding.page(given, TEXT))))
        for _ in range(4)  # type: ignore[arg-type]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pages == [whole] * 4


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize("strategy", ["UnderscoreEscapingWithSuffixes", "NoTranslation"])
def test_promtool_reads_the_page_of_the_sample(strategy: TranslationStrategy) -> None:
    """Promtool's parser is the one that Prometheus' own tools share; what it says of names is a matter of taste."""
    shown = page(sample("abc", 1_764_000_000.0, thorough=True).data, TEXT, PageEncoding(translation_strategy=strategy))
    assert shown.withheld == []
    ran = subprocess.run(
        ["promtool", "check", "metrics"], input=shown.body, capture_output=True, timeout=30, check=False
    )
    assert ran.returncode in (0, 3), ran.stderr  # 3: advice
    assert b"error while linting" not in ran.stderr
