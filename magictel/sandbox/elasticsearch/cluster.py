"""The cluster's state: indices, data streams, index templates, documents, and when a document becomes visible."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from magictel.clock import Clock
from magictel.sandbox.elasticsearch.documents import Parsed
from magictel.sandbox.elasticsearch.errors import Dialect, Refused, check_keys, illegal, no_such_index
from magictel.sandbox.elasticsearch.mapping import IndexMapping

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_FORBIDDEN = frozenset('\\/*?"<>| ,#:')


_SETTINGS = frozenset(
    f"index.{name}" for name in ("number_of_shards", "number_of_replicas", "refresh_interval", "hidden")
)


def new_uuid() -> str:
    """Return an id in the engine's format."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


@dataclass(slots=True)
class Document:
    """A stored document: its source as received (bytes), and its values as indexed."""

    id: str
    source: bytes
    parsed: Parsed
    seq_no: int
    version: int
    visible_at: float
    routing: str | None = None


@dataclass(slots=True)
class Index:
    """An index: settings by their full names, mapping, documents by id in the order of arrival."""

    name: str
    settings: dict[str, Any]
    mapping: IndexMapping
    created: float
    stream: str | None = None
    uuid: str = field(default_factory=new_uuid)
    documents: dict[str, Document] = field(default_factory=dict)
    operations: int = 0

    @property
    def refresh_interval(self) -> float:
        """Seconds until a write can be searched; infinite without automatic refresh."""
        seconds = duration(str(self.settings.get("index.refresh_interval") or "1s"))
        return float("inf") if seconds < 0 else seconds

    def next_seq_no(self) -> int:
        """Return the next sequence number."""
        self.operations += 1
        return self.operations - 1

    def refresh(self, now: float) -> None:
        """Make every written document visible."""
        for document in self.documents.values():
            document.visible_at = min(document.visible_at, now)

    def visible(self, now: float) -> list[Document]:
        """Return the documents that a search sees."""
        return [document for document in self.documents.values() if document.visible_at <= now]

    def shown_settings(self) -> dict[str, Any]:
        """Return its settings, and those that the engine adds."""
        return {
            "index.number_of_shards": "1",
            "index.number_of_replicas": "1",
            "index.provided_name": self.name,
            "index.creation_date": str(int(self.created * 1000)),
            "index.uuid": self.uuid,
            **self.settings,
        }


@dataclass(slots=True)
class DataStream:
    """A data stream and its backing indices; the last is the write index."""

    name: str
    template: str
    indices: list[str] = field(default_factory=list)


