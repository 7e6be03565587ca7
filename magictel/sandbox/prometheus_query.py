"""The part of PromQL that a read-back needs: range selectors, and their results in the query API's format."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from magictel.sandbox.prometheus_store import Labels, NativeHistogram, Store, is_stale

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_SELECTOR = re.compile(
    r"\s*(?P<name>[A-Za-z_:][\w:]*)?\s*(?:\{(?P<body>.*)\})?\s*(?:\[(?P<count>\d+)(?P<unit>ms|[smhdwy])\])?\s*",
    re.DOTALL,
)
_MATCHER = re.compile(
    r"""\s*(?P<name>[A-Za-z_]\w*)\s*(?P<how>=~|!~|!=|=)\s*(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*(?:,|$)""",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class ParseError(ValueError):
    """A query that the parser does not support, in Prometheus' words if it has some."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"1:1: parse error: {problem}")


@dataclass(frozen=True, slots=True)
class Selector:
    """`name{matchers}[range]`; `range` in milliseconds or None."""

    matches: Callable[[Labels], bool]
    range: int | None


def parse(query: str) -> Selector:
    """Read a selector. Raise `ParseError`."""
    match = _SELECTOR.fullmatch(query)
    if match is None:
        raise ParseError(f"unexpected query {query[:80]!r}: the sandbox supports selectors only")
    tests: list[tuple[str, Callable[[str], bool]]] = []
    if name := match["name"]:
        tests.append(("__name__", lambda value: value == name))
    body, at = match["body"] or "", 0
    while body[at:].strip():
        matcher = _MATCHER.match(body, at)
        if matcher is None:
            raise ParseError("unexpected character inside braces")
        at = matcher.end()
        tests.append((matcher["name"], _test(matcher["how"], _unquoted(matcher["text"]))))
    if all(test("") for _, test in tests):
        raise ParseError("vector selector must contain at least one non-empty matcher")

    def matches(labels: Labels) -> bool:
        label_map = dict(labels)
        return all(test(label_map.get(label, "")) for label, test in tests)

    return Selector(matches, int(match["count"]) * _UNITS[match["unit"]] if match["count"] else None)


def raw_samples(store: Store, selector: Selector, time: int) -> dict[str, Any]:
    """Return the `data` of an instant query at `time` (milliseconds) for a range selector. Raise `ParseError`."""
    if selector.range is None:
        raise ParseError("the sandbox shows raw samples only: give a range, as in m[5m]")
    rows = []
    for labels, samples in store.select(selector.matches, time - selector.range, time):
        shown = [(seconds(at), value) for at, value in samples if not is_stale(value)]
        values = [[at, number(value)] for at, value in shown if not isinstance(value, NativeHistogram)]
        histograms = [[at, _histogram(value)] for at, value in shown if isinstance(value, NativeHistogram)]
        results = {"values": values, "histograms": histograms}
        if shown:
            rows.append({"metric": dict(labels), **{kind: result for kind, result in results.items() if result}})
    return {"resultType": "matrix", "result": rows}


def _histogram(value: NativeHistogram) -> dict[str, Any]:
    buckets = [[0, number(low), number(high), number(float(count))] for low, high, count in value.buckets]
    return {"count": number(float(value.count)), "sum": number(value.sum), "buckets": buckets}


def number(value: float) -> str:
    """Return a value in the query API's format: shortest digits, an exponent below 1e-6 and from 1e21."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(repr(value)), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return repr(value).removesuffix(".0")


def seconds(milliseconds: int) -> float:
    """Return a time in the query API's format."""
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def _test(how: str, text: str) -> Callable[[str], bool]:
    try:
        pattern = re.compile(text if "~" in how else re.escape(text))
    except re.error as failure:
        raise ParseError(f"error parsing regexp: {failure}") from None
    return lambda value: (pattern.fullmatch(value) is None) is how.startswith("!")


def _unquoted(text: str) -> str:
    def meant(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2])

    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", meant, text[1:-1], flags=re.DOTALL)
