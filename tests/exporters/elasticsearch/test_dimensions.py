"""What a time-series index takes for one: pairs of values, as Elasticsearch 8.19 and 9.2 answered to them (tests/real asks again)."""

from __future__ import annotations

from typing import Any

import pytest

from magictel.exporters.elasticsearch.dimensions import Dimensions, dimensions_of, leaves_of

DIMENSION = {"time_series_dimension": True}
FIELDS: dict[str, Any] = {
    "k": {"type": "keyword"},
    "short": {"type": "keyword", "ignore_above": 3},
    "null": {"type": "keyword", "null_value": "N"},
    "l": {"type": "long"},
    "f": {"type": "float"},
    "d": {"type": "double"},
    "b": {"type": "boolean"},
    "ip": {"type": "ip"},
}
MAPPING: dict[str, Any] = {
    "dynamic_templates": [{"made": {"path_match": "made.*", "mapping": {"type": "keyword", **DIMENSION}}}],
    "properties": {
        "name": {"type": "keyword", **DIMENSION},
        "a": {
            "properties": {
                **{name: {**field, **DIMENSION} for name, field in FIELDS.items()},
                "sub": {"type": "text", "fields": {"s": {"type": "keyword", **DIMENSION}}},
                "copied": {"type": "keyword", "copy_to": "name"},
                "routed": {"type": "long", **DIMENSION},
                "plain": {"type": "keyword"},
            }
        },
        "p": {
            "type": "passthrough",
            "priority": 10,
            **DIMENSION,
            "properties": {"s": {"type": "keyword", **DIMENSION}, "date": {"type": "date"}},
        },
        "flat": {"type": "flattened", "time_series_dimensions": ["x"]},
        "off": {"type": "object", "enabled": False},
        "value": {"type": "double", "time_series_metric": "gauge"},
        "count": {"type": "long", "time_series_metric": "gauge"},
    },
}
ABSENT: dict[str, Any] = {}


def a(**fields: Any) -> dict[str, Any]:
    return {"a": fields}


# One document, another, and whether an index by routing path and one by index.dimensions take them for one.
PAIRS: dict[str, tuple[Any, Any, bool, bool]] = {
    "a number and its text": (a(k=1), a(k="1"), True, False),
    "true and its text": (a(k=True), a(k="true"), True, False),
    "decimal and its text": (a(k=1.0), a(k="1.0"), True, False),
    "decimal and whole": (a(k=1.0), a(k=1), False, False),
    "empty and absent": (a(k=""), ABSENT, False, False),
    "null and absent": (a(k=None), ABSENT, True, True),
    "empty list and absent": (a(k=[]), ABSENT, True, True),
    "list of one": (a(k=["x"]), a(k="x"), True, True),
    "order of a list": (a(k=["x", "y"]), a(k=["y", "x"]), False, False),
    "repeat in a list": (a(k=["x", "x"]), a(k="x"), False, False),
    "null_value": (a(null=None), ABSENT, False, True),
    "null_value written": (a(null=None), a(null="N"), True, False),
    "beyond ignore_above": (a(short="xxxx"), a(short="yyyy"), True, False),
    "within ignore_above": (a(short="xxx"), a(short="yyy"), False, False),
    "long: text": (a(l=1), a(l="1"), True, False),
    "long: decimal": (a(l=1), a(l=1.7), True, False),
    "long: leading zero": (a(l=1), a(l="01"), True, False),
    "long: exponent": (a(l="1e3"), a(l=1000), True, False),
    "long: 64 bits": (a(l="9007199254740993"), a(l=9007199254740993), True, False),
    "long: others": (a(l=9007199254740993), a(l=9007199254740992), False, False),
    "long: empty": (a(l=""), ABSENT, True, False),
    "long: a text of many digits": (a(l="1e999999999"), a(l="2e999999999"), False, False),
    "a routed long's text counts": (a(routed=1), a(routed=1.0), False, False),
    "a routed long and its text": (a(routed=1), a(routed="1"), True, False),
    "double: whole part": (a(d=1.2), a(d=1.7), True, False),
    "double: another whole": (a(d=1.2), a(d=2.2), False, False),
    "float: rounded up": (a(f=0.99999999999), a(f=1), True, False),
    "boolean: text": (a(b=True), a(b="true"), True, False),
    "boolean: empty": (a(b=False), a(b=""), True, False),
    "address: spelling": (a(ip="::1"), a(ip="0:0:0:0:0:0:0:1"), True, False),
    "address: v4 in v6": (a(ip="::ffff:1.2.3.4"), a(ip="1.2.3.4"), True, False),
    "passthrough: new": (ABSENT | {"p": {"new": "x"}}, {"p": {"new": "y"}}, False, False),
    "passthrough: types": ({"p": {"new": 1}}, {"p": {"new": "1"}}, True, False),
    "passthrough: date": ({"p": {"date": "2020-01-01"}}, {"p": {"date": "2021-01-01"}}, True, False),
    "flattened: dimension": ({"flat": {"x": "1"}}, {"flat": {"x": "2"}}, False, False),
    "flattened: other key": ({"flat": {"z": "1"}}, {"flat": {"z": "2"}}, True, True),
    "dots in keys": ({"a.k": "x"}, a(k="x"), True, True),
    "no dimension": (a(plain="x"), a(plain="y"), True, True),
    "not mapped": (a(new="x"), a(new="y"), True, True),
    "not enabled": ({"off": {"x": 1}}, {"off": {"x": 2}}, True, True),
    "multi-field": (a(sub="x"), a(sub="y"), False, True),
    "copy_to": (a(copied="x"), a(copied="y"), False, True),
    "made by a dynamic template": ({"made": {"x": "1"}}, {"made": {"x": "2"}}, False, True),
    "metrics": ({"value": 1.0}, {"count": 1}, True, True),
}
BY_SOURCE = [*(f"a.{name}" for name in (*FIELDS, "routed")), "name", "p.*", "flat.x"]


def index(by_source: bool, **settings: Any) -> Dimensions:
    routing = {"index.dimensions": BY_SOURCE} if by_source else {"index.routing_path": ["name", "a.routed"]}
    return dimensions_of({**routing, **settings}, MAPPING)


def same_identity(dimensions: Dimensions, first: dict[str, Any], second: dict[str, Any]) -> bool:
    first, second = ({"name": "n", **document} for document in (first, second))
    return dimensions.identity(leaves_of(first)) == dimensions.identity(leaves_of(second))


@pytest.mark.parametrize("by_source", [False, True], ids=["routing_path", "index.dimensions"])
@pytest.mark.parametrize("pair", PAIRS)
def test_what_the_index_takes_for_one(pair: str, by_source: bool) -> None:
    first, second, *same = PAIRS[pair]
    assert same_identity(index(by_source), first, second) is same[by_source]


@pytest.mark.parametrize("by_source", [False, True], ids=["routing_path", "index.dimensions"])
def test_which_metrics_a_document_holds_counts_in_later_indices(by_source: bool) -> None:
    later = index(by_source, **{"index.version.created": "9200000"})
    assert not same_identity(later, {"value": 1.0}, {"count": 1})
    assert same_identity(later, {"value": 1.0}, {"value": 2.0})
    assert same_identity(index(by_source, **{"index.version.created": "9039001"}), {"value": 1.0}, {"count": 1})


def test_equal_indices_are_equal() -> None:
    assert index(False) == index(False)
    assert index(False) != index(False, **{"index.routing_path": ["name"]})
    assert index(True) == index(True)