class Templates:
    """Index templates, and the settings and mapping that they give to a new index."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.index: dict[str, dict[str, Any]] = {}

    def put(self, name: str, body: Mapping[str, Any]) -> None:
        """Store a template. Raise `Refused` for an impossible mapping, and for an overlap with another of equal priority."""
        patterns = body.get("index_patterns") or []
        patterns = [patterns] if isinstance(patterns, str) else patterns
        if not patterns:
            raise illegal("Required [index_patterns]")
        keys = {"index_patterns", "template", "priority", "data_stream", "version", "_meta"}
        check_keys(body, "an index template", keys)
        template, priority = body.get("template", {}), int(body.get("priority", 0))
        check_keys(template, "an index template", {"settings", "mappings"})
        check_keys(flat_settings(template.get("settings", {})), "an index's settings", _SETTINGS)
        IndexMapping(self._dialect, template.get("mappings", {}))
        for other, known in self.index.items():
            theirs = known["index_patterns"]
            if other == name or int(known.get("priority", 0)) != priority:
                continue
            if any(_overlap(ours, pattern) for ours in patterns for pattern in theirs):
                raise illegal(
                    f"index template [{name}] has index patterns [{', '.join(patterns)}] matching patterns from existing templates "
                    f"[{other}] with patterns ({other} => [{', '.join(theirs)}]) that have the same priority [{priority}], "
                    "multiple index templates may not match during index creation, please use a different priority"
                )
        self.index[name] = {**body, "index_patterns": patterns}

    def matching(self, index: str) -> tuple[str, dict[str, Any]] | None:
        """Return the matching template of the highest priority and its name."""
        fitting = [
            (int(template.get("priority", 0)), name)
            for name, template in self.index.items()
            if any(fnmatchcase(index, pattern) for pattern in template["index_patterns"])
        ]
        return (max(fitting)[1], self.index[max(fitting)[1]]) if fitting else None

    def compose(self, index: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """Return the settings and the mapping that a new index of this name starts from."""
        match = self.matching(index)
        template = match[1].get("template", {}) if match else {}
        return flat_settings(template.get("settings", {})), template.get("mappings", {})


class Cluster:
    """The state of an emulator, which locks around it: it is not thread-safe by itself."""

    def __init__(self, dialect: Dialect, clock: Clock) -> None:
        self.dialect = dialect
        self.clock = clock
        self.name = "magictel-sandbox"
        self.uuid = new_uuid()
        self.indices: dict[str, Index] = {}
        self.streams: dict[str, DataStream] = {}
        self.templates = Templates(dialect)

    def create(self, name: str, body: Mapping[str, Any] | None = None, *, stream: str | None = None) -> Index:
        """Create an index from its template and the request. Raise `Refused`."""
        body = body or {}
        check_keys(body, "an index", {"settings", "mappings"})
        if stream is None:
            check_name(name)
            if name in self.indices:
                of = self.indices[name].uuid
                reason = f"index [{name}/{of}] already exists"
                raise Refused(400, "resource_already_exists_exception", reason, index_uuid=of, index=name)
            if (match := self._stream_template(name)) is not None:
                raise illegal(
                    f"cannot create index with name [{name}], because it matches with template [{match}] that creates "
                    "data streams only, use create data stream api instead"
                )
        settings, mappings = self.templates.compose(stream or name)
        settings |= flat_settings(body.get("settings") or {})
        check_keys(settings, "an index's settings", _SETTINGS)
        mapping = IndexMapping(self.dialect, _merged(mappings, body.get("mappings") or {}))
        if stream is not None:
            mapping.top["_data_stream_timestamp"] = {"enabled": True}
            settings.setdefault("index.hidden", "true")
            if "@timestamp" not in mapping.flat:
                mapping.add("@timestamp", mapping.field("@timestamp", {"type": "date"}))
        index = self.indices[name] = Index(name, settings, mapping, self.clock.now(), stream)
        return index

    def roll_over(self, stream: DataStream) -> str:
        """Create the first or next write index of a data stream; return its name."""
        day = datetime.fromtimestamp(self.clock.now(), UTC).strftime("%Y.%m.%d-") if self.dialect.elastic else ""
        name = f".ds-{stream.name}-{day}{len(stream.indices) + 1:06d}"
        self.create(name, stream=stream.name)
        stream.indices.append(name)
        return name

    def write_index(self, name: str) -> Index:
        """Return the index that stores a write to this name, created if it is missing. Raise `Refused`."""
        if name in self.indices:
            return self.indices[name]
        if name not in self.streams:
            check_name(name)
            template = self._stream_template(name)
            if template is None:
                return self.create(name)
            stream = DataStream(name, template)
            self.roll_over(stream)
            self.streams[name] = stream
        return self.indices[self.streams[name].indices[-1]]

    def resolve(self, expression: str, *, allow_missing: bool = False) -> list[Index]:
        """Return the indices of an expression (`a,b*,_all`). Raise `Refused` for a missing plain name."""
        indices: dict[str, Index] = {}
        for part in expression.split(","):
            pattern = "*" if part == "_all" else part
            matching = [name for name, index in self.indices.items() if fnmatchcase(index.stream or name, pattern)]
            matching = [part] if part in self.indices else matching
            if not matching and "*" not in pattern and not allow_missing:
                raise no_such_index(part)
            indices |= {name: self.indices[name] for name in matching}
        return list(indices.values())

    def is_stream(self, name: str) -> bool:
        """True when a write to this name goes to a data stream, existing or to be created."""
        return name in self.streams or (name not in self.indices and self._stream_template(name) is not None)

    def _stream_template(self, name: str) -> str | None:
        match = self.templates.matching(name)
        return match[0] if match is not None and "data_stream" in match[1] else None


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested or dotted settings as `index.…` names and text values."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{path}.")
        else:
            full = path if path.startswith("index.") else f"index.{path}"
            flat[full] = str(value).lower() if isinstance(value, bool) else str(value)
    return flat


def nested_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted settings as the API nests them."""
    root: dict[str, Any] = {}
    for name, value in sorted(settings.items()):
        node = root
        *parents, last = name.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return root


def check_name(name: str) -> None:
    """Raise `Refused` for a name that the engine refuses for an index."""
    problem = ""
    if name != name.lower():
        problem = "must be lowercase"
    elif any(char in _FORBIDDEN for char in name):
        problem = "must not contain the following characters [' ','\"','*',',','/','<','>','?','\\','|']"
    elif name[:1] in {"-", "_", "+"}:
        problem = "must not start with '_', '-', or '+'"
    elif len(name.encode()) > 255:
        problem = f"index name is too long, ({len(name.encode())} > 255)"
    if problem:
        reason = f"Invalid index name [{name}], {problem}"
        raise Refused(400, "invalid_index_name_exception", reason, index_uuid="_na_", index=name)


def duration(text: str) -> float:
    """Return `1s`, `500ms`, `-1` in seconds. Raise `Refused`."""
    match = re.fullmatch(r"(-1|\d+)(ms|s|m|h)?", text)
    if match is None:
        raise illegal(
            f"failed to parse setting [index.refresh_interval] with value [{text}] as a time value: unit is missing or unrecognized"
        )
    return int(match[1]) * _UNITS[match[2] or "s"]


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {**old, **new, "properties": {**old.get("properties", {}), **new.get("properties", {})}}


def _overlap(pattern: str, other: str) -> bool:
    """Return whether a name could match both patterns, judged by the text before the first star."""
    if "*" not in pattern or "*" not in other:
        return fnmatchcase(pattern, other) or fnmatchcase(other, pattern)
    start, start_of_other = pattern.split("*")[0], other.split("*")[0]
    return start.startswith(start_of_other) or start_of_other.startswith(start)
