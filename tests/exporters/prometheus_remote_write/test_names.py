"""Names against the table of prometheus/otlptranslator, where it is at hand, and the rules that table does not hold."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.formats.prometheus.names import (
    label_name,
    label_value,
    labels,
    metric_name,
)
from magictel.model.metrics import number_text

_TABLE = Path(__file__).parents[4] / "shared/data/otlp-prometheus-names/metric_namer_unit_cases.json"
_STRATEGIES = {  # strategy: (utf8, suffixes)
    "UnderscoreEscapingWithSuffixes": (False, True),
    "UnderscoreEscapingWithoutSuffixes": (False, False),
    "NoUTF8EscapingWithSuffixes": (True, True),
    "NoTranslation": (True, False),
}


def test_names_are_those_of_the_reference_table() -> None:
    if not _TABLE.exists():
        pytest.skip(f"the reference table is not here: {_TABLE}")
    cases = json.loads(_TABLE.read_text())
    assert len(cases) > 80
    wrong, compared = [], 0
    for case in cases:
        utf8, suffixes = _STRATEGIES.get(case["strategy"], (case["utf8"], case["suffixes"]))
        if utf8 or case["namespace"]:  # remote write 1.0 escapes names, and nothing of ours adds a namespace
            continue
        compared += 1
        name = metric_name(
            case["metric"],
            case["unit"],
            counter=case["type"] == "MetricTypeMonotonicCounter",
            gauge=case["type"] == "MetricTypeGauge",
            suffixes=suffixes,
        )
        if name != (case["want"] or None):
            wrong.append((case["metric"], case["unit"], name, case["want"]))
    assert wrong == []
    assert compared > 60


@pytest.mark.parametrize(
    ("metric", "unit", "counter", "gauge", "name"),
    [
        ("magictel.sample.requests", "{request}", True, False, "magictel_sample_requests_total"),
        ("magictel.sample.temperature", "Cel", False, True, "magictel_sample_temperature_celsius"),
        ("http.server.request.duration", "s", False, False, "http_server_request_duration_seconds"),
        ("system.network.io", "By/s", True, False, "system_network_io_bytes_per_second_total"),
        ("cpu.utilization", "1", False, True, "cpu_utilization_ratio"),
        ("größe", "", False, True, "gr_e"),
        ("2xx", "", True, False, "_2xx_total"),
        ("…", "", False, True, None),
        ("", "", False, True, None),
    ],
)
def test_a_metric_is_named_by_its_unit_and_kind(
    metric: str, unit: str, counter: bool, gauge: bool, name: str | None
) -> None:
    assert metric_name(metric, unit, counter=counter, gauge=gauge) == name


@pytest.mark.parametrize(
    ("key", "prometheus", "specification"),
    [  # as Prometheus 3 answered, with its defaults and with both of its label options off
        ("http.request.method", "http_request_method", "http_request_method"),
        ("a..b", "a__b", "a_b"),
        ("a--b__c", "a__b__c", "a_b_c"),
        ("1st", "key_1st", "key_1st"),
        ("_a", "key_a", "_a"),
        (".a", "key_a", "_a"),
        ("__a", "__a", "_a"),
        ("a.b__", "a_b__", "a_b_"),
        ("__a.b__", "__a_b__", "__a_b__"),
        ("__a__b__", "__a__b__", "__a_b__"),
        ("__name__", "__name__", "__name__"),
        ("größe", "gr__e", "gr_e"),
        # Prometheus refuses these; they are kept here
        ("", "key_", "key_"),
        ("ä", "key_", "key_"),
        ("__ä__", "key_____", "key_____"),
    ],
)
def test_a_label_is_named_by_its_key_and_by_the_rules_chosen(key: str, prometheus: str, specification: str) -> None:
    assert (label_name(key), label_name(key, "specification")) == (prometheus, specification)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("größe-α", "größe-α"),
        (True, "true"),
        (7, "7"),
        (0.5, "0.5"),
        (2.0, "2"),
        (["a", "ß"], '["a","ß"]'),
        ((1, 2.5, True), "[1,2.5,true]"),
        ([2.0, 1e-9, None, b"\xff", "<&>"], '[2,1e-9,null,"/w==","<&>"]'),
        ({"z": 1, "a": [True]}, '{"a":[true],"z":1}'),
        (1e-7, "1e-7"),
        (0.000001, "0.000001"),
        (1e16, "10000000000000000"),
        (1e21, "1e+21"),
        (-0.0, "-0"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (b"\x00\xff", "AP8="),
        (None, ""),
        ("half \ud800 pair", "half ��� pair"),
    ],
)
def test_a_label_holds_text(value: object, text: str) -> None:
    assert label_value(value) == text


def test_keys_that_become_one_name_have_their_values_joined() -> None:
    assert labels({"a.b": "1", "a_b": "2", "a-b": "0"}, ()) == {"a_b": "0;1;2"}


def test_a_name_that_is_needed_elsewhere_is_kept_beside_it() -> None:
    assert labels({"job": "mine", "le": "x", "__name__": "y"}, ("job", "__name__")) == {
        "exported_job": "mine",
        "le": "x",
        "exported___name__": "y",
    }


def test_an_empty_value_is_no_label() -> None:
    assert labels({"a": "", "b": None, "c": "x"}, ()) == {"c": "x"}
    assert labels({"a.b": "", "a_b": "x", "c.d": "", "c_d": ""}, ()) == {"a_b": "x"}
    assert labels({"a.b": "x", "a_b": ""}, ()) == {"a_b": "x;"}  # as Prometheus joins them


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.25, "0.25"),
        (5.0, "5"),
        (0.0, "0"),
        (1e-7, "0.0000001"),
        (1e21, "1" + "0" * 21),
        (float("inf"), "+Inf"),
        (100.0, "100"),
    ],
)
def test_bounds_are_written_without_exponent(number: float, text: str) -> None:
    assert number_text(number) == text


@given(st.dictionaries(st.text(max_size=6), st.one_of(st.text(), st.integers(), st.booleans(), st.floats(), st.none())))
def test_every_label_is_valid_and_never_empty(attributes: dict[str, object]) -> None:
    for name, value in labels(attributes, ("job", "instance", "__name__")).items():
        assert name.isascii()
        assert name.replace("_", "a").isalnum()
        assert not name[0].isdigit()
        assert name not in {"job", "instance", "__name__"}
        assert value
        value.encode()
