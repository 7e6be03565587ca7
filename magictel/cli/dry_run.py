"""The output of `--dry-run`: the requests of a sample, or the numbers of a replay, as text or as a JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from magictel.cli import output
from magictel.cli.exit_codes import Ending, exit_code
from magictel.cli.output import Format
from magictel.clock import SystemClock
from magictel.errors import UsageError
from magictel.model.metrics import count_points, groups
from magictel.model.outcome import Fate, Reason
from magictel.operations.dry_run import DryRun, Planned, dry_replay, dry_run
from magictel.operations.replay_reading import ReplayOptions
from magictel.operations.target_run import Job
from magictel.registry.entry_points import FOREIGN
from magictel.reporters.humanize import many
from magictel.reporters.json import dry_replay_document, plain
from magictel.sources.recording import Recordings
from magictel.sources.sample import new_run_id, sample

SCHEMA = "magictel.dry-run/1"
_ROW = 16


def show_sample(jobs: Sequence[Job], how: Format, *, thorough: bool, attributes: Mapping[str, str]) -> int:
    """Encode the sample for each target, print what would be sent, and return the exit code."""
    _encoded_here(jobs)
    run = sample(new_run_id(), SystemClock().now(), thorough=thorough, attributes=attributes)
    dry = [dry_run(job, run) for job in jobs]
    if how is Format.JSON:
        output.document(
            plain({"schema": SCHEMA, "run_id": run.run_id, "targets": [_document(target) for target in dry]})
        )
    else:
        points, metrics = count_points(run.data), sum(1 for _ in groups(run.data))
        sheet = output.page()
        sheet.verbatim(f"run {run.run_id}  {many(points, 'point')} of {many(metrics, 'metric')}; nothing is sent")
        for target in dry:
            for line in _lines(target):
                sheet.verbatim(line)
    return exit_code(Ending(unusable=any(target.config is not None for target in dry)))


def show_replay(jobs: Sequence[Job], recordings: Recordings, options: ReplayOptions, how: Format) -> int:
    """Print the numbers of what a replay would send, and return the exit code."""
    _encoded_here(jobs)
    source, targets = dry_replay(jobs, recordings, options, SystemClock())
    if how is Format.JSON:
        rows = [
            {
                "target": target.target,
                "exporter": target.exporter,
                "endpoint": target.endpoint,
                "points": target.points,
                "payloads": target.payloads,
                "bytes": target.bytes,
                **left_out(target.withheld),
                "code": target.config.code if target.config else None,
                "message": target.config.message if target.config else None,
            }
            for target in targets
        ]
        output.document(dry_replay_document(source, rows))
    else:
        sheet = output.page()
        sheet.verbatim(f"{many(source.points, 'point')} of {source.series} series; nothing is sent")
        for skipped in source.reasons:
            sheet.verbatim(f"skipped {skipped}")
        for warning in source.warnings:
            sheet.verbatim(f"doubtful: {warning}")
        for target in targets:
            if target.config is not None:
                sheet.verbatim(f"{target.target}  {target.config.message}")
                continue
            parts = f"{many(target.points, 'point')} in {many(target.payloads, 'payload')} of {target.bytes} bytes before compression"
            sheet.verbatim(f"{target.target}  {target.endpoint}  {parts}")
            for reason in target.withheld:
                sheet.verbatim(f"  {reason.fate} {reason.count}  {reason.code}: {reason.message}")
    return exit_code(Ending(unusable=any(target.config is not None for target in targets)))


def _encoded_here(jobs: Sequence[Job]) -> None:
    """Raise `UsageError` for an exporter of another package: magictel does not know what it would send."""
    for job in jobs:
        if job.exporter.startswith(FOREIGN):
            why = f"--dry-run: {job.target} encodes while it sends, so there is nothing to show"
            raise UsageError("usage.foreign", why, "remove --dry-run, or name other targets")


def _lines(dry: DryRun) -> Iterator[str]:
    yield ""
    yield f"{dry.target}  {dry.endpoint}".rstrip()
    if dry.config is not None:
        origin = dry.config.evidence.get("origin")
        yield from output.finding_lines(dry.config.code, dry.config.message, dry.config.remedy, origin)
    for reason in dry.withheld:
        yield f"  {reason.fate} {reason.count}  {reason.code}: {reason.message}"
    for planned in dry.requests:
        yield ""
        yield f"{planned.method} {planned.url}".strip()
        for name, value in planned.headers.items():
            yield f"{name}: {value}"
        if planned.travels != len(planned.body):
            yield f"({len(planned.body)} bytes before compression; {planned.travels} on the wire)"
        yield ""
        yield from _body(dry.exporter, planned.body)


def _body(exporter: str, body: bytes) -> Iterator[str]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    if text and all(character.isprintable() or character == "\n" for character in text):
        yield text.removesuffix("\n")
        return
    decoded = _decoded(exporter, body)
    if decoded:
        yield "(binary body, decoded; --format json shows the bytes in hexadecimal)"
        yield from decoded
        return
    yield "(binary body in hexadecimal)"
    for start in range(0, len(body), _ROW):
        row = body[start : start + _ROW]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start:08x}  {row.hex(' '):<{_ROW * 3 - 1}}  {shown}"


def _decoded(exporter: str, body: bytes) -> list[str]:
    """Return a binary body in lines, as the emulator of its backend reads it; nothing where there is none, or it reads text only."""
    from magictel.sandbox.emulator import ReadsBodies
    from magictel.sandbox.table import emulators, make

    emulator = make(exporter, SystemClock()) if exporter in emulators() else None
    return emulator.readable(body) if isinstance(emulator, ReadsBodies) else []


def _document(dry: DryRun) -> dict[str, Any]:
    return {
        "target": dry.target,
        "exporter": dry.exporter,
        "endpoint": dry.endpoint,
        "code": dry.config.code if dry.config else None,
        "message": dry.config.message if dry.config else None,
        "remedy": dry.config.remedy if dry.config else None,
        "requests": [_request(planned) for planned in dry.requests],
        **left_out(dry.withheld),
    }


def left_out(reasons: Sequence[Reason]) -> dict[str, Any]:
    """Return `withheld` and `rejected`: points that would not be sent, with the reasons."""
    document: dict[str, Any] = {}
    for fate in (Fate.WITHHELD, Fate.REJECTED):
        document[fate.value] = [
            {"code": reason.code, "message": reason.message, "count": reason.count}
            for reason in reasons
            if reason.fate is fate
        ]
    return document


def _request(planned: Planned) -> dict[str, Any]:
    try:
        body: dict[str, Any] = {"body": planned.body.decode(), "body_hex": None}
    except UnicodeDecodeError:
        body = {"body": None, "body_hex": planned.body.hex()}
    return {
        "method": planned.method or None,
        "url": planned.url,
        "headers": dict(planned.headers),
        "bytes": len(planned.body),
        "bytes_on_the_wire": planned.travels,
        **body,
    }
