"""Names on the page: the four translation strategies, then the scraper's escaping."""

from __future__ import annotations

from typing import Any

import pytest

from magictel.exporters.prometheus.names import PageNames
from magictel.formats.prometheus.escaping import SCHEMES, Escaping, escaped_label_name, escaped_metric_name
from magictel.formats.prometheus.names import TranslationStrategy
from magictel.model.metrics import Kind, Stream

WITH, WITHOUT = "UnderscoreEscapingWithSuffixes", "UnderscoreEscapingWithoutSuffixes"
UTF8, RAW = "NoUTF8EscapingWithSuffixes", "NoTranslation"


def stream(name: str, unit: str = "", kind: Kind = Kind.GAUGE, *, monotonic: bool = False, **more: Any) -> Stream:
    scope = {"scope_name": "", "scope_version": "", "scope_attributes": {}, "scope_schema_url": ""} | more
    return Stream(name, unit, "", kind, None, monotonic, {}, "", **scope)


@pytest.mark.parametrize(
    ("name", "unit", "monotonic", "names"),
    [
        ("w.ga.größe", "ms", False, ("w_ga_gr_e_milliseconds", "w_ga_gr_e", "w.ga.größe_milliseconds", "w.ga.größe")),
        ("requests", "{request}", True, ("requests_total", "requests", "requests_total", "requests")),
        ("a.total", "By", True, ("a_bytes_total", "a_total", "a_bytes_total", "a.total")),
        ("speed", "m/s", False, ("speed_meters_per_second", "speed", "speed_meters_per_second", "speed")),
        ("used.ratio", "1", False, ("used_ratio", "used_ratio", "used_ratio", "used.ratio")),
        ("io.bytes", "By", False, ("io_bytes", "io_bytes", "io.bytes", "io.bytes")),
        ("1st", "", False, ("_1st", "_1st", "1st", "1st")),
        ("…", "", False, (None, None, "…", "…")),
    ],
)
def test_the_four_strategies_name_metrics_as_prometheus_does(
    name: str, unit: str, monotonic: bool, names: tuple[str | None, ...]
) -> None:
    kind = Kind.SUM if monotonic else Kind.GAUGE
    strategies: tuple[TranslationStrategy, ...] = (WITH, WITHOUT, UTF8, RAW)
    given = stream(name, unit, kind, monotonic=monotonic)
    assert tuple(PageNames(strategy, "allow-utf-8").name(given) for strategy in strategies) == names


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("a.b_c", {"allow-utf-8": "a.b_c", "underscores": "a_b_c", "dots": "a_dot_b__c", "values": "U__a_2e_b__c"}),
        ("plain_name", {"allow-utf-8": "plain_name", "underscores": "plain_name", "dots": "plain__name", "values": "plain_name"}),
        ("1st", {"allow-utf-8": "1st", "underscores": "_st", "dots": "__st", "values": "U___31_st"}),
        ("größe", {"allow-utf-8": "größe", "underscores": "gr__e", "dots": "gr____e", "values": "U__gr_f6__df_e"}),
        ("a:b", {"allow-utf-8": "a:b", "underscores": "a:b", "dots": "a:b", "values": "a:b"}),
    ],
)  # fmt: skip
def test_the_schemes_escape_as_prometheus_does(name: str, escaped: dict[str, str]) -> None:
    assert {scheme: escaped_metric_name(name, scheme) for scheme in SCHEMES.values()} == escaped


def test_a_label_has_no_colon_as_prometheus_2_refuses_it() -> None:
    schemes: tuple[Escaping, ...] = ("underscores", "values", "allow-utf-8")
    assert [escaped_label_name("a:b", scheme) for scheme in schemes] == ["a_b", "U__a_3a_b", "a:b"]


@pytest.mark.parametrize("strategy", [WITH, WITHOUT, UTF8, RAW])
def test_what_the_scraper_asks_for_overrides_the_strategy(strategy: TranslationStrategy) -> None:
    names = PageNames(strategy, "underscores")
    given = stream("a.b", scope_name="my scope", scope_attributes={"x.y": 1})
    assert (names.name(given) or "").startswith("a_b")
    assert names.named(given)("http.route") == "http_route"
    assert names.fixed(given) == {"otel_scope_name": "my scope", "otel_scope_x_y": "1"}


def test_without_translation_keys_stay_as_they_are() -> None:
    names = PageNames(RAW, "allow-utf-8")
    given = stream("a.b", scope_name="s", scope_attributes={"x.y": 1})
    assert names.named(given)("http.route") == "http.route"
    assert names.fixed(given) == {"otel_scope_name": "s", "otel_scope_x.y": "1"}
    assert names.resource_labels({"service.name": "shop", "ok": True}) == {"service.name": "shop", "ok": "true"}


def test_one_resource_is_the_target_and_several_have_job_and_instance() -> None:
    resource = {"service.namespace": "n", "service.name": "shop", "service.instance.id": "i", "host.name": "h"}
    alone, several = PageNames(), PageNames(several=True)
    assert alone.target_labels(resource) == {}
    assert alone.resource_labels(resource) == {
        "service_namespace": "n",
        "service_name": "shop",
        "service_instance_id": "i",
        "host_name": "h",
    }
    assert several.target_labels(resource) == {"job": "n/shop", "instance": "i"}
    assert several.resource_labels(resource) == {"job": "n/shop", "instance": "i", "host_name": "h"}
