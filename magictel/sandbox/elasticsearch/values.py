"""Scalars: what each field type makes of a JSON value, and how doc values show it. Dates are nanoseconds since the epoch."""

from __future__ import annotations

import calendar
import math
import re
import struct
from datetime import UTC, datetime
from typing import Any

_ISO = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(?:(\d{2})(?::(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?)?"
    r"(Z|[+-]\d{2}(?::?\d{2})?)?)?)?)?\Z"
)
_MILLIS = re.compile(r"-?\d+\Z")
_DATE_FORMAT = "strict_date_optional_time||epoch_millis"


class Written(float):
    """A decimal that remembers how it was written: keywords keep `1e+300` as it came."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Written:
        """Read it from its text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class MalformedValue(Exception):  # noqa: N818
    """A value that its field's type cannot take: the cause's type and reason."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def parse(kind: str, value: Any) -> Any:
    """Return the value as an index holds it under this field type; raises `MalformedValue`."""
    if kind in ("long", "integer"):
        return _whole(kind, value)
    if kind in ("double", "float"):
        return _decimal(kind, value)
    if kind == "boolean":
        if isinstance(value, bool):
            return value
        if value in ("true", "false", ""):
            return value == "true"
        if isinstance(value, (int, float)):
            raise wrong_token(value, "not of boolean type")
        raise MalformedValue(
            "illegal_argument_exception",
            f"Failed to parse value [{text(value)}] as only [true] or [false] are allowed.",
        )
    if kind == "date":
        moment = None if isinstance(value, bool) else date(text(value))
        if moment is None:
            reason = f"failed to parse date field [{text(value)}] with format [{_DATE_FORMAT}]"
            raise MalformedValue("illegal_argument_exception", reason)
        return moment // 1_000_000 * 1_000_000
    return value.text if isinstance(value, Written) else text(value)


def date(written: str) -> int | None:
    """Return the date of an ISO text or of epoch milliseconds, or None."""
    if _MILLIS.match(written) and len(written) != 4:
        return int(written) * 1_000_000
    match = _ISO.match(written)
    if match is None:
        return None
    year, month, day, hour, minute, second = (
        int(group or least) for group, least in zip(match.groups()[:6], (1970, 1, 1, 0, 0, 0), strict=True)
    )
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    seconds = calendar.timegm(moment.timetuple())
    zone = match[8]
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return seconds * 1_000_000_000 + int((match[7] or "").ljust(9, "0") or 0)


def is_iso_date(written: str) -> bool:
    """True for a text that dynamic mapping takes for a date: numbers are none."""
    return not written.isdigit() and date(written) is not None


def shown(kind: str, value: Any) -> Any:
    """Return one doc value as `docvalue_fields` shows it."""
    if kind != "date":
        return value
    seconds, rest = divmod(value, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S').rjust(19, '0')}.{rest // 1_000_000:03d}Z"


def ordered(kind: str, values: list[Any]) -> list[Any]:
    """Return a document's doc values in their order: numbers sorted with repeats, keywords sorted without."""
    if kind in ("keyword", "flattened", "flat_object"):
        return sorted(set(values), key=str.encode)
    return sorted(values, key=lambda value: (value, math.copysign(1, value) > 0))  # -0.0 before 0.0


def text(value: Any) -> str:
    """Return a scalar as Java prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return repr(value).replace("inf", "Infinity").replace("nan", "NaN")
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    shortest = next(text for digits in range(18) if float(text := f"{value:.{digits}e}") == value)
    mantissa, _, exponent = shortest.partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


def float32(value: float) -> float:
    """Return the nearest 32-bit float as a double; infinite where it does not fit."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def shortest32(value: float) -> float:
    """Return the double with the shortest decimal text of this 32-bit float: how `fields` shows it."""
    candidates = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((candidate for candidate in candidates if float32(candidate) == value), value)


def wrong_token(value: Any, why: str) -> MalformedValue:
    """Return the parser's refusal of a value of another JSON type."""
    names = {bool: f"VALUE_{str(value).upper()}", int: "VALUE_NUMBER_INT", dict: "START_OBJECT"}
    return MalformedValue(
        "json_parse_exception", f"Current token ({names.get(type(value), 'VALUE_NUMBER_FLOAT')}) {why}"
    )


def _number(value: Any) -> float | int:
    if isinstance(value, bool):
        raise wrong_token(value, "not numeric, can not use numeric value accessors")
    if not isinstance(value, str):
        return float(value) if isinstance(value, float) else int(value)
    try:
        return int(value) if re.fullmatch(r"[-+]?\d+", value) else float(value)
    except ValueError:
        raise MalformedValue("number_format_exception", f'For input string: "{value}"') from None


def _whole(kind: str, value: Any) -> int:
    bits = 64 if kind == "long" else 32
    try:
        number = _number(value)
    except MalformedValue as problem:
        if kind == "long" and problem.kind == "number_format_exception":
            raise MalformedValue("illegal_argument_exception", problem.reason) from None
        raise
    if isinstance(number, float) and not math.isfinite(number):
        raise MalformedValue("illegal_argument_exception", f'For input string: "{text(value)}"')
    number = int(number)
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    if low <= number <= high:
        return number
    if isinstance(value, str):
        raise MalformedValue("illegal_argument_exception", f"Value [{value}] is out of range for a {kind}")
    name, shown = ("long" if bits == 64 else "int"), value.text if isinstance(value, Written) else text(value)
    reason = f"Numeric value ({shown}) out of range of {name} ({low} - {high})"
    raise MalformedValue("input_coercion_exception", reason)


def _decimal(kind: str, value: Any) -> float:
    number = float(_number(value))
    if kind == "float":
        number = float32(number)
    if not math.isfinite(number):
        raise MalformedValue(
            "illegal_argument_exception", f"[{kind}] supports only finite values, but got [{text(number)}]"
        )
    return number
