"""Backends with an OTLP receiver: the address, the header of the key and the temporality of each, as values of options.

Sources: docs.newrelic.com (OTLP endpoint), docs.datadoghq.com (OTLP metrics intake), docs.honeycomb.io, docs.dynatrace.com (OpenTelemetry
metrics ingest API), elastic.co (Elasticsearch OTLP/HTTP endpoint), grafana.com (send OTLP data), and both servers that run on premises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Name = Literal[
    "newrelic-us",
    "newrelic-eu",
    "grafana-cloud",
    "datadog",
    "elastic",
    "prometheus",
    "victoriametrics",
    "honeycomb",
    "dynatrace",
]
_NEW_RELIC = {"api_key_header": "api-key", "temporality": "delta", "compression": "gzip", "max_batch_bytes": "1MB"}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "newrelic-us": {"url": "https://otlp.nr-data.net/v1/metrics", **_NEW_RELIC},
    "newrelic-eu": {"url": "https://otlp.eu01.nr-data.net/v1/metrics", **_NEW_RELIC},
    "grafana-cloud": {"compression": "gzip"},
    "datadog": {
        "url": "https://otlp.datadoghq.com/v1/metrics",
        "api_key_header": "dd-api-key",
        "temporality": "delta",
        "compression": "gzip",
    },
    "elastic": {"api_key_scheme": "ApiKey", "compression": "gzip"},
    "prometheus": {"url": "http://localhost:9090/api/v1/otlp/v1/metrics", "temporality": "cumulative"},
    "victoriametrics": {"url": "http://localhost:8428/opentelemetry/v1/metrics", "temporality": "cumulative"},
    "honeycomb": {
        "url": "https://api.honeycomb.io/v1/metrics",
        "api_key_header": "x-honeycomb-team",
        "compression": "gzip",
    },
    "dynatrace": {"api_key_scheme": "Api-Token", "temporality": "delta"},
}
"""Values in the form of the file, by preset; options that are set replace them."""

ADDRESSES: Mapping[str, str] = {
    "grafana-cloud": "https://otlp-gateway-prod-eu-west-2.grafana.net/otlp/v1/metrics",
    "elastic": "https://elasticsearch.example.net:9200/_otlp/v1/metrics",
    "dynatrace": "https://ENVIRONMENT.live.dynatrace.com/api/v2/otlp/v1/metrics",
}
"""Examples of the addresses that a preset cannot know: every customer has another."""

KEYS: Mapping[str, str] = {
    "newrelic-us": "a licence key",
    "newrelic-eu": "a licence key",
    "grafana-cloud": "the instance id as username, and a token as password",
    "datadog": "an API key",
    "elastic": "an API key with create_doc and auto_configure on metrics-*",
    "honeycomb": "an API key that may send events",
    "dynatrace": "a token with the scope metrics.ingest",
}
"""The credentials that a preset's backend needs."""


def key_problem(preset: str, key: str) -> tuple[str, str, str] | None:
    """Return the code, sentence and remedy of a key whose form shows that New Relic will refuse it (403, without a reason), or None."""
    if not preset.startswith("newrelic-"):
        return None
    if key.startswith(("NRAK-", "NRII-")):
        kind = "a user key, which may only read" if key.startswith("NRAK-") else "an insert key of an older API"
        message = f"api_key: it begins like {kind}, and OTLP needs a licence key"
        return "otlp.newrelic.key-type", message, "set the licence key: 40 characters that end in NRAL"
    european = key.startswith("eu01")
    if european != (preset == "newrelic-eu") and (european or key.endswith("NRAL")):
        region, other = ("EU", "newrelic-eu") if european else ("US", "newrelic-us")
        message = f"api_key: it is a key of the {region} region, and the preset is {preset}"
        return "otlp.newrelic.region", message, f'set preset = "{other}", or a key of the other region'
    return None
