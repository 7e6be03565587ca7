"""OpenTelemetry names in Prometheus: metrics, labels, label values and bucket bounds.

The rules are those of Prometheus 3's own OTLP receiver (prometheus/otlptranslator). Two gaps in them are closed here without loss: a
key without a letter or digit becomes `key_`, and a point's own `job`, `instance` or `le` is kept as `exported_job` and so on, as
Prometheus does when it scrapes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

from magictel.model.metrics import number_text

_MAIN = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams",
    "Cel": "celsius", "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_NOT_METRIC = re.compile(r"[^a-zA-Z0-9:_]+")
_NOT_METRIC_TOKEN = re.compile(r"[^a-zA-Z0-9:]+")
_NO_LABEL_CHARACTER = re.compile(r"[^a-zA-Z0-9]")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9]+")
_ESCAPED_BY_GO = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029"})
TranslationStrategy = Literal[
    "UnderscoreEscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "NoTranslation",
]
"""How OpenTelemetry's specification and Prometheus' OTLP receiver translate names: whether characters that Prometheus 2 does not know
become underscores, and whether a metric's name ends in its unit and type."""
LabelNames = Literal["prometheus", "specification"]
"""`prometheus`: what Prometheus 3 does by default, `a..b` is `a__b` and `_a` is `key_a`. `specification`: what OpenTelemetry's
specification says, `a..b` is `a_b` and `_a` stays."""


@lru_cache(maxsize=20_000)
def metric_name(
    name: str,
    unit: str = "",
    *,
    counter: bool = False,
    gauge: bool = False,
    suffixes: bool = True,
) -> str | None:
    """Return the metric's name in Prometheus, or None if it has no usable character.

    `counter` is a monotonic sum (`_total`); `suffixes` adds unit and type.
    """
    if suffixes:
        main, per = _unit_suffixes(unit)
        tokens = [token for token in _NOT_METRIC_TOKEN.split(name) if token]
        tokens = _with_unit(tokens, _clean(main), _clean(per))
        for wanted, token in ((counter, "total"), (unit == "1" and gauge, "ratio")):
            if wanted:
                tokens = [part for part in tokens if part != token] + [token]
        full_name = "_".join(tokens)
    else:
        full_name = "_".join(part for part in _NOT_METRIC.split(name) if part)
    if full_name[:1].isdigit():
        full_name = "_" + full_name
    return full_name if full_name and (full_name == name or full_name.strip("_")) else None


@lru_cache(maxsize=20_000)
def utf8_metric_name(name: str, unit: str = "", *, counter: bool = False, gauge: bool = False) -> str | None:
    """Return the metric's name with unit and type and all of its characters, or None if it has none."""
    ending = ""
    for wanted, word in ((counter, "total"), (unit == "1" and gauge, "ratio")):
        if wanted:
            name, ending = _without_word(name, word), f"_{word}"
    main, per = _unit_suffixes(unit)
    if per:
        name, ending = _without_word(name, per), f"_{per}{ending}"
    if main and not name.endswith(main):
        name += f"_{main}"
    return name + ending if name else None


def unit_words(unit: str) -> str:
    """Return a unit in the words that a metric's name ends in: `s` is `seconds`, `m/s` is `meters_per_second`; empty for none."""
    return "_".join(part for part in map(_clean, _unit_suffixes(unit)) if part)


@lru_cache(maxsize=20_000)
def label_name(key: str, style: LabelNames = "prometheus") -> str:
    """Return an attribute's key as a label name, by the rules of Prometheus 3 or those of OpenTelemetry's specification.

    A key without a letter or digit, for which Prometheus refuses the whole metric, becomes `key_`.
    """
    if style == "prometheus":
        name = _NO_LABEL_CHARACTER.sub("_", key)
    elif len(key) >= 4 and key.startswith("__") and key.endswith("__"):
        name = f"__{_NOT_LABEL.sub('_', key[2:-2])}__"
    else:
        name = _NOT_LABEL.sub("_", key)
    if name[:1].isdigit():
        return "key_" + name
    if not name.strip("_"):
        return "key" + (name or "_")
    return "key" + name if style == "prometheus" and name[0] == "_" and name[1] != "_" else name


def label_value(value: Any) -> str:
    """Return an attribute's value as Prometheus' OTLP receiver writes it: `true`, `7`, `0.5`, lists and maps as JSON, bytes in base64.

    An absent one is empty.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if value.__class__ is int:
        return str(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple | Mapping):
        return label_value(_json(value))
    return str(value)


def labels(
    attributes: Mapping[str, Any], reserved: Iterable[str], named: Callable[[str], str] = label_name
) -> dict[str, str]:
    """Return the labels of a point's attributes, unsorted. Keys that become one name have their values joined by `;`, in the keys' order.

    A name that is `reserved` (because the metric, its resource or its buckets need it) is kept behind `exported_`. An empty
    value is no label: Prometheus cannot tell it from an absent one.
    """
    taken = set(reserved)
    labels: dict[str, str] = {}
    for key in sorted(attributes):
        value = label_value(attributes[key])
        name = named(key)
        if name in taken:
            name = "exported_" + name
        labels[name] = f"{labels[name]};{value}" if labels.get(name) else value
    return {name: value for name, value in labels.items() if value}


def _double(number: float) -> str:
    """A double as JSON and ECMAScript write it: an exponent only below 1e-6 and from 1e21 on."""
    if number - number != 0:
        return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        return number_text(number)
    return repr(number).replace("e-0", "e-")


def _json(value: Any) -> str:
    """A value as JSON, as Go writes it: keys in order, no white space."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_json(str(key))}:{_json(value[key])}" for key in sorted(value, key=str)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_json, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return label_value(value)
    text = value if isinstance(value, str) else label_value(value)
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPED_BY_GO)


def unit_name(unit: str) -> str:
    """Return a unit as Prometheus names it, as in metadata: `seconds`, `bytes_per_second`; empty for none."""
    main, per = _unit_suffixes(unit)
    return "_".join(part for part in map(_clean, (main, per)) if part and part != "per_").strip("_")


def _unit_suffixes(unit: str) -> tuple[str, str]:
    main, _, per = (part.strip() for part in unit.partition("/"))
    main = "" if "{" in main or "}" in main else _MAIN.get(main, main)
    per = "" if "{" in per or "}" in per else _PER.get(per, per)
    return main, f"per_{per}" if per else ""


def _without_word(name: str, word: str) -> str:
    """Remove a word at the end of a name, and the character before it."""
    return name[: -len(word) - 1] if name.endswith(word) and len(name) > len(word) + 1 else name


def _clean(unit: str) -> str:
    return re.sub("__+", "_", re.sub("[^a-zA-Z0-9:]", "_", unit)).removeprefix("_")


def _with_unit(tokens: list[str], main: str, per: str) -> list[str]:
    main = "" if main in tokens else main
    per = "" if per == "per_" else per.removesuffix("_")
    per = "" if per in tokens else per
    main = main.removesuffix("_") if per else main
    return tokens + [part for part in (main, per) if part]
