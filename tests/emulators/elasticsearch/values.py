"""What each field type makes of a JSON value, and how doc values and `fields` show it."""

from __future__ import annotations

import base64
import ipaddress
import math
import re
import struct
from typing import Any

from tests.emulators.elasticsearch import dates
from tests.emulators.elasticsearch.dialect import Dialect
from tests.emulators.elasticsearch.fields import DECIMAL, FLATTENED, KEYWORDS, WHOLE, Field
from tests.emulators.elasticsearch.lines import Written

TERM_BYTES = 32766
"""How long a term may be that Lucene takes."""
_WORD = re.compile(r"\w+(?:['’.]\w+)*", re.UNICODE)


class Malformed(Exception):  # noqa: N818
    """A value that its field's type cannot take: the cause's type and reason, None where there is none."""

    def __init__(self, kind: str | None, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def parse(field: Field, value: Any) -> Any:
    """The value as the index holds it; raises `Malformed`. Dates are nanoseconds, texts are their words."""
    kind = field.type
    if kind in WHOLE:
        return _whole(field, value)
    if kind in DECIMAL:
        return _decimal(field, value)
    if kind in KEYWORDS or kind in {"text", "match_only_text"}:
        return written(value)
    if kind == "boolean":
        if value in (True, False) and isinstance(value, bool):
            return value
        if value in {"true", "false", ""} and isinstance(value, str):
            return value == "true"
        raise Malformed(
            "illegal_argument_exception",
            f"Failed to parse value [{text(value)}] as only [true] or [false] are allowed.",
        )
    if kind in {"date", "date_nanos"}:
        return _date(field, value)
    if kind == "unsigned_long":
        return _unsigned(value)
    if kind == "ip":
        return _ip(value)
    if kind == "binary":
        return base64.b64decode(value)
    return value


def shown(field: Field, value: Any, formats: str | None, dialect: Dialect) -> Any:
    """One doc value as `docvalue_fields` shows it; OpenSearch cuts nanoseconds unless it is asked for them."""
    if field.type in {"date", "date_nanos"}:
        chosen = formats or field.format
        nanos = field.type == "date_nanos" and (dialect.elastic or (formats or "").endswith("_nanos"))
        return dates.show(value, chosen, nanos=nanos)
    if field.type == "ip":
        return str(value)
    return value


def order(field: Field, values: list[Any]) -> list[Any]:
    """A document's doc values in their order: numbers sorted with repeats, keywords sorted without."""
    if field.type in KEYWORDS or field.type in FLATTENED or field.type == "ip":
        return sorted(set(values), key=lambda value: value.encode() if isinstance(value, str) else value.packed)
    if field.type in WHOLE or field.type in DECIMAL or field.type in {"boolean", "date", "date_nanos", "unsigned_long"}:
        return sorted(values, key=_number_key)
    return values


def text(value: Any) -> str:
    """A scalar as Java prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return java_double(value)
    return value if isinstance(value, str) else str(value)


def written(value: Any) -> str:
    """A scalar as the very text that stands in the document."""
    return value.text if isinstance(value, Written) else text(value)


def java_double(value: float) -> str:
    """A double as Java prints it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value) if "e" not in repr(value) else f"{value:f}"
    mantissa, _, exponent = f"{value!r}".partition("e")
    if not exponent:
        mantissa, _, exponent = _scientific(value)
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}E{int(exponent)}"


def too_long(field: Field, value: str) -> bool:
    """True where a keyword's `ignore_above` (UTF-16 units) leaves the value out."""
    limit = field.params.get("ignore_above")
    if limit is None or 2 * len(value) <= int(limit):
        return False
    return len(value.encode("utf-16-le", "surrogatepass")) // 2 > int(limit)


def words(value: str) -> list[str]:
    """The terms that the standard analyzer makes of a text."""
    return [word.lower() for word in _WORD.findall(value)]


