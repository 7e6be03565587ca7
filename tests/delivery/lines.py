"""The smallest exporter: a line a point, handed to a function in place of a backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Point, Series
from magictel.model.outcome import Delivered, Outcome
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import Encoder
from magictel.settings.model import ExporterSettings

Backend = Callable[[Payload, float], Outcome]


class LinesEncoder(Encoder["LinesExporter"]):
    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        odd = series.attributes.get("odd")
        if odd == "bug":
            raise ZeroDivisionError("odd point")
        if odd == "withheld":
            return Withheld("lines.odd", "odd points have no line", series.stream.name)
        return f"{series.stream.name} {dict(series.attributes)}\n".encode()

    def split(self, body: bytes) -> list[bytes]:
        return body.splitlines(keepends=True)


class LinesExporter(Exporter[ExporterSettings]):
    """`backend` answers each attempt; `closed` and `children` count calls of `close` and `after_fork`."""

    name = "lines"
    summary = "A line for each point"
    Settings = ExporterSettings
    Encoder = LinesEncoder

    def __init__(
        self, settings: ExporterSettings | None = None, *, backend: Backend | None = None, **options: Any
    ) -> None:
        self.backend: Backend = backend or (lambda payload, timeout: Delivered())
        self.closed = 0
        super().__init__(settings or ExporterSettings(), **options)

    def route(self) -> Route:
        return Route("/", self.settings.max_batch_points, self.settings.max_batch_bytes)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        return Attempted(self.backend(payload, timeout), len(payload.body))

    def close(self) -> None:
        self.closed += 1
