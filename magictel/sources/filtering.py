"""`--filter KEY=PATTERN`: the selection of a recording's points. `name` is the metric's; other keys are attributes of point or resource."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from typing import Any

from magictel.errors import UsageError
from magictel.sources.batching import Part


class Filter:
    """A conjunction of conditions; `*` matches anything, `?` a single character."""

    def __init__(self, written: Sequence[str]) -> None:
        self._name: list[re.Pattern[str]] = []
        self._others: list[tuple[str, re.Pattern[str]]] = []
        for text in written:
            key, equals, pattern = text.partition("=")
            if not equals or not key.strip():
                raise UsageError("usage.filter", f"--filter {text}: use KEY=PATTERN", "--filter 'name=http_*'")
            wanted = re.compile(translate(pattern))
            if key.strip() == "name":
                self._name.append(wanted)
            else:
                self._others.append((key.strip(), wanted))

    def __bool__(self) -> bool:
        return bool(self._name or self._others)

    def __call__(self, batches: Iterable[Iterable[Part]]) -> Iterator[list[Part]]:
        """Yield the batches with the matching points."""
        for batch in batches:
            yield list(self._kept(batch))

    def _kept(self, batch: Iterable[Part]) -> Iterator[Part]:
        for part in batch:
            if not all(wanted.fullmatch(part.head.name) for wanted in self._name):
                continue
            if not self._others:
                yield part
                continue
            resource = part.head.resource.attributes
            kept = [at for at, point in enumerate(part.points) if self._holds(point.attributes or {}, resource)]
            if kept:
                yield Part(part.head, [part.points[at] for at in kept], [part.keys[at] for at in kept])

    def _holds(self, attributes: Mapping[str, Any], resource: Mapping[str, Any]) -> bool:
        for key, wanted in self._others:
            value = attributes.get(key, resource.get(key))
            if value is None or not wanted.fullmatch(str(value)):
                return False
        return True
