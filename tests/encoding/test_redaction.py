"""Attributes pass one place: rules drop, mask, hash and keep them, of points, scopes, resources and exemplars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics._internal.exemplar.exemplar import Exemplar
from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.conformance.points import payloads_of
from magictel.encoding.redaction import COLLISION, REDACTED, Redaction, Rules
from magictel.model.metrics import Attributes, NumberPoints, groups
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
    passed = list(Redaction(Rules())(given))
    assert all(piece is other for piece, other in zip(given, passed, strict=True))


def test_patterns_redact_values_and_drop_keys_everywhere() -> None:
    point, exemplar, scope, resource = redacted(Redaction(Rules(["http.request.header.*"], ["user.*"])))
    assert point == {"http.request.header.authorization": "***", "shop": "a"}
    assert exemplar == {"http.request.header.authorization": "***"}
    assert scope == {"lib": "x"}
    assert resource == {"service.name": "shop"}


def test_a_key_that_is_dropped_and_redacted_is_dropped() -> None:
    assert redacted(Redaction(Rules(["user.*"], ["user.*"])))[3] == {"service.name": "shop"}


def test_the_same_attributes_come_out_as_the_same_object_so_that_layouts_hold() -> None:
    redaction = Redaction(Rules(["user.*"]))
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
    redaction = Redaction(Rules(["host.name"], ["gone"]))
    attributes = redaction.attributes({"a": inner, "b": [inner, [inner]], "c": ["x", 1]})
    clean = {"host.name": "***", "kept": 1}
    assert attributes == {"a": clean, "b": [clean, [clean]], "c": ["x", 1]}


SHOP = Resource({"service.name": "shop"})


def points_with(*attribute_sets: dict[str, Any]) -> MetricsData:
    gauge = Gauge([NumberDataPoint(attributes, 1, 2, 3.0) for attributes in attribute_sets])
    scopes = [ScopeMetrics(InstrumentationScope("app"), [Metric("load", "", "", gauge)], "")]
    return MetricsData([ResourceMetrics(SHOP, scopes, "")])


def sent(rules: Rules, *attribute_sets: dict[str, Any]) -> list[Attributes]:
    return [
        point.attributes or {}
        for group in Redaction(rules)(groups(points_with(*attribute_sets)))
        for point in group.points
    ]


def test_by_default_every_exporter_masks_what_is_surely_secret(caplog: pytest.LogCaptureFixture) -> None:
    exporter = LinesExporter(ExporterSettings())
    bodies = [b"".join(payload.body for payload in payloads_of(exporter, data())) for _ in range(2)]
    assert all(b"s3cr3t" not in body and b"ada" in body for body in bodies)
    assert exporter.redaction.counts == {"names": 4}  # of two collections a point and its exemplar
    messages = [record.getMessage() for record in caplog.records]
    assert [message.partition(":")[0] for message in messages] == [REDACTED]
    assert "http.request.header.authorization" in messages[0]
    assert "s3cr3t" not in messages[0]


def test_every_shape_can_be_switched_off() -> None:
    attributes = {"password": "hunter2", "url": "http://ada:hunter2@h/"}
    assert sent(Rules(), attributes) == [attributes]


def test_a_kept_attribute_is_never_changed() -> None:
    attributes = {"license.key": "A1-B2", "user.name": "ada"}
    assert sent(Rules(["*"], ["user*"], ["*"], ["license.*", "user.name"], ["names"]), attributes) == [attributes]


def test_a_hash_is_the_same_for_the_same_value_and_salt_only() -> None:
    first, second, other = sent(Rules(hashed=["user"], salt="a"), {"user": "ada"}, {"user": "ada"}, {"user": "bob"})
    (salted,) = sent(Rules(hashed=["user"], salt="b"), {"user": "ada"})
    assert first == second
    assert len({first["user"], other["user"], salted["user"]}) == 3
    assert str(first["user"]).startswith("hash:")
    assert sent(Rules(hashed=["ids"], salt="a"), {"ids": ["ada", 1]})[0]["ids"][0] == first["user"]


def test_a_shape_is_hashed_or_dropped_on_request() -> None:
    attributes = {"url": "http://ada:hunter2@h/", "shop": "a"}
    hashed = sent(Rules(shapes=["urls"], action="hash", salt="a"), attributes)[0]["url"]
    assert hashed.startswith("http://ada:hash:")
    assert hashed.endswith("@h/")
    assert sent(Rules(shapes=["urls"], action="drop"), attributes) == [{"shop": "a"}]


def test_a_pattern_of_the_user_is_masked_inside_a_value_and_in_lists() -> None:
    rules = Rules(patterns=["EMP-[0-9]+"])
    assert sent(rules, {"who": "EMP-17 logged in"}) == [{"who": "*** logged in"}]
    assert sent(rules, {"who": ["EMP-17", "ada"]}) == [{"who": ["***", "ada"]}]


def test_attributes_without_secrets_pass_as_the_same_objects_with_one_list_for_all_collections() -> None:
    redaction = Redaction(Rules(shapes=["names", "tokens", "urls", "cards"]))
    attributes = {"shop": "a", "codes": ["x", "y"]}
    first, second = (next(iter(redaction(groups(points_with(attributes))))) for _ in range(2))
    assert first.points[0].attributes is attributes
    assert first.attributes is second.attributes is not None


def test_new_attributes_of_a_known_metric_are_searched_too() -> None:
    redaction = Redaction(Rules(shapes=["names"]))
    for attributes, redacted in (({"shop": "a"}, {"shop": "a"}), ({"password": "x"}, {"password": "***"})):
        (group,) = redaction(groups(points_with(attributes)))
        assert group.points[0].attributes == redacted


def test_attributes_with_as_many_keys_as_others_are_searched_where_their_keys_differ() -> None:
    rules = Rules(redact=["header"], keep=["kept", "shop"])
    shop, header = {"kept": 1, "shop": "a"}, {"kept": 1, "header": SECRET}
    assert sent(rules, shop, header) == [shop, {"kept": 1, "header": "***"}]


def test_a_card_number_is_found_after_a_number_equal_to_it() -> None:
    number, card = {"n": 4111111111111111.0}, {"n": 4111111111111111}
    rules = Rules(shapes=["cards"])
    assert sent(rules, number, card) == [number, {"n": "***"}]
    redaction = Redaction(rules)
    for attributes, redacted in ((number, number), (card, {"n": "***"})):
        (group,) = redaction(groups(points_with(attributes)))
        assert group.points[0].attributes == redacted


def test_columns_of_a_recording_stay_columns() -> None:
    points = NumberPoints([{"password": "x"}, {"shop": "a"}], [1, 1], [2, 2], [3, 4])
    metric = Metric("load", "", "", Gauge(points))
    collection = MetricsData(
        [ResourceMetrics(Resource({}), [ScopeMetrics(InstrumentationScope("app"), [metric], "")], "")]
    )
    (group,) = Redaction(Rules(shapes=["names"]))(groups(collection))
    assert isinstance(group.points, NumberPoints)
    assert group.points.attributes == [{"password": "***"}, {"shop": "a"}]


def test_series_that_become_one_are_counted_and_named_and_a_hash_keeps_them_apart() -> None:
    notices: list[tuple[str, str]] = []
    three = [{"user": name, "shop": "a"} for name in ("ada", "bob", "eve")]
    for rules, merged in ((Rules(["user"]), 2), (Rules(drop=["user"]), 2), (Rules(hashed=["user"], salt="s"), 0)):
        notices.clear()
        redaction = Redaction(rules, lambda code, message: notices.append((code, message)))
        for _ in range(2):
            list(redaction(groups(points_with(*three))))
        assert redaction.counts["redaction-collision"] == merged
        assert [code for code, _ in notices] == [COLLISION][: bool(merged)]
        assert not notices or "load" in notices[0][1]


def test_a_repeated_series_is_no_collision() -> None:
    redaction = Redaction(Rules(["user"]))
    list(redaction(groups(points_with({"user": "ada"}, {"user": "ada"}))))
    assert redaction.counts == {"redact_attributes": 2}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"hash_attributes": ["user"]}, "hash_attributes"),
        ({"redact_with": "hash"}, "redact_with"),
        ({"redact_shapes": ["passwords"]}, "redact_shapes"),
        ({"redact_patterns": ["("]}, "redact_patterns"),
        ({"redact_patterns": ["x{99999999999999999999}"]}, "redact_patterns"),
        ({"redact_patterns": ["(" * 2000 + ")" * 2000]}, "redact_patterns"),
        ({"redact_patterns": ["(EMP-[0-9]+)?"]}, "redact_patterns"),
    ],
)
def test_a_setting_that_cannot_work_is_a_problem(values: dict[str, Any], key: str) -> None:
    assert [problem[0] for problem in ExporterSettings(**values).problems()] == [key]


def test_no_warning_of_python_reaches_the_user(recwarn: pytest.WarningsRecorder) -> None:
    assert not list(ExporterSettings(redact_patterns=["[[a]"]).problems())
    assert not recwarn


@pytest.mark.parametrize(("rules", "merged"), [(Rules(drop=["host.*"]), 1), (Rules(hashed=["host.*"], salt="s"), 0)])
@pytest.mark.parametrize("where", ["resource", "scope"])
def test_resources_and_scopes_that_become_one_are_counted_and_named(rules: Rules, merged: int, where: str) -> None:
    notices: list[tuple[str, str]] = []
    redaction = Redaction(rules, lambda code, message: notices.append((code, message)))
    for _ in range(2):
        collection = MetricsData([])
        for host in ("a", "b", "a"):
            data = points_with({"shop": "a"})
            attributes = {"host.name": host}
            ((scope,),) = [resource.scope_metrics for resource in data.resource_metrics]
            if where == "scope":
                scope = replace(scope, scope=InstrumentationScope("app", attributes=attributes))
                attributes = {}
            collection.resource_metrics.append(ResourceMetrics(Resource(attributes), [scope], ""))  # type: ignore[union-attr]
        list(redaction(groups(collection)))
    assert redaction.counts["redaction-collision"] == merged
    assert [code for code, _ in notices] == [COLLISION] * merged
    assert all("several resources or scopes" in message for _, message in notices)
