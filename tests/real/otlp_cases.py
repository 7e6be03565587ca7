"""OTLP requests by a seed, one metric each: names, units, keys and values in every spelling that people write."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

_NAMES = [
    "requests", "http.server.request.duration", "a..b", "a__b", "_lead", "__two", "trail_", "2xx", "9.lives", "größe", "…", "a:b",
    "cpu%", "with space", "disk/io", "total", "total.count", "x.total.y", "bytes", "mem.bytes", "rate_per_second", "ratio",
    "utilization.ratio", "seconds.total", "per.second", "a-b-c", "UPPER.Case", "x_total", "x_ratio_total", "日本", "é1", "a.seconds",
    "_", "__", "__name__", "sum", "count", "bucket", "a_bucket", "a.count", "0", "_1", "a\tb", "emoji.🙂.x", "queue{depth}",
]  # fmt: skip
_UNITS = [
    "", "1", "s", "ms", "us", "ns", "min", "h", "d", "By", "KiBy", "MiBy", "KBy", "By/s", "By/m", "m/s", "1/s", "{request}", "{request}/s",
    "{request}/{second}", "%", "Cel", "Hz", "V", "foo", "foo/bar", "foo/s", "foo bar", "/s", "s/", "/", "m/", " s ",
    "a_b/c_d", "Größe", "µs",
    "By/s/s", "_x", "x_", "per", "{a}b", "%/s", "10^3.m", "ratio", "total", "GBy/h", "W/mo", "g/y",
]  # fmt: skip
_KEYS = [
    "http.route", "a", "a.b", "a..b", "a_b", "a__b", "_a", "__a", "__a__", "__a.b__", "a_", "1st", "9", "größe", "k-v", "x:y", "UP", "a b",
    "tenant/id", "trailing.", ".leading", "a___b", "日本x", "é1", "x.é.y", "__a.b", "a.b__", "__a__b__", "_1", "otel.scope.name", "__1__",
]  # fmt: skip
_VALUES: list[Any] = [
    {"stringValue": "x"}, {"stringValue": 'größe "q" \\ \n'}, {"stringValue": ""}, {"boolValue": True}, {"intValue": "7"},
    {"intValue": "-9007199254740993"}, {"doubleValue": 0.5}, {"doubleValue": 2.0}, {"doubleValue": 1e-7}, {"doubleValue": 1e16},
    {"doubleValue": 1e21}, {"doubleValue": 1.5e300}, {"doubleValue": 0.000001}, {"doubleValue": -0.0}, {"doubleValue": 123456789.125},
    {"arrayValue": {"values": [{"stringValue": "<a&b>"}, {"intValue": "1"},
     {"doubleValue": 2.0}, {"doubleValue": 1e-9}, {"boolValue": False}]}},
    {"kvlistValue": {"values": [{"key": "z", "value": {"intValue": "1"}}, {"key": "a", "value": {"arrayValue": {"values": []}}}]}},
    {"bytesValue": "AP8="}, {"arrayValue": {"values": [{"bytesValue": "AP8="}, {}]}}, {"stringValue": "a;b"}, {},
]  # fmt: skip
_SCOPES: list[dict[str, Any]] = [
    {}, {"name": "lib"}, {"name": "lib", "version": "1.2"}, {"version": "9"},
    {"name": "lib", "attributes": [{"key": "a..b", "value": {"intValue": "7"}}, {"key": "name", "value": {"stringValue": "other"}}]},
]  # fmt: skip


def cases(count: int, seed: int, job: str, time: int) -> Iterator[dict[str, Any]]:
    """Requests whose resource names the case in `service.instance.id`."""
    chance = random.Random(seed)
    for number in range(count):
        yield _request(chance, number, job, time)


def _request(chance: random.Random, number: int, job: str, time: int) -> dict[str, Any]:
    resource = {"service.name": {"stringValue": job}, "service.instance.id": {"stringValue": f"case-{number}"}}
    if chance.random() < 0.3:
        resource["service.namespace"] = {"stringValue": chance.choice(["shop", "", "a/b"])}
    for key in chance.sample(_KEYS, chance.choice([0, 0, 1, 3])):
        resource[key] = chance.choice(_VALUES)
    name = ".".join(chance.sample(_NAMES, chance.choice([1, 1, 2])))
    metric = {"name": name, "unit": chance.choice(_UNITS), "description": "d", **_data(chance, time)}
    scope = {
        "scope": chance.choice(_SCOPES),
        "metrics": [metric],
        "schemaUrl": chance.choice(["", "https://a.example/1.2"]),
    }
    return {"resourceMetrics": [{"resource": {"attributes": _pairs(resource)}, "scopeMetrics": [scope]}]}


def _data(chance: random.Random, time: int) -> dict[str, Any]:
    points = [
        {"attributes": _pairs(_attributes(chance)), "startTimeUnixNano": str(time - 10**9), "timeUnixNano": str(time)}
    ]
    kind = chance.choice(["gauge", "counter", "updown", "histogram", "summary"])
    for point in points:
        if kind == "histogram":
            bounds = chance.choice([[], [0.005, 1.0, 2.5], [1e-7, 100.0, 1e21], [-1.5, 0.0]])
            counts = [chance.randrange(9) for _ in range(len(bounds) + 1)]
            point |= {"explicitBounds": bounds, "bucketCounts": list(map(str, counts)), "count": str(sum(counts))}
            if chance.random() < 0.8:
                point["sum"] = 4.25
        elif kind == "summary":
            quantiles = chance.sample([0.0, 0.5, 0.9, 0.99, 0.9999999, 1.0], chance.randrange(4))
            point |= {"count": "5", "sum": 1.5, "quantileValues": [{"quantile": q, "value": q + 1} for q in quantiles]}
        elif chance.random() < 0.5:
            point["asInt"] = str(chance.choice([0, 3, -4, 2**53 + 1]))
        else:
            point["asDouble"] = chance.choice([0.1, -0.0, 1e300, 5e-324])
    match kind:
        case "gauge" | "summary":
            return {kind: {"dataPoints": points}}
        case "histogram":
            return {kind: {"dataPoints": points, "aggregationTemporality": 2}}
    return {"sum": {"dataPoints": points, "aggregationTemporality": 2, "isMonotonic": kind == "counter"}}


def _attributes(chance: random.Random) -> dict[str, Any]:
    return {key: chance.choice(_VALUES) for key in chance.sample(_KEYS, chance.randrange(5))}


def _pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in attributes.items()]
