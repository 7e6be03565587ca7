"""Attributes pass one place: patterns drop keys and mask values, of points, scopes, resources and exemplars."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics._internal.exemplar.exemplar import Exemplar
from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.conformance.points import payloads_of
from magictel.encoding.redaction import Redaction
from magictel.model.metrics import Attributes, groups
from magictel.settings.model import ExporterSettings
from tests.delivery.lines import LinesExporter

SECRET = "Bearer s3cr3t"


def data() -> MetricsData:
    exemplar = Exemplar({"http.request.header.authorization": SECRET, "user.name": "ada"}, 1, 1, None, None)  # type: ignore[arg-type]
    attributes: dict[str, Any] = {"http.request.header.authorization": SECRET, "user.name": "ada", "shop": "a"}
    point = NumberDataPoint(attributes, 1, 2, 3, [exemplar])
    scope = InstrumentationScope("app", attributes={"user.name": "ada", "lib": "x"})
    resource = Resource({"user.name": "ada", "service.name": "shop"})
    return MetricsData(
        [ResourceMetrics(resource, [ScopeMetrics(scope, [Metric("load", "", "", Gauge([point]))], "")], "")]
    )


def redacted(redaction: Redaction) -> tuple[Attributes, Attributes, Attributes, Attributes]:
    (group,) = redaction(groups(data()))
    (point,) = group.points
    return (
        point.attributes or {},
        point.exemplars[0].filtered_attributes or {},
        group.stream.scope_attributes,
        group.stream.resource,
    )


def test_without_patterns_the_very_same_objects_pass() -> None:
    given = list(groups(data()))
    passed = list(Redaction()(given))
    assert all(piece is other for piece, other in zip(given, passed, strict=True))


def test_patterns_redact_values_and_drop_keys_everywhere() -> None:
    point, exemplar, scope, resource = redacted(Redaction(["http.request.header.*"], ["user.*"]))
    assert point == {"http.request.header.authorization": "***", "shop": "a"}
    assert exemplar == {"http.request.header.authorization": "***"}
    assert scope == {"lib": "x"}
    assert resource == {"service.name": "shop"}


def test_a_key_that_is_dropped_and_redacted_is_dropped() -> None:
    assert redacted(Redaction(["user.*"], ["user.*"]))[3] == {"service.name": "shop"}


def test_the_same_attributes_come_out_as_the_same_object_so_that_layouts_hold() -> None:
    redaction = Redaction(["user.*"])
    given = list(groups(data()))
    first, second = (next(iter(redaction(given))).points[0].attributes for _ in range(2))
    assert first is second


@pytest.mark.parametrize("option", ["redact_attributes", "drop_attributes"])
def test_every_exporter_s_bytes_and_dry_run_have_passed_it(option: str) -> None:
    exporter = LinesExporter(ExporterSettings(**{option: ["http.*", "user.*"]}))
    body = b"".join(payload.body for payload in payloads_of(exporter, data()))
    assert b"s3cr3t" not in body
    assert b"ada" not in body
    assert b"shop" in body


def test_attributes_within_a_value_are_scrubbed_like_those_beside_it() -> None:
    inner = {"host.name": "SECRET", "kept": 1, "gone": 2}
    redaction = Redaction(["host.name"], ["gone"])
    attributes = redaction.attributes({"a": inner, "b": [inner, [inner]], "c": ["x", 1]})
    clean = {"host.name": "***", "kept": 1}
    assert attributes == {"a": clean, "b": [clean, [clean]], "c": ["x", 1]}
