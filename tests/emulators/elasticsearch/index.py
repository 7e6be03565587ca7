"""One index: its documents, and when they become visible; the names and durations that the engine takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from magictel.sandbox.elasticsearch import cluster
from tests.emulators.elasticsearch.answers import Refused, illegal
from tests.emulators.elasticsearch.dialect import Dialect
from tests.emulators.elasticsearch.mapping import IndexMapping
from tests.emulators.elasticsearch.new_fields import Limits
from tests.emulators.elasticsearch.parsing import DocumentParser
from tests.emulators.elasticsearch.sharding import shard_of
from tests.emulators.elasticsearch.timeseries import TimeSeries

_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORBIDDEN = set('\\/*?"<>| ,#:')


@dataclass(slots=True)
class Document(cluster.Document):
    """A stored document, and the shard that has it."""

    shard: int = 0


@dataclass(slots=True)
class Index:
    """One index: settings by their full names, mapping, documents by shard and id in the order they came.

    `gone`: the versions of deleted ones, from which the engine counts on when one comes again.
    """

    name: str
    settings: dict[str, Any]
    mapping: IndexMapping
    created: float
    uuid: str = field(default_factory=cluster.new_uuid)
    documents: dict[tuple[int, str], Document] = field(default_factory=dict)
    gone: dict[tuple[int, str], int] = field(default_factory=dict)
    seq_nos: dict[int, int] = field(default_factory=dict)
    stream: str | None = None
    series: TimeSeries | None = None
    parser: DocumentParser | None = None

    @property
    def refresh_interval(self) -> float:
        """Seconds until a write can be searched; infinite where it never is."""
        seconds = duration(str(self.settings.get("index.refresh_interval") or "1s"))
        return float("inf") if seconds < 0 else seconds

    def place(self, doc_id: str, routing: str | None) -> tuple[int, str]:
        """Where a document is looked for: the shard that its routing, or else its id, chooses, and its id."""
        shards = int(self.settings.get("index.number_of_shards") or 1)
        return (shard_of(routing or doc_id, shards) if shards > 1 else 0), doc_id

    @property
    def requires_routing(self) -> bool:
        """Does the mapping refuse operations without one?"""
        return str(self.mapping.top.get("_routing", {}).get("required", False)).lower() == "true"

    def routing_missing(self, doc_id: str) -> Refused:
        """Why an operation without routing is refused."""
        kind = "[_doc]/" if self.mapping.dialect.typed else ""
        reason = f"routing is required for [{self.name}]/{kind}[{doc_id}]"
        return Refused(400, "routing_missing_exception", reason, index_uuid="_na_", index=self.name)

    def next_seq_no(self, shard: int) -> int:
        """The number of a shard's next operation, which is spent."""
        number = self.seq_nos.get(shard, 0)
        self.seq_nos[shard] = number + 1
        return number

    def refresh(self, now: float) -> None:
        """Show everything that was written."""
        for document in self.documents.values():
            document.visible_at = min(document.visible_at, now)

    def visible(self, now: float) -> list[Document]:
        """The documents that a search sees."""
        return [document for document in self.documents.values() if document.visible_at <= now]

    def flag(self, name: str) -> bool:
        """A boolean setting."""
        return str(self.settings.get(name, "false")) == "true"

    def document_parser(self) -> DocumentParser:
        """The parser for this index's mapping and settings."""
        if self.parser is None:
            limits = Limits(
                fields=int(self.settings.get("index.mapping.total_fields.limit", 1000)),
                depth=int(self.settings.get("index.mapping.depth.limit", 20)),
                name=int(self.settings.get("index.mapping.field_name_length.limit", 1 << 31)),
                ignore_beyond=self.flag("index.mapping.total_fields.ignore_dynamic_beyond_limit"),
            )
            ignore = self.flag("index.mapping.ignore_malformed")
            self.parser = DocumentParser(self.mapping, limits=limits, ignore_malformed=ignore)
        return self.parser


def check_name(dialect: Dialect, name: str) -> None:
    """Refuse what the engine refuses as an index's name."""
    problem = ""
    if name != name.lower():
        problem = "must be lowercase"
    elif any(char in _FORBIDDEN for char in name):
        listed = "[' ','\"','*',',','/','<','>','?','\\','|']" if dialect.modern else '[ , ", *, \\, <, |, ,, >, /, ?]'
        problem = f"must not contain the following characters {listed}"
    elif name[:1] in {"-", "_", "+"}:
        problem = "must not start with '_', '-', or '+'"
    elif name in {".", ".."}:
        problem = "must not be '.' or '..'"
    elif not name:
        problem = "must not be empty"
    elif len(name.encode()) > 255:
        problem = f"index name is too long, ({len(name.encode())} > 255)"
    if problem:
        raise Refused(
            400,
            "invalid_index_name_exception",
            f"Invalid index name [{name}], {problem}",
            index_uuid="_na_",
            index=name,
        )


def duration(text: str) -> float:
    """`1s`, `500ms`, `-1` as seconds; raises `Refused`."""
    if text == "-1" or text == "0":
        return float(text)
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
    if not match:
        raise illegal(
            f"failed to parse setting [index.refresh_interval] with value [{text}] as a time value: unit is missing or unrecognized"
        )
    return int(match[1]) * _UNIT[match[2]]
