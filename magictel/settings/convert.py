"""Conversion of a raw value (text of a variable or an option, or a TOML value) to its field's type."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, get_args

import msgspec

from magictel.secrets.secret import MASK, Secret
from magictel.settings.fields import Field, without_login
from magictel.settings.names import did_you_mean
from magictel.settings.units import parse_bytes, parse_seconds

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_WHOLE = re.compile(r"-?[0-9][0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BEFORE_SCHEME = re.compile(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)")


class Unfit(ValueError):  # noqa: N818 # an incomplete message, not a separate error
    """The value is not valid for its field; the message contains neither the field's name nor any secret."""


def convert(field: Field, raw: Any) -> Any:
    """Return the field's value; `Secret`s in `raw` are already checked. Raise `Unfit` for an invalid value."""
    shaped = _shape(field, raw)
    if shaped is None and field.optional:
        return None
    if not field.address and not field.secret:
        _no_controls(shaped)
    if isinstance(shaped, float) and not math.isfinite(shaped):
        raise Unfit(_not(field, raw))
    try:
        return msgspec.convert(shaped, _present(field), dec_hook=_secret)
    except (msgspec.ValidationError, TypeError, ValueError):
        raise Unfit(_not(field, raw)) from None


def _present(field: Field) -> Any:
    """Return the type of a value that is not None: msgspec refuses bounds on `int | None`."""
    if not (field.optional and field.bounds):
        return field.type
    union, meta = get_args(field.type)
    (number,) = (member for member in get_args(union) if member is not NoneType)
    return Annotated[number, meta]


def _no_controls(shaped: Any) -> None:
    """Raise `Unfit` for a control character: file systems and headers reject it late, with a confusing error."""
    for text in (shaped,) if isinstance(shaped, str) else shaped if isinstance(shaped, list) else ():
        control = _CONTROL.search(text) if isinstance(text, str) else None
        if control:
            raise Unfit(
                f"character {control.start() + 1} of {len(text)} (U+{ord(control[0]):04X}) is a control character"
            )


def split_list(field: Field, text: str) -> list[str]:
    """Return the items of a comma-separated text. A comma in the password of an address does not separate."""
    if text.strip().startswith("[") and (listed := _json_list(text)) is not None:
        return listed
    if field.address and "@" in text:
        return [part.strip() for part in _BEFORE_SCHEME.split(text)]
    parts = [part.strip() for part in text.split(",")]
    return parts if field.address else [part for part in parts if part]


def _json_list(text: str) -> list[str] | None:
    """Return the items of a list in the syntax of the file and of `config show`."""
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        return None


def split_mapping(text: str) -> dict[str, str]:
    """Parse `name=value,name=value`. Raise `Unfit` for other text."""
    entries: dict[str, str] = {}
    for number, part in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise Unfit(f"entry {number} is not of the form name=value")  # never shown: it may be a secret
        entries[name.strip()] = value.strip()
    return entries


def _shape(field: Field, raw: Any) -> Any:
    if not isinstance(raw, str) or field.kind in ("text", "choice", "secret"):
        return raw
    if field.kind == "list":
        return split_list(field, raw)
    if field.kind in ("mapping", "secrets"):
        return split_mapping(raw)
    text = raw.strip()
    if field.kind == "switch":
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise Unfit(_not(field, raw))
    try:
        if field.unit == "seconds":
            return parse_seconds(text)
        if field.unit == "bytes":
            return parse_bytes(text)
        if field.kind == "whole":
            return int(text) if _WHOLE.fullmatch(text) else float("nan")
        return float(text)
    except ValueError:
        raise Unfit(_not(field, raw)) from None


def _secret(wanted: type, value: Any) -> Any:
    if wanted is Secret and isinstance(value, str):
        return Secret(value)
    if isinstance(value, wanted):
        return value
    raise TypeError


def _not(field: Field, raw: Any) -> str:
    if field.secret:
        return f"this is not {field.wanted}"
    message = f"{_shown(raw)} is not {field.wanted}"
    hint = did_you_mean(raw, field.choices) if field.kind == "choice" and isinstance(raw, str) else None
    return f"{message}. {hint}" if hint else message


def _shown(raw: Any) -> str:
    if isinstance(raw, Secret):
        return MASK
    if isinstance(raw, Mapping):
        return "a table"
    if isinstance(raw, bool):
        return str(raw).lower()
    text = without_login(raw) if isinstance(raw, str) else str(raw)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f'"{text}"' if isinstance(raw, str) else without_login(text)
