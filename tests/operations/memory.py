"""An exporter to a list, with the faults a backend can have: what it loses, alters, doubles, hides or refuses is scripted."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Point, Series
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Partial
from magictel.model.verification import POINT, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import Encoder, ReadBack
from magictel.settings.model import ExporterSettings


class MemorySettings(ExporterSettings, frozen=True, kw_only=True):
    env_prefix: ClassVar[str] = "MEMORY_"


@dataclass
class Backend:
    """The list, and its script: each maps what is stored to what is shown."""

    stored: list[dict[str, Any]] = field(default_factory=list)
    judge: Callable[[Payload], Outcome] | None = None
    shows: Callable[[list[dict[str, Any]]], Sequence[dict[str, Any]] | Unreadable] = list
    unreadable: dict[str, str] = field(default_factory=dict)
    delay: float | Unreadable = 0.0
    steps: dict[Rung, Finding] = field(default_factory=dict)
    asked: int = 0
    cannot_query: frozenset[str] = frozenset()
    """The names of metrics whose points no query shows."""


class MemoryReadBack(ReadBack["MemoryExporter"]):
    def expect(self, series: Series, point: Point) -> Expected | None:
        if series.stream.name in self.exporter.backend.cannot_query:
            return None
        shown = MemoryEncoder.document(series, point)
        return Expected(shown["key"], f"{shown['name']} {shown['key']}", {"value": frozen(shown["value"])})

    def visible_delay(self) -> float | Unreadable:
        return self.exporter.backend.delay

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        self.exporter.backend.asked += 1
        shown = self.exporter.backend.shows(copy.deepcopy(self.exporter.backend.stored))
        if isinstance(shown, Unreadable):
            return shown
        unreadable = self.exporter.backend.unreadable
        return [Seen(document["key"], {"value": frozen(document["value"])}, unreadable) for document in shown]


class MemoryEncoder(Encoder["MemoryExporter"]):
    def encode(self, series: Series, point: Point) -> bytes:
        return json.dumps(self.document(series, point)).encode() + b"\n"

    @staticmethod
    def document(series: Series, point: Point) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": series.stream.name, "key": series.attributes[POINT]}
        shown["value"] = (
            point.value
            if hasattr(point, "value")
            else list(point.bucket_counts)
            if hasattr(point, "bucket_counts")
            else point.count
        )
        return shown

    def split(self, body: bytes) -> list[bytes]:
        return [line + b"\n" for line in body.split(b"\n")[:-1]]


class MemoryExporter(Exporter[MemorySettings]):
    name: ClassVar[str] = "memory"
    summary: ClassVar[str] = "a list"
    Settings: ClassVar[type[ExporterSettings]] = MemorySettings
    Encoder = MemoryEncoder
    ReadBack = MemoryReadBack

    def __init__(self, backend: Backend, **options: Any) -> None:
        self.backend = backend
        super().__init__(MemorySettings(retry_budget=0.1, backoff_initial=0.001), **options)

    def route(self) -> Route:
        return Route("/", 5, 100_000)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        outcome = self.backend.judge(payload) if self.backend.judge else Delivered()
        refused: Mapping[int, ItemVerdict] = {}
        if isinstance(outcome, Partial):
            refused = {**outcome.rejected, **outcome.retry}
        elif not isinstance(outcome, Delivered):
            return Attempted(outcome, len(payload.body))
        for index, item in enumerate(payload.items()):
            if index not in refused:
                self.backend.stored.append(json.loads(item))
        return Attempted(outcome, len(payload.body))

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        return {rung: (lambda finding=finding: finding) for rung, finding in self.backend.steps.items()}


def frozen(value: Any) -> Value:
    return tuple(value) if isinstance(value, list) else value
