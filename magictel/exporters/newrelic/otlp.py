"""`protocol = "otlp"`: the encoder of the exporter otlp, under New Relic's rules."""

from __future__ import annotations

from collections.abc import Sequence

from magictel.encoding.protobuf import Fields
from magictel.encoding.templates import Filled
from magictel.encoding.withheld import Withheld
from magictel.exporters.newrelic.limits import Limits
from magictel.exporters.otlp.exporter import OtlpEncoder
from magictel.model.metrics import Kind, Point, Series, Stream


class NewRelicOtlpEncoder(Limits, OtlpEncoder):
    """Points as OTLP messages."""

    @staticmethod
    def seconds_of(item: bytes) -> float:
        """Return the time of a data point."""
        return Fields(Fields(item).content(1)).fixed(3) / 1e9

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """Return the point's message, or why it is left out."""
        return self.problem(series, point) or super().encode(series, point)

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """Return the same bytes by column; None for histograms, whose points are checked one by one."""
        numbers = stream.kind in (Kind.GAUGE, Kind.SUM)
        return super().columns(stream, points) if numbers and self.fits(stream, points) else None
