"""`index.mode: time_series`: dimensions, ids made by the engine, the window a timestamp must lie in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.elasticsearch import dates, values
from tests.emulators.elasticsearch.answers import Refused, illegal
from tests.emulators.elasticsearch.dialect import Dialect
from tests.emulators.elasticsearch.fields import DECIMAL, FLATTENED, Field
from tests.emulators.elasticsearch.mapping import IndexMapping
from tests.emulators.elasticsearch.parsing import Parsed

_SECOND = 1_000_000_000
_LOOK_BACK = 2 * 3600
_LOOK_AHEAD = 30 * 60


@dataclass(slots=True)
class TimeSeries:
    """The rules of one time-series index. `start` and `end` are nanoseconds since the epoch, None where it is open.

    `routing` are the patterns of `index.routing_path`, or where `by_source` of `index.dimensions`: then the tsid is made of the
    source's values and their JSON types, before any mapping.
    """

    dialect: Dialect
    mapping: IndexMapping
    routing: tuple[str, ...]
    by_source: bool
    start: int | None
    end: int | None
    in_stream: bool

    @classmethod
    def of(
        cls, dialect: Dialect, settings: dict[str, Any], mapping: IndexMapping, now: float, *, in_stream: bool
    ) -> TimeSeries:
        """Read the rules from an index's settings and mapping, and add what the engine sets itself; raises `Refused`."""
        routing = settings.get("index.routing_path")
        by_source = routing is None and in_stream and dialect.number >= (9, 2) and not _made_dimensions(mapping)
        if routing is None:
            routing = _dimensions(mapping)
            settings["index.dimensions" if by_source else "index.routing_path"] = routing
        if isinstance(routing, str):
            routing = routing.split(",")
        if not routing:
            raise illegal("[index.mode=time_series] requires a non-empty [index.routing_path]")
        start = dates.parse(str(settings.get("index.time_series.start_time", "")), "strict_date_optional_time")
        end = dates.parse(str(settings.get("index.time_series.end_time", "")), "strict_date_optional_time")
        if in_stream and start is None:
            start, end = int(now - _LOOK_BACK) * _SECOND, int(now + _LOOK_AHEAD) * _SECOND
        return cls(dialect, mapping, tuple(routing), by_source, start, end, in_stream)

    def check_routing(self, document: Mapping[str, Any]) -> None:
        """Refuse a document without any routing field, or with null in a list of one."""
        what, fields = ("tsid", "dimension") if self.by_source else ("routing", "routing")
        routed = list(self._routed(document))
        if any(in_list and value is None for _, value, in_list in routed):
            why = "Failed to parse object: expecting value token but found [VALUE_NULL]"
            cause = {"type": "parsing_exception", "reason": why, "line": 1, "col": 1}
            raise Refused(400, "illegal_argument_exception", f"Error extracting {what}: {why}", cause)
        if all(value is None for _, value, _ in routed):
            if routed and self.by_source:
                raise illegal("Dimensions are empty")
            raise illegal(f"Error extracting {what}: source didn't contain any {fields} fields")

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

    def identity(self, parsed: Parsed, source: Mapping[str, Any]) -> tuple[str, str]:
        """The `_id` and the series' hash that the engine derives from dimensions, routing fields and time."""
        moment = parsed.values["@timestamp"][0]
        routed = [(path, value) for path, value, _ in self._routed(source) if value is not None]
        if self.by_source:
            series = repr(_by_path((path, (_json_type(value), values.written(value))) for path, value in routed))
        else:
            leaves = dict(self.mapping.flat) | {path: leaf for path, leaf in parsed.new if isinstance(leaf, Field)}
            read = {
                path: [_dimension(leaf, value) for value in parsed.values[path]]
                for leaf_path, leaf in leaves.items()
                for path in _dimension_paths(leaf_path, leaf)
                if path in parsed.values
            }
            texts = _by_path((path, values.written(value)) for path, value in routed)
            series = repr((sorted(read.items()), texts))
        digest = hashlib.sha256(series.encode("utf-8", "surrogatepass")).digest()
        stamp = (moment // 1_000_000).to_bytes(8, "big", signed=True)
        doc_id = base64.urlsafe_b64encode(digest[:12] + stamp).decode().rstrip("=")
        return doc_id, f"{base64.urlsafe_b64encode(digest[:26]).decode().rstrip('=')}@{dates.show(moment, 'iso')}"

    def _routed(self, document: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
        for path, value, in_list in _leaves(document, ""):
            if any(fnmatchcase(path, pattern) for pattern in self.routing):
                yield path, value, in_list


def _leaves(document: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any, bool]]:
    """Every scalar of a document with its path, and whether it stands in a list."""
    for name, value in document.items():
        path = f"{prefix}{name}"
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping):
                yield from _leaves(item, f"{path}.")
            else:
                yield path, item, isinstance(value, list)


def _by_path(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, list[Any]]]:
    listed: dict[str, list[Any]] = {}
    for path, value in pairs:
        listed.setdefault(path, []).append(value)
    return sorted(listed.items())


def _json_type(value: Any) -> str:
    return "float" if isinstance(value, float) else type(value).__name__


def _dimension_paths(path: str, leaf: Field) -> list[str]:
    """The paths under which a leaf's values are dimensions: some keys of a flattened field, a field itself, or none."""
    if leaf.type in FLATTENED:
        return [f"{path}.{key}" for key in leaf.params.get("time_series_dimensions", [])]
    return [path] if leaf.params.get("time_series_dimension") in (True, "true") else []


def _dimension(leaf: Field, value: Any) -> Any:
    """A dimension's value as it is hashed: of a number the whole part."""
    if leaf.type in DECIMAL:
        return int(value)
    return str(getattr(value, "ipv4_mapped", None) or value) if leaf.type == "ip" else value


def _dimensions(mapping: IndexMapping) -> list[str]:
    """The dimensions that the engine finds in the mapping of a new index."""
    paths = [path for leaf_path, leaf in mapping.flat.items() for path in _dimension_paths(leaf_path, leaf)]
    return paths + [f"{path}.*" for path, node in mapping.objects().items() if node.params.get("time_series_dimension")]


def _made_dimensions(mapping: IndexMapping) -> bool:
    """True where a dynamic template makes dimensions, which no list could name."""
    rules = [rule for entry in mapping.top.get("dynamic_templates", []) for rule in entry.values()]
    return any(rule.get("mapping", {}).get("time_series_dimension") for rule in rules)


def _short(moment: int) -> str:
    return dates.show(moment, "iso").replace(".000Z", "Z")
