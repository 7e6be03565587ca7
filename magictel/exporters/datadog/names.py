"""Names and tags as Datadog stores them: sent in this form, so that what is stored is what was sent.

Rules of docs.datadoghq.com/metrics/custom_metrics and docs.datadoghq.com/getting_started/tagging and the agent's own code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from magictel.formats.prometheus.names import label_value
from magictel.formats.prometheus.numbers import open_metrics

LONGEST = 200
"""The most characters of a metric's name and of a tag; Datadog drops what is longer."""
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.]+")
_BEFORE_NAME = re.compile(r"^[^A-Za-z]+")
_UNDERSCORES = re.compile(r"_*\._*|__+")
_NOT_IN_TAG = re.compile(r"(?:[^\w\-:./]|_)+")
_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789-./_:\n"
_LONG = LONGEST // 4
"""Characters of a key from which its tag may be cut within the key: a character in lower case may be three."""
_NOT_PLAIN = ("__", "_\n", ":\n", "\n\n")


@lru_cache(maxsize=10_000)
def metric_name(name: str) -> str:
    """Return a metric's name with Datadog's characters; empty if no letter is left to begin with."""
    text = _NOT_IN_NAME.sub("_", _BEFORE_NAME.sub("", name))
    return _UNDERSCORES.sub(lambda run: "." if "." in run[0] else "_", text)[:LONGEST].rstrip("_")


@lru_cache(maxsize=10_000)
def tag(text: str) -> str:
    """Return a tag in lower case with Datadog's characters; empty if nothing is left."""
    start = next((at for at, character in enumerate(text) if character.isalpha() or character == ":"), len(text))
    return _NOT_IN_TAG.sub("_", text[start:].lower())[:LONGEST].rstrip("_:")


def tag_key(key: str) -> str:
    """Return the key of an attribute's tag."""
    return tag(f"{key}:x").rpartition(":x")[0]


def tags_of(attributes: Mapping[str, Any]) -> list[str]:
    """Return the tags of attributes, in their order, with their values as Datadog's translator writes them: as the Collector does."""
    return [written for key, value in attributes.items() if (written := tag(f"{key}:{label_value(value)}"))]


def tags_of_key(key: str, values: Sequence[Any]) -> list[str]:
    """Return the tags of one key's values, as `tags_of` writes them; empty where nothing is left."""
    kinds = set(map(type, values))
    if kinds in ({str}, {int}, {bool}):  # 1, True and 1.0 are equal
        distinct = list(set(values))
        if len(distinct) <= len(values) / 2:
            return list(map(dict(zip(distinct, tags_of_key(key, distinct), strict=True)).__getitem__, values))
        plain = _plain_tags(key, values if kinds == {str} else list(map(label_value, values)))
        if plain is not None:
            return plain
    return [tag(f"{key}:{label_value(value)}") for value in values]


def _plain_tags(key: str, texts: Sequence[str]) -> list[str] | None:
    """Return the tags of texts that are tags already but for capital letters; None if not all are."""
    prefix = tag(f"{key}:x")[:-1]
    lines = "\n".join(texts).lower()
    ended = f"\n{lines}\n"
    if lines.encode(errors="replace").translate(None, _PLAIN) or any(odd in ended for odd in _NOT_PLAIN):
        return None
    plain = lines.split("\n")
    if len(plain) != len(texts) or len(key) > _LONG or len(prefix) + max(map(len, plain)) > LONGEST:
        return None
    return list(map(prefix.__add__, plain))


def bound(value: float) -> str:
    """Return a bucket's bound as Datadog's translator writes it: `0`, `0.5`, `10.0`, `1e+06.0`, `inf`."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    text = open_metrics(value)
    return f"{text}.0" if "e" in text and float(value).is_integer() else text
