"""The syntax of a page's lines: metadata, names, labels and numbers, as Prometheus' text format and OpenMetrics share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from magictel.encoding.templates import Column
from magictel.formats.prometheus.escaping import is_label_name, is_metric_name

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})
_TEXT_TYPES = {"unknown": "untyped", "info": "gauge"}


def metadata(title: str, kind: str, text: str, unit: str, *, openmetrics: bool) -> bytes:
    """Return the lines before a family: its description, type and, in OpenMetrics, the unit in which its name ends."""
    name = title if is_metric_name(title) else quoted(title)
    lines = [f"# HELP {name} {text.translate(_ESCAPES if openmetrics else _HELP_ESCAPES)}\n"] if text else []
    lines.append(f"# TYPE {name} {kind if openmetrics else _TEXT_TYPES.get(kind, kind)}\n")
    if openmetrics and unit and title.endswith(f"_{unit}"):
        lines.append(f"# UNIT {name} {unit}\n")
    return "".join(lines).encode()


def quoted(text: str) -> str:
    """Return a name or a value in quotes."""
    return f'"{text.translate(_ESCAPES)}"'


def label_texts(texts: Mapping[str, str]) -> bytes:
    """Return labels in the order of their names, each with a comma behind it."""
    return "".join(f"{_key(name)}={quoted(texts[name])}," for name in sorted(texts)).encode()


def label_columns(name: str, texts: Sequence[str]) -> Column:
    """Return a label of many values, each with a comma behind it; nothing for an empty value."""
    together = "".join(texts)
    if "\\" in together or '"' in together or "\n" in together:
        texts = [text.translate(_ESCAPES) for text in texts]
    before = f'{_key(name)}="'
    return [f'{before}{text}",'.encode() if text else b"" for text in texts]


def number_text(number: float) -> bytes:
    """Return a number as every parser of pages reads it. Raises `OverflowError` for an integer that no 64-bit float can hold."""
    value = float(number)
    if value - value != 0:
        return b"NaN" if value != value else b"+Inf" if value > 0 else b"-Inf"
    return str(int(number)).encode() if isinstance(number, int) else orjson.dumps(value)


def number_column(numbers: Sequence[Any]) -> Column | None:
    """Return numbers as text; None if one of them is neither a 64-bit integer nor a float."""
    if not {int, float}.issuperset(map(type, numbers)):
        return None
    try:
        raw = orjson.dumps(numbers)
    except TypeError:
        return None
    return list(map(number_text, numbers)) if b"n" in raw else raw[1:-1].split(b",")


def seconds_text(nanoseconds: int) -> bytes:
    """Return a time in seconds, with all of its digits."""
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    digits = f"{rest:09}".rstrip("0") or "0"
    return f"{whole}.{digits}".encode()


def prefixes(name: str, texts: Column | bytes, before: bytes = b"") -> Column | bytes:
    """Return what comes before each value: the name, and labels each with a comma behind it."""
    begin, alone = before + opening(name), before + prefix(name, b"")
    if isinstance(texts, bytes):
        return begin + texts[:-1] + b"} " if texts else alone
    return [begin + text[:-1] + b"} " if text else alone for text in texts]


def prefix(name: str, text: bytes) -> bytes:
    """Return what comes before a value: the name, and labels each with a comma behind it."""
    if not text:
        return f"{name} ".encode() if is_metric_name(name) else f"{{{quoted(name)}}} ".encode()
    return opening(name) + text[:-1] + b"} "


def opening(name: str) -> bytes:
    """Return a sample up to its labels; a name that Prometheus 2 does not know is in quotes among them."""
    return (f"{name}{{" if is_metric_name(name) else f"{{{quoted(name)},").encode()


def _key(name: str) -> str:
    return name if is_label_name(name) else quoted(name)