def float32(value: float) -> float:
    """The nearest 32-bit float, as a double; infinite where it does not fit."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def float16(value: float) -> float:
    """The nearest 16-bit float, as a double; infinite where it does not fit."""
    try:
        return float(struct.unpack("<e", struct.pack("<e", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def shortest32(value: float) -> float:
    """The double that has the shortest decimal text of this 32-bit float: how `fields` shows it."""
    for digits in range(1, 10):
        candidate = float(f"{value:.{digits}g}")
        if float32(candidate) == value:
            return candidate
    return value


def _number_key(value: Any) -> tuple[float, int] | int:
    if isinstance(value, float):
        return (value, 0 if math.copysign(1, value) < 0 else 1)
    return int(value)


def _scientific(value: float) -> tuple[str, str, str]:
    digits = repr(value)
    sign = "-" if digits.startswith("-") else ""
    whole, _, fraction = digits.lstrip("-").partition(".")
    if whole.strip("0"):
        exponent = len(whole) - 1
        mantissa = f"{whole[0]}.{(whole[1:] + fraction).rstrip('0') or '0'}"
    else:
        zeros = len(fraction) - len(fraction.lstrip("0"))
        significant = fraction[zeros:]
        exponent = -zeros - 1
        mantissa = f"{significant[0]}.{significant[1:] or '0'}"
    return sign + mantissa, "e", str(exponent)


def _whole(field: Field, value: Any) -> int:
    bits = WHOLE[field.type]
    if isinstance(value, str):
        if field.params.get("coerce", True) is False:
            raise Malformed("illegal_argument_exception", f"{field.type.capitalize()} value passed as String")
        try:
            number = _number(value)
        except Malformed as problem:
            kind = "illegal_argument_exception" if field.type == "long" else problem.kind
            raise Malformed(kind, problem.reason) from None
    else:
        number = value
    if isinstance(number, float):
        if not math.isfinite(number):
            raise Malformed("illegal_argument_exception", f'For input string: "{text(value)}"')
        if number != int(number) and field.params.get("coerce", True) is False:
            raise Malformed(
                "illegal_argument_exception",
                f"{text(value)} cannot be converted to {field.type.capitalize()} without data loss",
            )
        number = int(number)
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    if low <= number <= high:
        return number
    if isinstance(value, str) or bits < 16:
        raise Malformed("illegal_argument_exception", f"Value [{text(value)}] is out of range for a {field.type}")
    if bits == 16 and isinstance(value, int):
        raise Malformed("input_coercion_exception", f"Numeric value ({value}) out of range of Java short")
    name = "int" if bits == 32 else "long"
    raise Malformed(
        "input_coercion_exception", f"Numeric value ({written(value)}) out of range of {name} ({low} - {high})"
    )


def _decimal(field: Field, value: Any) -> float:
    number = float(_number(value)) if isinstance(value, str) else float(value)
    kind = field.type
    shown = number
    if kind == "float":
        shown = number = float32(number)
    elif kind == "half_float":
        number = float16(number)
    elif kind == "scaled_float":
        factor = float(field.params.get("scaling_factor", 1))
        number = math.floor(number * factor + 0.5) / factor
    if not math.isfinite(number):
        raise Malformed("illegal_argument_exception", f"[{kind}] supports only finite values, but got [{text(shown)}]")
    return number


def _number(value: str) -> float | int:
    try:
        return int(value) if re.fullmatch(r"[-+]?\d+", value) else float(value.strip())
    except ValueError:
        reason = "empty String" if not value.strip() else f'For input string: "{value}"'
        raise Malformed("number_format_exception", reason) from None


def _unsigned(value: Any) -> int:
    number = int(_number(value)) if isinstance(value, str) else int(value)
    if not 0 <= number < 1 << 64:
        raise Malformed("illegal_argument_exception", f"Value [{text(value)}] is out of range for an unsigned long")
    return number


def _date(field: Field, value: Any) -> int:
    written = text(value) if not isinstance(value, float) or value != int(value) else str(int(value))
    moment = None if isinstance(value, bool) else dates.parse(written, field.format)
    if moment is not None and field.type == "date_nanos" and not 0 <= moment < 1 << 63:
        day = dates.show(moment, "iso").replace(".000Z", "Z")
        where = "before the epoch in 1970" if moment < 0 else "after 2262-04-11T23:47:16.854775807"
        reason = f"date[{day}] is {where} and cannot be stored in nanosecond resolution"
        raise Malformed("illegal_argument_exception", reason)
    if moment is None:
        raise Malformed(
            "illegal_argument_exception", f"failed to parse date field [{written}] with format [{field.format}]"
        )
    return moment if field.type == "date_nanos" else moment // 1_000_000 * 1_000_000


def _ip(value: Any) -> Any:
    try:
        return ipaddress.ip_address(text(value))
    except ValueError:
        raise Malformed("illegal_argument_exception", f"'{text(value)}' is not an IP string literal.") from None
