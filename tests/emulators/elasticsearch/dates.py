"""The engine's date formats, as far as telemetry meets them. Dates are integers, nanoseconds since the epoch."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime

DEFAULT_FORMAT = "strict_date_optional_time||epoch_millis"
_ISO = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(?:(\d{2})(?::(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?)?"
    r"(Z|[+-]\d{2}(?::?\d{2})?)?)?)?)?\Z"
)
_LENIENT = re.compile(
    r"(\d{1,4})(?:-(\d{1,2})(?:-(\d{1,2})(?:T(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?)?)?"
    r"(Z|[+-]\d{1,2}(?::?\d{2})?)?)?)?)?\Z"
)
_SLASHED = re.compile(r"(\d{4})/(\d{2})/(\d{2})(?: (\d{2}):(\d{2}):(\d{2}))?( Z| [+-]\d{4})?\Z")
_EPOCH = re.compile(r"(-?\d+)(?:\.(\d{1,6}))?\Z")


def parse(text: str, formats: str) -> int | None:
    """The date that a text is under one of the formats (`a||b`), or None."""
    for name in formats.split("||"):
        moment = _parse(text, name)
        if moment is not None:
            return moment
    return None


def detected(text: str) -> str | None:
    """The format that makes a dynamic string a date, or None: numbers are never dates."""
    if not text or not text[0].isdigit():
        return None
    try:
        float(text)
    except ValueError:
        pass
    else:
        return None
    if _parse(text, "strict_date_optional_time") is not None:
        return DEFAULT_FORMAT
    slashed = _SLASHED.match(text)
    if slashed and _parse(text, "slashed") is not None:
        return "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"
    return None


def show(nanoseconds: int, formats: str, *, nanos: bool = False) -> str:
    """The date as the first of the formats prints it."""
    name = formats.split("||")[0]
    if name == "epoch_millis":
        return str(nanoseconds // 1_000_000)
    if name == "epoch_second":
        return str(nanoseconds // 1_000_000_000)
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    if name.startswith("yyyy/MM/dd"):
        return moment.strftime("%Y/%m/%d %H:%M:%S" if "HH" in name else "%Y/%m/%d")
    fraction = f"{rest:09d}" if nanos else f"{rest // 1_000_000:03d}"
    if nanos:
        fraction = fraction.rstrip("0").ljust(3, "0")
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S').rjust(19, '0')}.{fraction}Z"


def _parse(text: str, name: str) -> int | None:
    if name in {"epoch_millis", "epoch_second"}:
        match = _EPOCH.match(text)
        if not match:
            return None
        unit = 1_000_000 if name == "epoch_millis" else 1_000_000_000
        digits = len(str(unit)) - 1
        fraction = int((match[2] or "").ljust(digits, "0")[:digits] or 0)
        whole = int(match[1]) * unit
        return whole - fraction if text.startswith("-") else whole + fraction
    if name == "slashed" or name.startswith("yyyy/MM/dd"):
        match = _SLASHED.match(text)
    elif name in {"date_optional_time"}:
        match = _LENIENT.match(text)
    else:
        match = _ISO.match(text)
    return _moment(match) if match else None


def _moment(match: re.Match[str]) -> int | None:
    groups = [*match.groups(), None, None][:8]
    year, month, day, hour, minute, second = (
        int(group) if group and group.isdigit() else default
        for group, default in zip(groups[:6], (1970, 1, 1, 0, 0, 0), strict=True)
    )
    fraction, zone = (groups[6], groups[7]) if len(match.groups()) == 8 else (None, (groups[6] or "").strip())
    try:
        date(max(1, year), month, day)
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    seconds = calendar.timegm((max(1, year), month, day, hour, minute, second))
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = int(digits[:2]) * 3600 + int(digits[2:4]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0") or 0)
