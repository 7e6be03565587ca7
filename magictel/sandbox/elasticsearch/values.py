"""Scalars: the conversion of JSON values by field type, and their display as doc values. Dates are milliseconds since the epoch."""

from __future__ import annotations

import math
import re
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

_ISO = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d([.,]\d{1,9})?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?)?)?")
_MILLIS = re.compile(r"-?\d+")
_DATE_FORMAT = "strict_date_optional_time||epoch_millis"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Written(float):
    """A decimal with its original text: keywords store `1e+300` unchanged."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Written:
        """Parse the text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class MalformedValue(Exception):  # noqa: N818
    """A value that its field type rejects: type and reason of the cause."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def parse(kind: str, value: Any) -> Any:
    """Return the value as it is indexed with this field type. Raise `MalformedValue`."""
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
        return moment
    return value.text if isinstance(value, Written) else text(value)


def date(written: str) -> int | None:
    """Return the date of an ISO text or of epoch milliseconds in milliseconds since the epoch, or None."""
    if _MILLIS.fullmatch(written) and len(written) != 4:
        return int(written)
    if not _ISO.fullmatch(written):
        return None
    day, _, time = written.partition("T")
    try:
        moment = datetime.fromisoformat(f"{(day + '-01-01')[:10]}T{time or '00'}")
    except ValueError:
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // timedelta(milliseconds=1)


def is_iso_date(written: str) -> bool:
    """True for a text that dynamic mapping detects as a date; numbers are not dates."""
    return not written.isdigit() and date(written) is not None


def shown(kind: str, value: Any) -> Any:
    """Return one doc value as `docvalue_fields` shows it."""
    if kind != "date":
        return value
    return (_EPOCH + timedelta(milliseconds=value)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ordered(kind: str, values: list[Any]) -> list[Any]:
    """Return a document's doc values in their order: numbers sorted with repeats, keywords sorted without."""
    if kind in ("keyword", "flattened", "flat_object"):
        return sorted(set(values), key=str.encode)
    return sorted(values, key=lambda value: (value, math.copysign(1, value) > 0))  # -0.0 before 0.0


def text(value: Any) -> str:
    """Return a scalar as text; very large and very small numbers in Python's notation, not Java's."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return repr(value).replace("inf", "Infinity").replace("nan", "NaN")
    return repr(float(value))


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
    """Return the error for a value of the wrong JSON type."""
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
