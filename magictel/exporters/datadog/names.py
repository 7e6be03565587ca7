"""Names and tags as Datadog stores them: sent in this form, so that what is stored is what was sent.

Rules of docs.datadoghq.com/metrics/custom_metrics and docs.datadoghq.com/getting_started/tagging and the agent's own code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from magictel.formats.prometheus.names import label_value

LONGEST = 200
"""The most characters of a metric's name and of a tag; Datadog drops what is longer."""
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.]+")
_BEFORE_NAME = re.compile(r"^[^A-Za-z]+")
_UNDERSCORES = re.compile(r"_*\._*|__+")
_NOT_IN_TAG = re.compile(r"(?:[^\w\-:./]|_)+")


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


def bound(value: float) -> str:
    """Return a bucket's bound as the agent's OpenMetrics check writes it: `0`, `0.5`, `10.0`, `inf`."""
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return "0" if value == 0 else repr(float(value))
