"""Names and tags as Datadog stores them: sent in this form, so that what is stored is what was sent.

Rules of docs.datadoghq.com/metrics/custom_metrics and docs.datadoghq.com/getting_started/tagging and the agent's own code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

LONGEST = 200
"""The most characters of a metric's name and of a tag; Datadog drops what is longer."""
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.]+")
_BEFORE_NAME = re.compile(r"^[^A-Za-z]+")
_UNDERSCORES = re.compile(r"_*\._*|__+")
_NOT_IN_TAG = re.compile(r"[^\w\-:./]+|__+")


@lru_cache(maxsize=10_000)
def metric_name(name: str) -> str:
    """Return a metric's name with Datadog's characters; empty if no letter is left to begin with."""
    text = _NOT_IN_NAME.sub("_", _BEFORE_NAME.sub("", name))
    return _UNDERSCORES.sub(lambda run: "." if "." in run[0] else "_", text)[:LONGEST].rstrip("_")


@lru_cache(maxsize=10_000)
def tag(text: str) -> str:
    """Return a tag in lower case with Datadog's characters; empty if nothing is left."""
    start = next((at for at, character in enumerate(text) if character.isalpha() or character == ":"), len(text))
    written = _NOT_IN_TAG.sub("_", text[start:].lower())
    return re.sub("__+", "_", written)[:LONGEST].rstrip("_:")


def tag_key(key: str) -> str:
    """Return the key of an attribute's tag."""
    return tag(f"{key}:x").rpartition(":x")[0]


def tags_of(attributes: Mapping[str, Any]) -> list[str]:
    """Return the tags of attributes, in their order."""
    return [written for key, value in attributes.items() if (written := tag(f"{key}:{value_text(value)}"))]


def value_text(value: Any) -> str:
    """Return an attribute's value as text, as OpenTelemetry writes it in other formats: `true`, `[1,2]`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "[" + ",".join(value_text(each) for each in value) + "]"
    return str(value)


def bound(value: float) -> str:
    """Return a bucket's bound as the agent's OpenMetrics check writes it: `0`, `0.5`, `10.0`, `inf`."""
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return "0" if value == 0 else repr(float(value))
