"""The form of the page by the scraper's Accept header, with headers that real scrapers send."""

from __future__ import annotations

import pytest

from magictel.exporters.prometheus.negotiation import Form, negotiate

PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_NATIVE = f"{PROTOBUF},application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=0.0.1;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)
TEXT = Form()


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
        ("text/plain", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", Form("text", "1.0.0", "allow-utf-8")),
        ("text/plain;version=9.0.0", TEXT),
        ("application/openmetrics-text", Form("openmetrics", "0.0.1")),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Form("openmetrics", "1.0.0")),
        ("Application/OpenMetrics-Text; Version=1.0.0", Form("openmetrics", "1.0.0")),
        ('application/openmetrics-text;version="1.0.0";escaping="dots"', Form("openmetrics", "1.0.0", "dots")),
        ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;version=1.0.0;escaping=values", Form("openmetrics", "1.0.0", "values")),
        ("application/openmetrics-text;version=1.0.0;escaping=runes", Form("openmetrics", "1.0.0")),
        ("text/plain;version=1.0.0;escaping=allow-utf8", Form("text", "1.0.0", "allow-utf-8")),
        ("application/openmetrics-text;version=1.0.0;q=0.1,text/plain;q=0.2", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0,text/plain;q=0.1", TEXT),
        ("text/plain;q=nonsense", TEXT),
        (PROTOBUF, Form("protobuf", "")),
        (PROTOBUF.replace("delimited", "text"), TEXT),
        (PROTOBUF.replace("io.prometheus", "io.other"), TEXT),
        (PROMETHEUS_2, Form("openmetrics", "1.0.0")),
        (PROMETHEUS_2_NATIVE, Form("protobuf", "")),
        (PROMETHEUS_3, Form("openmetrics", "1.0.0", "allow-utf-8")),
    ],
)
def test_a_scraper_gets_the_form_that_it_prefers(accept: str | None, form: Form) -> None:
    assert negotiate(accept) == form


def test_of_equal_weight_the_first_form_counts() -> None:
    assert negotiate("text/plain, application/openmetrics-text;version=1.0.0").syntax == "text"
    assert negotiate("application/openmetrics-text;version=1.0.0, text/plain").syntax == "openmetrics"


@pytest.mark.parametrize(
    ("form", "content_type"),
    [
        (TEXT, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
        (
            Form("openmetrics", "1.0.0", "allow-utf-8"),
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
        (
            Form("protobuf", "", "values"),
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=values",
        ),
    ],
)
def test_the_content_type_names_the_form(form: Form, content_type: str) -> None:
    assert form.content_type == content_type
    assert negotiate(content_type) == form
