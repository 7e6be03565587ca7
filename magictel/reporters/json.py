"""A JSON document with frozen keys (`tests/reporters/test_json.py`): keys may be added, never removed or redefined."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

from magictel.errors import MagictelError
from magictel.model.events import CheckFinished, Event, ReplayFinished, RunCleaned, SendFinished
from magictel.reporters.documents import (
    Document,
    check_document,
    clean_document,
    cleaned_document,
    error_document,
    replay_document,
    send_document,
)
from magictel.reporters.formats import RunInfo
from magictel.reporters.results import Results


class JsonReporter:
    """A reporter that writes a single document at the end; interrupted before any result, it writes nothing and the caller reports why."""

    info: RunInfo | None = None
    """Facts about the run itself, or None."""

    def __init__(self, write: Callable[[Document], None], info: RunInfo | None = None) -> None:
        self._write = write
        self.info = info
        self._results = Results()

    def on(self, event: Event) -> None:
        """Take an event."""
        self._results.on(event)

    def finish(self) -> None:
        """Write the document."""
        document = _document(self._results)
        if document is not None:
            self._write(plain({**document, **_about(self.info)}))

    def fail(self, failure: MagictelError) -> None:
        """Write the document for a failure of the whole command."""
        self._write({**error_document(failure), **_about(self.info)})


def _document(results: Results) -> Document | None:
    match results.check or results.send:
        case CheckFinished() as checked:
            return check_document(checked, results.targets)
        case ReplayFinished() as replayed:
            return replay_document(replayed, results.targets)
        case SendFinished() as sent:
            document = send_document(sent, results.targets)
            _add_cleaned(document, results.cleaned)
            return document
        case None:
            return clean_document(results.cleaned) if results.cleaned else None


def _about(info: RunInfo | None) -> Document:
    return {} if info is None else {"version": info.version, "host": info.host, "started": info.timestamp}


def writer(stream: TextIO) -> Callable[[Document], None]:
    """Return a function that writes a document to a stream as indented JSON with a line end."""

    def write(document: Document) -> None:
        stream.write(json.dumps(plain(document), indent=2, allow_nan=False) + "\n")
        stream.flush()

    return write


def plain(value: Any) -> Any:
    """Return a value that JSON supports; NaN, infinities, bytes and objects become text."""
    if isinstance(value, float):
        return (
            value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        )
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)


def _add_cleaned(document: Document, cleaned: Iterable[RunCleaned]) -> None:
    rows = {run.target: cleaned_document(run) for run in cleaned}
    for target in document["targets"]:
        if target["target"] in rows:
            target["cleaned"] = rows[target["target"]]
