"""OTLP JSON with a request per line, as the Collector's file exporter writes it (and its flush format: in sequence)."""

from __future__ import annotations

from typing import Any

import msgspec
from opentelemetry.sdk.metrics import Exemplar

from magictel.formats.otlp import messages as otlp
from magictel.formats.otlp.members import MemberError, canonical
from magictel.model.validity import Problem
from magictel.sources.batching import Part
from magictel.sources.errors import SourceError, broken, impossible
from magictel.sources.json_errors import broken_at, column_of, place, undecodable, undecoded
from magictel.sources.line_cache import Shapes
from magictel.sources.otlp_points import OtlpPoints
from magictel.sources.skips import UNREADABLE_IDENTIFIER, LineNotes, Skips


class OtlpJsonReader(OtlpPoints):
    """A decoder of the lines of a recording."""

    attributes = staticmethod(otlp.attributes)
    resource = staticmethod(otlp.resource)
    scope = staticmethod(otlp.scope)

    def __init__(self, name: str, shift: int = 0, skips: Skips | None = None) -> None:
        super().__init__(name, shift, skips)
        self._shapes = Shapes(self._decoded, shift)
        self._text, self._number = b"", 0

    def line(self, text: bytes, number: int) -> list[Part]:
        """Return the parts of a line. Raise `SourceError` for a broken line: then none of its points counts."""
        self._text, self._number = text, number
        try:
            return self._shapes.parts(text)
        except RecursionError:
            raise broken(
                self.name, number, None, "expected an OTLP request, got JSON that is nested too deep"
            ) from None
        except MemberError as failure:
            column = column_of(text, failure.path)
            raise broken_at(self.name, number, text, column, _at(str(failure), failure.path)) from None
        except msgspec.DecodeError as failure:
            raise undecoded(self.name, number, text, failure) from None
        except (ValueError, OverflowError):
            raise undecodable(self.name, number, text) from None

    def _decoded(self, text: bytes) -> list[Part]:
        text = otlp.with_signs(text)
        self._notes = LineNotes()
        try:
            request = otlp.REQUEST.decode(text)
            parts = list(self._parts(request)) if _is_complete(request, text) else None
        except msgspec.ValidationError:
            parts = None
        if (
            parts is None or self._notes.problems or self._notes.ended
        ):  # a point without a time would compensate for a lost one
            parts = self._carefully(text)
        self._notes.settle(self.skips, self._impossible)
        return parts

    def _carefully(self, text: bytes) -> list[Part]:
        """Return the parts of a line with unusual members, or with a different number of times and points."""
        self._notes = LineNotes()
        others: list[str] = []
        document = canonical(text, others.append)
        if document.startswith(b"["):
            requests = otlp.REQUESTS.decode(document)
            parts = [part for at, request in enumerate(requests) for part in self._parts(request, f"[{at}].")]
        else:
            parts = list(self._parts(otlp.REQUEST.decode(document)))
        for name in dict.fromkeys(others):
            self.skips.other_signals[name] += 1
        return parts

    def _impossible(self, path: str, name: str, problem: Problem) -> SourceError:
        """Return the error for an invalid point, with its position in the line."""
        column = column_of(self._text, f"{path}.{problem.field}") or column_of(self._text, path)
        return impossible(self.name, *place(self._number, self._text, column), f"{name}: {problem}, in {path}")

    def exemplars(self, given: list[otlp.Exemplar]) -> list[Exemplar]:
        """Return the exemplars of a point as the SDK's."""
        exemplars = []
        for exemplar in given:
            span, trace = otlp.identifier(exemplar.spanId, 8), otlp.identifier(exemplar.traceId, 16)
            if (exemplar.spanId and span is None) or (exemplar.traceId and trace is None):
                self._notes.doubts[UNREADABLE_IDENTIFIER] += 1
            value = (exemplar.asInt if exemplar.asInt is not None else exemplar.asDouble) or 0
            exemplars.append(
                Exemplar(
                    otlp.dictionary(exemplar.filteredAttributes),
                    value,
                    exemplar.timeUnixNano + self.shift,
                    span,
                    trace,
                )
            )
        return exemplars


def _at(why: str, path: str) -> str:
    return f"{why}, in {path}" if path else why


def _is_complete(request: otlp.Request, text: bytes) -> bool:
    """Return whether a request has as many times and values as its text: otherwise some are lost in duplicate members or a second type."""
    data: list[Any] = [
        metric.gauge or metric.sum or metric.histogram or metric.exponentialHistogram or metric.summary
        for resource_metrics in request.resourceMetrics
        for scope_metrics in resource_metrics.scopeMetrics
        for metric in scope_metrics.metrics
    ]
    lists = [points.dataPoints for points in data if points is not None]
    count = sum(map(len, lists))
    numbers = sum(len(points) for points in lists if points and isinstance(points[0], otlp.Point))
    values = text.count(b'"asDouble"') + text.count(b'"asInt"') if numbers else 0
    all_times = text.count(b'"timeUnixNano":') == count
    if all_times and values <= numbers:
        return True
    exemplars = [
        exemplar for points in lists for point in points for exemplar in getattr(point, "exemplars", None) or ()
    ]
    if not all_times and (
        text.count(b'"timeUnixNano"') != count + len(exemplars)
        or not all(exemplar.timeUnixNano for exemplar in exemplars)
    ):
        return False
    return values <= numbers + len(exemplars)
