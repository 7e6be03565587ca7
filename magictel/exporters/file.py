"""OTLP JSON lines in a file, as the Collector's file exporter writes them: one request per line, whole lines or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.errors import WireError
from magictel.files import expanded
from magictel.formats.otlp.json_lines import OtlpJsonEncoder, line
from magictel.formats.otlp.readback import every_point, expected, identified, points
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Point, Series
from magictel.model.outcome import Delivered, Outcome, Throttled
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable
from magictel.plugin import interface
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import ReadBack
from magictel.settings.model import ExporterSettings, option
from magictel.transports.file import append, trouble, writable

_LITTLE_ROOM = 64 * 1024 * 1024


class FileSettings(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file, and whether to flush it to disk."""

    env_prefix = "MAGICTEL_FILE_"

    path: Annotated[
        str,
        option(
            "File to append lines to; its directory must exist.",
            example="/var/log/metrics.jsonl",
            routes=False,
            file=True,
        ),
    ] = "magictel-metrics.jsonl"
    sync: Annotated[bool, option("Flush every write to disk (fsync).", routes=False)] = False


class FileEncoder(interface.Encoder["FileExporter"]):
    """Points as OTLP JSON, and a payload as one line of it."""

    def __init__(self, exporter: FileExporter) -> None:
        super().__init__(exporter)
        self._json = OtlpJsonEncoder()

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point, with what encloses it."""
        return self._json.encode(series, point)

    def frame(self, payload: Payload) -> bytes:
        """One line."""
        return line(payload.items())


class FileReadBack(ReadBack["FileExporter"]):
    """Reads the file's lines."""

    def __init__(self, exporter: FileExporter) -> None:
        super().__init__(exporter)
        self._read_to: int | None = None
        self._asked: tuple[set[str], int] = set(), 0
        """The points of the latest search, and where their lines begin."""

    def expect(self, series: Series, point: Point) -> Expected | None:
        """The point as the file contains it."""
        return expected(series, point) if isinstance(self.exporter.encoder.encode(series, point), bytes) else None

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """The run's points, from the file's lines."""
        wanted = query.run_id.encode()
        try:
            with self.exporter.path.open("rb") as file:
                return [point for text in file if wanted in text for point in points(text, query.run_id)]
        except OSError as failure:
            return self._unreadable(failure)

    def identify(self, series: Series, point: Point) -> Expected | None:
        """The point as the file contains it, identified by everything except its numbers."""
        return identified(series, point) if isinstance(self.exporter.encoder.encode(series, point), bytes) else None

    def find(self, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """Search the lines that this exporter has written, from where the latest search ended."""
        wanted = {point.key for point in expected}
        open_keys, seen = set(wanted), []
        if wanted != self._asked[0]:  # a repeated search begins where the first one began
            self._asked = wanted, self._read_to or self.exporter.began_at or 0
        try:
            with self.exporter.path.open("rb") as file:
                at = file.seek(self._asked[1])
                for text in file:
                    points_of_line = [point for point in every_point(text) if point.key in wanted]
                    if not points_of_line and not open_keys:  # all are found, and what follows are others
                        break
                    seen += points_of_line
                    open_keys.difference_update(point.key for point in points_of_line)
                    at += len(text)
        except OSError as failure:
            return self._unreadable(failure)
        if not open_keys:
            self._read_to = at
        return seen

    def run_size(self, run_id: str) -> int | Unreadable:
        """Return that lines are never removed: another process may read the file."""
        why = f"lines are never removed from {self.exporter.path}"
        return Unreadable("verify.no-clean", why, "delete the file yourself")

    def forget_run(self, run_id: str) -> int | Unreadable:
        """As `run_size`."""
        return self.run_size(run_id)

    def _unreadable(self, failure: OSError) -> Unreadable:
        error = trouble(self.exporter.path, failure)
        return Unreadable("file.unreadable", f"what was written cannot be read back: {error.message}", error.remedy)


class FileExporter(Exporter[FileSettings]):
    """Appends metrics to a file."""

    name = "file"
    writes_to = "file"
    log_words = ("jsonl", "file", "directory", "disk", "device")
    summary = "OTLP JSON lines in a file, as the Collector's file exporter writes them"
    Settings = FileSettings
    Encoder: ClassVar[type[interface.Encoder[Any]]] = FileEncoder  # a subclass may have another
    ReadBack = FileReadBack
    limits: ClassVar[tuple[str, ...]] = (
        "Nothing is lost: every field that the SDK knows is written.",
        "The exporter never truncates or rotates the file; after a rotation the next write creates a new one.",
    )
    cost = "150 to 600 bytes a point, uncompressed."

    def __init__(self, settings: FileSettings | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self.path = expanded(self.settings.path)
        self.began_at: int | None = None
        """Bytes in the file before the first line of this exporter."""

    def route(self) -> Route:
        """One payload is one line."""
        return Route(str(self.path), self.settings.max_batch_points, self.settings.max_batch_bytes)

    def endpoint(self) -> str:
        """The file."""
        return str(self.path)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Append one line. A failure needs an operator: it does not pass by waiting."""
        body = self.encoder.frame(payload)
        if self.began_at is None:
            self.began_at = self._size()
        try:
            append(self.path, body, sync=self.settings.sync, seconds=timeout)
        except WireError as failure:
            return Attempted(Throttled(failure.code, failure.message, needs_operator=True))
        return Attempted(Delivered(), len(body))

    def refused_by_system(self, failure: OSError) -> Outcome:
        """Return the outcome of the failure, as `attempt` does."""
        error = trouble(self.path, failure)
        return Throttled(error.code, error.message, needs_operator=True)

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        """Return the steps: free space is health, the permission to append is write. Nothing is written."""
        return {Rung.HEALTH: self._room, Rung.WRITE: self._may_write}

    def _size(self) -> int:
        """Bytes in the file; 0 where there is none, or nothing may be known of it."""
        try:
            return self.path.stat().st_size if self.path.is_file() else 0
        except OSError:
            return 0

    def _room(self) -> Finding:
        folder = self.path.absolute().parent
        try:
            free = shutil.disk_usage(folder).free
        except OSError as failure:
            error = trouble(self.path, failure)
            return Finding.failed(Rung.HEALTH, error.code, error.message, error.remedy)
        if free < _LITTLE_ROOM:
            message = f"{free // 1_048_576} MiB are free for {self.path}"
            return Finding.warned(Rung.HEALTH, "file.little-room", message, "free space on this disk", free_bytes=free)
        return Finding.passed(Rung.HEALTH, f"{free // 1_073_741_824} GiB are free", free_bytes=free)

    def _may_write(self) -> Finding:
        try:
            exists = writable(self.path)
        except WireError as failure:
            return Finding.failed(Rung.WRITE, failure.code, failure.message, failure.remedy)
        return Finding.passed(Rung.WRITE, f"{self.path} {'may be appended to' if exists else 'can be created'}")
