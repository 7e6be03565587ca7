"""Names of any characters as Prometheus 2 accepts them: the escaping schemes that a scraper chooses (prometheus/common, `EscapeName`)."""

from __future__ import annotations

import re
from typing import Literal, get_args

Escaping = Literal["allow-utf-8", "underscores", "dots", "values"]
SCHEMES: dict[str, Escaping] = {scheme: scheme for scheme in get_args(Escaping)}
_METRIC, _LABEL = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*"), re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_START_OF_METRIC, _START_OF_LABEL = re.compile(r"[a-zA-Z_:]"), re.compile(r"[a-zA-Z_]")
_IN_METRIC, _IN_LABEL = re.compile(r"[a-zA-Z0-9_:]"), re.compile(r"[a-zA-Z0-9_]")


def is_metric_name(name: str) -> bool:
    """Return whether Prometheus 2 accepts this as a metric's name."""
    return _METRIC.fullmatch(name) is not None


def is_label_name(name: str) -> bool:
    """Return whether Prometheus 2 accepts this as a label's name: like a metric's, but without colons."""
    return _LABEL.fullmatch(name) is not None


def escaped_metric_name(name: str, scheme: Escaping) -> str:
    """Return a metric's name in a scheme."""
    if scheme == "allow-utf-8" or (scheme != "dots" and is_metric_name(name)):
        return name
    return _escaped(name, scheme, _START_OF_METRIC, _IN_METRIC)


def escaped_label_name(name: str, scheme: Escaping) -> str:
    """Return a label's name in a scheme."""
    if scheme == "allow-utf-8" or (scheme != "dots" and is_label_name(name)):
        return name
    return _escaped(name, scheme, _START_OF_LABEL, _IN_LABEL)


def _escaped(name: str, scheme: Escaping, start: re.Pattern[str], within: re.Pattern[str]) -> str:
    """Write each character by itself. `dots` also escapes underscores of names that need no escape, so that it can be undone."""
    valid = [(within if position else start).match(character) for position, character in enumerate(name)]
    if scheme == "underscores":
        return "".join(character if fits else "_" for character, fits in zip(name, valid, strict=True))
    if scheme == "dots":
        special = {"_": "__", ".": "_dot_"}
        return "".join(
            special.get(character, character if fits else "__") for character, fits in zip(name, valid, strict=True)
        )
    return "U__" + "".join(
        "__" if character == "_" else character if fits else f"_{_code(character)}_"
        for character, fits in zip(name, valid, strict=True)
    )


def _code(character: str) -> str:
    """Return a character's code point in hexadecimal; that of half a character is the replacement's."""
    code = ord(character)
    return "FFFD" if 0xD800 <= code < 0xE000 else f"{code:x}"
