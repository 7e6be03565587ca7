"""As much PromQL as a read-back needs: selectors, with a range or without, and their results as the query API shows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from magictel.sandbox.prometheus_store import Labels, Sample, Store, is_stale

_LOOK_BACK = 300_000
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_SELECTOR = re.compile(
    r"\s*(?P<name>[A-Za-z_:][\w:]*)?\s*(?:\{(?P<body>.*)\})?\s*(?:\[(?P<range>[0-9a-z]+)\])?\s*", re.DOTALL
)
_MATCHER = re.compile(
    r"""\s*(?P<name>[A-Za-z_]\w*)\s*(?P<how>=~|!~|!=|=)\s*(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*(?:,|$)""",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class ParseError(ValueError):
    """A query that this little parser does not take, in Prometheus' words where it has them."""


@dataclass(frozen=True, slots=True)
class Selector:
    """`name{matchers}[range]`; `range` in milliseconds or None."""

    matches: Callable[[Labels], bool]
    range: int | None


def parse(query: str) -> Selector:
    """Read a selector. Raises `ParseError`."""
    match = _SELECTOR.fullmatch(query)
    if match is None:
        raise ParseError(f"1:1: parse error: unexpected query {query[:80]!r}: the sandbox knows selectors only")
    tests: list[tuple[str, Callable[[str], bool]]] = []
    positive = False
    name = match["name"]
    if name:
        tests.append(("__name__", lambda value: value == name))
        positive = True
    body = match["body"] or ""
    at = 0
    while body[at:].strip():
        matcher = _MATCHER.match(body, at)
        if matcher is None:
            raise ParseError("1:1: parse error: unexpected character inside braces")
        at = matcher.end()
        test = _test(matcher["how"], _unquoted(matcher["text"]))
        tests.append((matcher["name"], test))
        positive = positive or not test("")
    if not positive:
        raise ParseError("1:1: parse error: vector selector must contain at least one non-empty matcher")

    def matches(labels: Labels) -> bool:
        label_map = dict(labels)
        return all(test(label_map.get(label, "")) for label, test in tests)

    return Selector(matches, _duration(match["range"]) if match["range"] else None)


def instant(store: Store, query: str, time: int) -> dict[str, Any]:
    """The `data` of an instant query at `time` (milliseconds). Raises `ParseError`."""
    if query.replace(" ", "") == "vector(1)":
        return {"resultType": "vector", "result": [{"metric": {}, "value": [_seconds(time), "1"]}]}
    selector = parse(query)
    if selector.range is None:
        matchers = [
            (labels, _latest(samples)) for labels, samples in store.select(selector.matches, time - _LOOK_BACK, time)
        ]
        result = [
            {"metric": dict(labels), "value": [_seconds(time), number(value)]}
            for labels, value in matchers
            if value is not None
        ]
        return {"resultType": "vector", "result": result}
    matrix = [
        (labels, [(at, value) for at, value in samples if not is_stale(value)])
        for labels, samples in store.select(selector.matches, time - selector.range, time)
    ]
    return {
        "resultType": "matrix",
        "result": [
            {"metric": dict(labels), "values": [[_seconds(at), number(value)] for at, value in samples]}
            for labels, samples in matrix
            if samples
        ],
    }


def ranged(store: Store, query: str, start: int, end: int, step: int) -> dict[str, Any]:
    """The `data` of a range query. Raises `ParseError`."""
    selector = parse(query)
    if selector.range is not None:
        raise ParseError(
            '1:1: parse error: invalid expression type "range vector" for range query, must be Scalar or instant Vector'
        )
    rows = []
    for labels, samples in store.select(selector.matches, start - _LOOK_BACK, end):
        values = []
        for at in range(start, end + 1, step):
            value = _latest([sample for sample in samples if at - _LOOK_BACK <= sample[0] <= at])
            if value is not None:
                values.append([_seconds(at), number(value)])
        if values:
            rows.append({"metric": dict(labels), "values": values})
    return {"resultType": "matrix", "result": rows}


def number(value: float) -> str:
    """A value as the query API writes it: shortest digits, an exponent below 1e-6 and from 1e21."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(repr(value)), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return repr(value).removesuffix(".0")


def _latest(samples: list[Sample]) -> float | None:
    if not samples or is_stale(samples[-1][1]):
        return None
    return samples[-1][1]


def _test(how: str, text: str) -> Callable[[str], bool]:
    if how == "=":
        return lambda value: value == text
    if how == "!=":
        return lambda value: value != text
    try:
        pattern = re.compile(text)
    except re.error as failure:
        raise ParseError(f"1:1: parse error: error parsing regexp: {failure}") from None
    if how == "=~":
        return lambda value: pattern.fullmatch(value) is not None
    return lambda value: pattern.fullmatch(value) is None


def _unquoted(text: str) -> str:
    def meant(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2])

    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", meant, text[1:-1], flags=re.DOTALL)


def _duration(text: str) -> int:
    parts = re.findall(r"(\d+)(ms|[smhdwy])", text)
    if "".join(f"{count}{unit}" for count, unit in parts) != text:
        raise ParseError(f"1:1: parse error: bad duration {text!r}")
    return sum(int(count) * _UNITS[unit] for count, unit in parts)


def _seconds(milliseconds: int) -> float:
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000
