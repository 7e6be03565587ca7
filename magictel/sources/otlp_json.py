"""OTLP JSON with a request per line, as the Collector's file exporter writes it (and its flush format: in sequence)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model.validity import Problem
from magictel.sources import otlp_messages as otlp
from magictel.sources.batching import Part
from magictel.sources.errors import SourceError, broken, impossible
from magictel.sources.json_errors import broken_at, column_of, place, undecodable, undecoded
from magictel.sources.line_cache import Shapes
from magictel.sources.otlp_members import MemberError, canonical
from magictel.sources.otlp_points import OtlpPoints
from magictel.sources.otlp_times import has_all_times, has_all_values
from magictel.sources.otlp_values import counted_attributes, dictionary, identifier
from magictel.sources.skips import UNREADABLE_IDENTIFIER, LineNotes, Skips


class OtlpJsonReader(OtlpPoints):
    """A decoder of the lines of a recording."""

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
        self._notes = LineNotes()
        try:
            request = otlp.REQUEST.decode(text)
            plain = has_all_times(request, text) and has_all_values(request, text)
            parts = list(self._parts([request])) if plain else None
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
        several = document.startswith(b"[")
        requests = otlp.REQUESTS.decode(document) if several else [otlp.REQUEST.decode(document)]
        parts = list(self._parts(requests, several=several))
        for name in dict.fromkeys(others):
            self.skips.other_signals[name] += 1
        return parts

    def _impossible(self, path: str, name: str, problem: Problem) -> SourceError:
        """Return the error for an invalid point, with its position in the line."""
        column = column_of(self._text, f"{path}.{problem.field}") or column_of(self._text, path)
        return impossible(self.name, *place(self._number, self._text, column), f"{name}: {problem}, in {path}")

    def _parts(self, requests: list[otlp.Request], *, several: bool = False) -> Iterator[Part]:
        for first, request in enumerate(requests):
            start = f"[{first}].resourceMetrics" if several else "resourceMetrics"
            for second, resource_metrics in enumerate(request.resourceMetrics):
                resource = self._resources[bytes(resource_metrics.resource)]
                for third, scope_metrics in enumerate(resource_metrics.scopeMetrics):
                    scope = self._scopes[bytes(scope_metrics.scope)]
                    around = resource, scope, resource_metrics.schemaUrl, scope_metrics.schemaUrl
                    for fourth, metric in enumerate(scope_metrics.metrics):
                        self._metric_path = f"{start}[{second}].scopeMetrics[{third}].metrics[{fourth}]"
                        yield from self._metric(around, metric)

    def attributes(self, raw: bytes) -> tuple[dict[str, Any], int]:
        """Decode attributes, and count their pairs."""
        return counted_attributes(raw)

    def resource(self, raw: bytes) -> Resource:
        """Decode a resource."""
        return Resource(dictionary(otlp.RESOURCE.decode(raw).attributes) if raw else {})

    def scope(self, raw: bytes) -> InstrumentationScope:
        """Decode a scope."""
        scope = otlp.SCOPE.decode(raw) if raw else otlp.Scope()
        return InstrumentationScope(scope.name, scope.version, None, dictionary(scope.attributes))

    def exemplars(self, given: list[otlp.Exemplar]) -> list[Exemplar]:
        """Return the exemplars of a point as the SDK's."""
        exemplars = []
        for exemplar in given:
            span, trace = identifier(exemplar.spanId, 8), identifier(exemplar.traceId, 16)
            if (exemplar.spanId and span is None) or (exemplar.traceId and trace is None):
                self._notes.doubts[UNREADABLE_IDENTIFIER] += 1
            value = (exemplar.asInt if exemplar.asInt is not None else exemplar.asDouble) or 0
            exemplars.append(
                Exemplar(
                    dictionary(exemplar.filteredAttributes), value, exemplar.timeUnixNano + self.shift, span, trace
                )
            )
        return exemplars


def _at(why: str, path: str) -> str:
    return f"{why}, in {path}" if path else why
