"""The rules by which OpenTelemetry values become JSON that no mapping alters: shared by the encoding and by what read-back expects.

Decimals are written with a point or an exponent, always (`5.0`), so that no first document makes a field of whole numbers of
them. Elasticsearch maps a dynamic decimal as a 32-bit float and answers 400 beyond its range; JSON has no NaN and no
infinities, and whole numbers have 64 bits there. What does not fit is written as text into a field of its own, `…_text`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

FLOAT32_MAX = 3.4028234663852886e38
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
LONGEST_TEXT = 4096
"""Longest text of an attribute in characters; 32766 bytes, with the key, is the longest term of the index."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fits_decimal(value: float) -> bool:
    """True for a finite decimal that a 32-bit float field takes, rounded or not."""
    return -FLOAT32_MAX <= value <= FLOAT32_MAX


def fits_whole(value: int) -> bool:
    """True for a whole number of 64 bits."""
    return INT64_MIN <= value <= INT64_MAX


def decimal_text(value: float) -> str:
    """A decimal as text that gives the same bits back; NaN and the infinities by name."""
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def number(name: str, value: float) -> tuple[str, float | str]:
    """The field of a number and what stands in it: `value_long` or `value_double`, else `value_text`; `sum`, else `sum_text`.

    `name` is `value` for a point's own value, whose type is open; every other number's field has one type.
    """
    if isinstance(value, int):
        whole = int(value)
        if fits_whole(whole):
            return (f"{name}_long" if name == "value" else name), whole
        return f"{name}_text", str(whole)
    decimal = float(value)
    if fits_decimal(decimal):
        return (f"{name}_double" if name == "value" else name), decimal
    return f"{name}_text", decimal_text(decimal)


def decimal(name: str, value: float) -> tuple[str, float | str]:
    """`number` for a field of decimals: a whole number is written as a decimal where it is one exactly."""
    if isinstance(value, int):
        try:
            exact = float(value)
        except OverflowError:
            return f"{name}_text", str(value)
        return number(name, exact) if exact == value else (f"{name}_text", str(int(value)))
    return number(name, value)


def decimals(name: str, values: Sequence[float]) -> tuple[str, list[float] | str]:
    """A list of decimals (ascending: doc values come sorted), or one text that holds it."""
    listed = [float(value) for value in values]
    if all(map(fits_decimal, listed)):
        return name, listed
    return f"{name}_text", "[" + ",".join(map(decimal_text, listed)) + "]"


def cumulative(name: str, counts: Sequence[int]) -> tuple[str, list[int] | str]:
    """Bucket counts added up: they only rise, so their order survives the sorting of doc values."""
    total = 0
    summed = [total := total + int(count) for count in counts]
    if all(map(fits_whole, summed)):
        return name, summed
    return f"{name}_text", "[" + ",".join(map(str, summed)) + "]"


def attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON values, in the order of their keys: the rule for every type there is."""
    return {_unicode(str(key)): _value(value, LONGEST_TEXT) for key, value in _sorted(given)}


def uncut(given: Mapping[str, Any]) -> dict[str, Any]:
    """`attributes` with texts at their full length: what was meant, for the comparison."""
    return {_unicode(str(key)): _value(value, None) for key, value in _sorted(given)}


def time_text(nanoseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds: a number would be mapped as `long`."""
    milliseconds = nanoseconds // 1_000_000
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _value(value: Any, longest: int | None) -> Any:
    if isinstance(value, str):
        text = _unicode(str(value))
        return text[:longest]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if fits_whole(value) else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else decimal_text(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()[:longest]
    if isinstance(value, Mapping):
        return {_unicode(str(key)): _value(inner, longest) for key, inner in _sorted(value)}
    if isinstance(value, Sequence):
        return _list(value, longest)
    return _unicode(str(value))[:longest]


def _sorted(given: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    return sorted(given.items(), key=lambda item: str(item[0]))


def _list(values: Sequence[Any], longest: int | None) -> list[Any]:
    """A list of whole numbers and decimals is one of decimals: the first element decides a dynamic field's type."""
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        return [_value(float(value), longest) for value in values]
    return [_value(value, longest) for value in values]


def _unicode(text: str) -> str:
    """The text with lone surrogates replaced, as they are no Unicode and JSON cannot carry them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
