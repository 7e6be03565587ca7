"""What OTLP receivers answer when they refuse, as tables: the Collector, Prometheus, and backends with an OTLP door.

The general retry table of OTLP/HTTP is `STATUSES`; these sentences differ from it (opentelemetry-collector receiver/otlpreceiver,
Prometheus storage/remote/write_handler.go).
"""

from __future__ import annotations

from magictel.catalogue.retry import RetryClass
from magictel.http.error_rules import Rule

RETRIED = frozenset({429, 502, 503, 504})
"""The statuses that OTLP/HTTP retries (opentelemetry.io/docs/specs/otlp, "Retryable Response Codes")."""
STATUSES = {408: False, 425: False, 499: False, **dict.fromkeys((500, 507, 520, 521, 522, 523, 524, 598, 599), False)}
"""How these differ from the general retry table: whether each is temporary."""

RULES: tuple[Rule, ...] = (
    Rule(
        "otlp.http.memory",
        "{status}: the Collector is short of memory and accepts no data: {said}",
        "give the Collector more memory, or raise its memory_limiter's limit; the points wait",
        RetryClass.AFTER_HEADER,
        statuses=(429, 503),
        text="high memory usage",
    ),
    Rule(
        "otlp.http.dynatrace-scheme",
        "{status}: the receiver does not accept this type of Authorization header: {said}",
        'send the type that it accepts; Dynatrace needs Authorization: Api-Token …, as in headers = {{ Authorization = "Api-Token …" }}',
        statuses=(401,),
        text="unsupported authorization scheme",
    ),
    Rule(
        "otlp.http.honeycomb-dataset",
        "{status}: the receiver needs the header x-honeycomb-dataset",
        'name the dataset: headers = {{ x-honeycomb-dataset = "…" }}, or OTEL_EXPORTER_OTLP_METRICS_HEADERS=x-honeycomb-dataset=…',
        statuses=(400, 401, 422),
        text="missing .?x-honeycomb-dataset",
    ),
    Rule(
        "otlp.too-large",
        "{status}: {said}",
        "lower max_batch_points, or raise the receiver's limit",
        RetryClass.SPLIT,
        statuses=(400, 413, 429),
        text="request body too large|larger than max|entity too large",
    ),
    Rule(
        "prom.otlp.delta",
        "{status}: a metric has delta temporality, and the receiver needs cumulative points",
        "set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative, or start Prometheus with"
        " --enable-feature=otlp-deltatocumulative",
        isolate=True,
        statuses=(400, 500),
        text="invalid temporality and type combination",
    ),
    Rule(
        "prom.otlp.time",
        "{status}: a sample is too old, in the future, or not newer than the last of its series: {said}",
        "let one process write a series, and correct the clock that is wrong",
        isolate=True,
        statuses=(400, 409, 422),
        text="out of order sample|out of bounds|too old sample|too far in the future|duplicate sample for timestamp",
    ),
    Rule(
        "prom.otlp.unstorable",
        "{status}: Prometheus cannot store a metric of the request: {said}",
        "give the metric a name with a letter; exponential histograms need a scale of at least -4",
        isolate=True,
        statuses=(400, 500),
        text="to native histogram|observations found in buckets|resulted in empty name|unsupported metric type",
    ),
    Rule(
        "prom.otlp.disabled",
        "404: this Prometheus' OTLP receiver is switched off",
        "start it with --web.enable-otlp-receiver",
        statuses=(404,),
        text="otlp write receiver needs to be enabled",
    ),
    Rule(
        "otlp.http.content-type",
        "{status}: the receiver reads the body in another encoding: {said}",
        "set protocol to http/protobuf, or ask what changes the header Content-Type on the way",
        statuses=(400, 500),
        text="json encoding isn't supported|failed to marshal error message",
    ),
    Rule(
        "otlp.http.content-type",
        "{status}: the receiver does not accept OTLP in protobuf: {said}",
        "use a receiver of OTLP over HTTP with protobuf, or ask what changes the header Content-Type on the way",
        statuses=(415,),
    ),
)
