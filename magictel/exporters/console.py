"""Metrics on the terminal, for people or as OTLP JSON lines: through the same core as every other exporter."""

from __future__ import annotations

import datetime as dt
import io
import sys
from typing import Annotated, Any, Literal

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.formats.otlp.json_lines import OtlpJsonEncoder, line
from magictel.model.metrics import Point, Series
from magictel.model.outcome import Delivered, Outcome, Throttled
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import Encoder
from magictel.settings.model import ExporterSettings, option
from magictel.transports.fd_write import write


class ConsoleSettings(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stream, and the format."""

    env_prefix = "MAGICTEL_CONSOLE_"

    format: Annotated[
        Literal["text", "otlp-json"],
        option("One line per point for people, or OTLP JSON lines.", example="otlp-json", routes=False),
    ] = "text"
    stream: Annotated[
        Literal["stderr", "stdout"],
        option(
            "Output stream; stdout mixes with the program's own output, including that of `magictel`.", routes=False
        ),
    ] = "stderr"


class ConsoleEncoder(Encoder["ConsoleExporter"]):
    """Points as lines for people, or a payload as one line of OTLP JSON."""

    def __init__(self, exporter: ConsoleExporter) -> None:
        super().__init__(exporter)
        self._json = OtlpJsonEncoder() if exporter.settings.format == "otlp-json" else None

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """One line for people, or the point with what encloses it."""
        return self._json.encode(series, point) if self._json else text(series, point).encode("utf-8", "replace")

    def frame(self, payload: Payload) -> bytes:
        """Lines for people, or one of OTLP JSON."""
        return line(payload.items()) if self._json else payload.body


class ConsoleExporter(Exporter[ConsoleSettings]):
    """Shows metrics on the terminal."""

    name = "console"
    writes_to = "stream"
    log_words = ("stdout", "stderr", "pipe")
    summary = "metrics on the terminal, for people or as OTLP JSON lines"
    Settings = ConsoleSettings
    Encoder = ConsoleEncoder
    limits = ("A terminal cannot be read back: a sample sent here stays unverified.",)
    cost = "Nothing."

    def route(self) -> Route:
        """The stream."""
        return Route(self.settings.stream, self.settings.max_batch_points, self.settings.max_batch_bytes)

    def endpoint(self) -> str:
        """The stream's name."""
        return self.settings.stream

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Write after the program's own output."""
        body = self.encoder.frame(payload)
        stream = sys.stdout if self.settings.stream == "stdout" else sys.stderr
        try:
            _write(stream, body, timeout)
        except (OSError, ValueError) as failure:  # ValueError: the program has closed it
            return Attempted(self.refused_by_system(failure))
        return Attempted(Delivered(), len(body))

    def refused_by_system(self, failure: Exception) -> Outcome:
        """Return the outcome of any failure: the stream cannot be written."""
        if isinstance(failure, TimeoutError | BlockingIOError):
            return Throttled(
                "console.stuck",
                f"{self.settings.stream} is a pipe whose reader has stopped reading",
                needs_operator=True,
            )
        reason = getattr(failure, "strerror", None) or "it is closed"
        return Throttled("console.closed", f"{self.settings.stream} cannot be written: {reason}", needs_operator=True)


def text(series: Series, point: Point) -> str:
    """A point on one line: time, name, attributes, numbers, unit, kind; whatever would break the line is escaped."""
    stream = series.stream
    seconds = dt.timedelta(microseconds=point.time_unix_nano // 1000)
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + seconds
    attributes = ", ".join(f"{key}={_shown(value)}" for key, value in series.attributes.items())
    kind = " ".join(part for part in (stream.kind.value, stream.temporality, stream.monotonic and "monotonic") if part)
    numbers = " ".join(part for part in (_numbers(point), stream.unit) if part)
    shown = (
        f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z {stream.name}{{{attributes}}} {numbers}  {kind}"
    )
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in shown) + "\n"


def _numbers(point: Point) -> str:
    if not isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
        return repr(point.value)
    shown = f"count={point.count} sum={point.sum!r} min={point.min!r} max={point.max!r}"
    if isinstance(point, HistogramDataPoint):
        counts = " ".join(
            f"≤{bound:g}:{count}" for bound, count in zip(point.explicit_bounds, point.bucket_counts, strict=False)
        )
        return f"{shown} [{counts} >:{point.bucket_counts[-1] if point.bucket_counts else 0}]"
    sides = f"+{point.positive.offset}:{list(point.positive.bucket_counts)} -{point.negative.offset}:{list(point.negative.bucket_counts)}"
    return f"{shown} scale={point.scale} zero={point.zero_count} {sides}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _write(stream: Any, body: bytes, seconds: float) -> None:
    """Write past the stream's own buffer: bytes that remain in it when a write fails would appear later, beside their repeat."""
    if stream is None:  # the program was started with it closed
        raise ValueError
    number = _descriptor(stream)
    if number is not None:
        stream.flush()
        _, failure = write(number, body, seconds)
        if failure is not None:
            raise failure
        return
    buffer = getattr(stream, "buffer", None)
    if buffer is not None:
        stream.flush()
        buffer.write(body)
        buffer.flush()
        return
    stream.write(body.decode("utf-8", "replace"))
    stream.flush()


def _descriptor(stream: Any) -> int | None:
    """Return the stream's descriptor, or None for a stream that a program has replaced."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    if not isinstance(raw, io.FileIO):
        return None
    return raw.fileno()
