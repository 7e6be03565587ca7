"""The cluster's state: indices, data streams, templates, documents, and when a document becomes visible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from magictel.clock import Clock
from magictel.sandbox.elasticsearch.cluster import new_uuid
from tests.emulators.elasticsearch.answers import Refused, excluded, illegal, no_such_index
from tests.emulators.elasticsearch.dialect import Dialect
from tests.emulators.elasticsearch.index import Index, check_name
from tests.emulators.elasticsearch.mapping import IndexMapping
from tests.emulators.elasticsearch.templates import Templates, flat_settings, merged_mappings
from tests.emulators.elasticsearch.timeseries import TimeSeries

_SETTINGS = (
    "index.number_of_", "index.refresh_interval", "index.mapping.", "index.mode", "index.routing_path", "index.time_series.",
    "index.look_", "index.blocks.", "index.codec", "index.hidden", "index.lifecycle.", "index.max_", "index.sort.",
    "index.auto_expand", "index.default_pipeline", "index.final_pipeline", "index.priority", "index.query.", "index.routing.",
    "index.translog.", "index.analysis.", "index.merge.", "index.write.", "index.unassigned.", "index.dimensions",
    "index.plugins.", "index.knn", "index.search.", "index.store.", "index.soft_deletes.", "index.version.",
    "index.creation_date", "index.uuid", "index.provided_name", "index.similarity", "index.replication.",
)  # fmt: skip


@dataclass(slots=True)
class DataStream:
    """A data stream and its backing indices, the last being written to."""

    name: str
    indices: list[str]
    template: str
    generation: int = 1


class Cluster:
    """Everything an emulator remembers. Not thread-safe by itself: the emulator holds a lock around it."""

    def __init__(self, dialect: Dialect, clock: Clock) -> None:
        self.dialect = dialect
        self.clock = clock
        self.name = "magictel-sandbox"
        self.uuid = new_uuid()
        self.indices: dict[str, Index] = {}
        self.streams: dict[str, DataStream] = {}
        self.aliases: dict[str, set[str]] = {}
        self.templates = Templates()
        self.settings: dict[str, Any] = {}
        self.pipelines: dict[str, dict[str, Any]] = {}

    def create(self, name: str, body: Mapping[str, Any] | None = None, *, stream: str | None = None) -> Index:
        """Create an index from its templates and what the request says; raises `Refused`."""
        body = body or {}
        if stream is None:
            check_name(self.dialect, name)
            if name in self.indices or name in self.streams:
                raise self._exists(name)
            template = self.templates.matching(name)
            if template is not None and "data_stream" in template[1]:
                raise illegal(
                    f"cannot create index with name [{name}], because it matches with template [{template[0]}] that creates "
                    "data streams only, use create data stream api instead"
                )
        settings, layers = self.templates.compose(stream or name)
        settings.update(
            {key: value for key, value in flat_settings(body.get("settings") or {}).items() if value is not None}
        )
        self.check_settings(settings)
        mappings = body.get("mappings") or {}
        if set(mappings) == {"_doc"}:
            mappings = mappings["_doc"]
        mapping = IndexMapping(self.dialect, merged_mappings([*layers, mappings]))
        now = self.clock.now()
        index = Index(name, settings, mapping, now, stream=stream)
        if stream is not None and "@timestamp" not in mapping.flat:
            mapping.merge({"properties": {"@timestamp": {"type": "date"}}})
        if stream is not None:
            mapping.top["_data_stream_timestamp"] = {"enabled": True}
            settings.setdefault("index.hidden", "true")
        if settings.get("index.mode") == "time_series":
            index.series = TimeSeries.of(self.dialect, settings, mapping, now, in_stream=stream is not None)
        self.indices[name] = index
        for alias in body.get("aliases") or {}:
            self.aliases.setdefault(alias, set()).add(name)
        return index

    def create_stream(self, name: str) -> DataStream:
        """Create a data stream from its template; raises `Refused`."""
        if name in self.streams:
            raise Refused(400, "resource_already_exists_exception", f"data_stream [{name}] already exists")
        check_name(self.dialect, name)
        template = self.templates.matching(name)
        if template is None or "data_stream" not in template[1]:
            raise illegal(f"no matching index template found for data stream [{name}]")
        stream = DataStream(name, [], template[0])
        stream.indices.append(self.create(self._backing(name, 1), stream=name).name)
        self.streams[name] = stream
        return stream

    def rollover(self, stream: DataStream) -> str:
        """Give a data stream a new write index."""
        stream.generation += 1
        name = self.create(self._backing(stream.name, stream.generation), stream=stream.name).name
        stream.indices.append(name)
        return name

    def write_index(self, name: str) -> Index:
        """The index that a write to this name goes to, created if it may be; raises `Refused`."""
        if name in self.streams:
            return self.indices[self.streams[name].indices[-1]]
        if name in self.indices:
            return self.indices[name]
        if name in self.aliases:
            return self.indices[next(iter(self.aliases[name]))]
        check_name(self.dialect, name)
        self._may_auto_create(name)
        template = self.templates.matching(name)
        if template is not None and "data_stream" in template[1]:
            return self.indices[self.create_stream(name).indices[-1]]
        return self.create(name)

    def resolve(self, expression: str, *, allow_missing: bool = False) -> list[Index]:
        """The indices that an expression (`a,b*,_all`) names; raises `Refused` for a plain name that is not there."""
        indices: dict[str, Index] = {}
        for part in (expression or "_all").split(","):
            if part in {"_all", "*"} or "*" in part:
                pattern = "*" if part == "_all" else part
                for name in self._matching(pattern):
                    indices[name] = self.indices[name]
                continue
            names = self._plain(part)
            if not names and not allow_missing:
                raise no_such_index(part)
            indices.update({name: self.indices[name] for name in names})
        return list(indices.values())

    def delete(self, expression: str) -> None:
        """Delete indices; raises `Refused`."""
        for part in expression.split(","):
            if part in self.streams:
                refused = no_such_index(part)
                raise excluded(refused) if self.dialect.modern else refused
        for index in self.resolve(expression):
            if index.stream is not None and self.streams[index.stream].indices[-1] == index.name:
                raise illegal(
                    f"index [{index.name}] is the write index for data stream [{index.stream}] and cannot be deleted"
                )
            self._forget(index.name)

    def delete_stream(self, expression: str) -> None:
        """Delete data streams with their indices; raises `Refused`."""
        names = [name for part in expression.split(",") for name in self.streams if fnmatchcase(name, part)]
        if not names and "*" not in expression:
            raise no_such_index(expression)
        for name in names:
            for index in self.streams.pop(name).indices:
                self._forget(index)

    def _forget(self, name: str) -> None:
        self.indices.pop(name, None)
        for alias in [alias for alias, names in self.aliases.items() if names == {name}]:
            del self.aliases[alias]

    def _plain(self, name: str) -> list[str]:
        if name in self.indices:
            return [name]
        if name in self.streams:
            return list(self.streams[name].indices)
        return sorted(self.aliases.get(name, ()))

    def _matching(self, pattern: str) -> Iterable[str]:
        for name, index in self.indices.items():
            if (
                fnmatchcase(name, pattern)
                and not (name.startswith(".") and not pattern.startswith(".") and index.stream is None)
            ) or (index.stream is not None and fnmatchcase(index.stream, pattern)):
                yield name
        for alias, names in self.aliases.items():
            if fnmatchcase(alias, pattern):
                yield from names

    def _backing(self, stream: str, generation: int) -> str:
        if not self.dialect.elastic:
            return f".ds-{stream}-{generation:06d}"
        day = datetime.fromtimestamp(self.clock.now(), UTC).strftime("%Y.%m.%d")
        return f".ds-{stream}-{day}-{generation:06d}"

    def _exists(self, name: str) -> Refused:
        if name in self.streams:
            return illegal(f"data stream with name [{name}] already exists")
        return Refused(
            400,
            "resource_already_exists_exception",
            f"index [{name}/{self.indices[name].uuid}] already exists",
            index_uuid=self.indices[name].uuid,
            index=name,
        )

    def _may_auto_create(self, name: str) -> None:
        rule = str(self.settings.get("action.auto_create_index", "true"))
        if rule == "true":
            return
        allowed = False
        for pattern in [] if rule == "false" else rule.split(","):
            deny, bare = pattern.startswith("-"), pattern.lstrip("+-")
            if fnmatchcase(name, bare):
                allowed = not deny
                break
        if not allowed:
            why = "is [false]" if rule == "false" else f"([{rule}]) doesn't match"
            refused = no_such_index(name)
            refused.reason = f"no such index [{name}] and [action.auto_create_index] {why}"
            refused.more = {"index_uuid": "_na_", "index": name}
            raise refused

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Refuse settings that the engine does not know."""
        elsewhere = () if self.dialect.elastic else ("index.mode", "index.routing_path", "index.time_series.")
        for name in settings:
            if name.startswith(_SETTINGS) and not (elsewhere and name.startswith(elsewhere)):
                continue
            hint = (
                "did you mean [index.codec]?"
                if name == "index.mode"
                else (
                    "please check that any required plugins are installed, or check the breaking changes documentation for "
                    "removed settings"
                )
            )
            kind = (
                "illegal_argument_exception"
                if self.dialect.elastic or self.dialect.number < (3, 0)
                else "settings_exception"
            )
            raise Refused(400, kind, f"unknown setting [{name}] {hint}")
