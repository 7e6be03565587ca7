"""`index.mode: time_series`: dimensions, ids made by the engine, the window a timestamp must lie in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from magictel.sandbox.elasticsearch import dates
from magictel.sandbox.elasticsearch.answers import Refused, illegal
from magictel.sandbox.elasticsearch.dialect import Dialect
from magictel.sandbox.elasticsearch.mapping import IndexMapping
from magictel.sandbox.elasticsearch.parsing import Parsed

_SECOND = 1_000_000_000
_LOOK_BACK = 2 * 3600
_LOOK_AHEAD = 30 * 60


@dataclass(slots=True)
class TimeSeries:
    """The rules of one time-series index. `start` and `end` are nanoseconds since the epoch, None where it is open."""

    dialect: Dialect
    routing: tuple[str, ...]
    dimensions: tuple[str, ...]
    start: int | None
    end: int | None
    in_stream: bool

    @classmethod
    def of(
        cls, dialect: Dialect, settings: Mapping[str, Any], mapping: IndexMapping, now: float, *, in_stream: bool
    ) -> TimeSeries:
        """Read the rules from an index's settings and mapping; raises `Refused`."""
        dimensions = tuple(path for path, leaf in mapping.flat.items() if leaf.params.get("time_series_dimension"))
        routing = settings.get("index.routing_path") or list(dimensions)
        if isinstance(routing, str):
            routing = routing.split(",")
        if not routing:
            raise illegal("[index.mode=time_series] requires a non-empty [index.routing_path]")
        start = dates.parse(str(settings.get("index.time_series.start_time", "")), "strict_date_optional_time")
        end = dates.parse(str(settings.get("index.time_series.end_time", "")), "strict_date_optional_time")
        if in_stream and start is None:
            start, end = int(now - _LOOK_BACK) * _SECOND, int(now + _LOOK_AHEAD) * _SECOND
        return cls(dialect, tuple(routing), dimensions, start, end, in_stream)

    def check_routing(self, document: Mapping[str, Any]) -> None:
        """Refuse a document without any routing field."""
        if not any(fnmatchcase(path, pattern) for path in _paths(document, "") for pattern in self.routing):
            raise illegal("Error extracting routing: source didn't contain any routing fields")

    def check_window(self, moment: int, written: str) -> None:
        """Refuse a timestamp outside the window; in a stream before parsing, in a plain index as a parse error."""
        if self.start is None or self.end is None or self.start <= moment < self.end:
            return
        if self.in_stream:
            kind = "timestamp_error" if self.dialect.number >= (8, 19) else "illegal_argument_exception"
            window = f"[[{_short(self.start)},{_short(self.end)}]]"
            raise Refused(
                400,
                kind,
                f"the document timestamp [{dates.show(moment, 'iso')}] is outside of ranges of currently writable indices {window}",
            )
        late = moment >= self.end
        bound = _short(self.end if late else self.start)
        reason = (
            f"time series index @timestamp value [{written}] must be {'smaller' if late else 'larger'} than {bound}"
        )
        cause = {"type": "illegal_argument_exception", "reason": reason}
        raise Refused(400, self.dialect.document_error, self.dialect.at(f"failed to parse: {reason}"), cause)

    def identity(self, parsed: Parsed) -> tuple[str, str]:
        """The `_id` and the series' hash that the engine derives from dimensions and time."""
        moment = parsed.values["@timestamp"][0]
        series = repr(sorted((path, parsed.values[path]) for path in self.dimensions if path in parsed.values))
        digest = hashlib.sha256(series.encode()).digest()
        stamp = (moment // 1_000_000).to_bytes(8, "big", signed=True)
        doc_id = base64.urlsafe_b64encode(digest[:12] + stamp).decode().rstrip("=")
        return doc_id, f"{base64.urlsafe_b64encode(digest[:26]).decode().rstrip('=')}@{dates.show(moment, 'iso')}"


def _paths(document: Mapping[str, Any], prefix: str) -> list[str]:
    found: list[str] = []
    for name, value in document.items():
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping):
            found += _paths(value, path)
        elif value is not None:
            found.append(path)
    return found


def _short(moment: int) -> str:
    return dates.show(moment, "iso").replace(".000Z", "Z")
