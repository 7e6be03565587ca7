"""The output of the commands of `spool`, as text or as a JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from magictel.cli import output
from magictel.cli.exit_codes import Ending, Exit, exit_code
from magictel.cli.output import Format

if TYPE_CHECKING:
    from magictel.delivery.spool_contents import Row
    from magictel.operations.spool import Preview, SpoolReport

SCHEMA = "magictel.spool/1"
_SHOWN = 10
"""Items of a payload in the text output."""
_ORDER = ("sent", "delivered", "unconfirmed", "rejected", "dropped", "repeated")


def end(
    reports: Sequence[SpoolReport], how: Format, lines: Callable[[SpoolReport], Iterable[str]], **more: Any
) -> Exit:
    """Print a report for each target, and return the exit code."""
    if how is Format.JSON:
        from magictel.reporters.json import plain

        output.document(plain({"schema": SCHEMA, "targets": [{**_document(spool), **more} for spool in reports]}))
        return code(*reports)
    sheet = output.page()
    for spool in reports:
        sheet.verbatim(f"{spool.target}  {spool.path or ''}".rstrip())
        for line in _trouble(spool) or map("  {}".format, lines(spool)):
            sheet.verbatim(line)
    return code(*reports)


def code(*reports: SpoolReport) -> Exit:
    """Return the exit code: 1 if a spool cannot be read, or if points that were sent are not delivered."""
    return exit_code(
        Ending(
            unusable=any(spool.config is not None for spool in reports),
            failed=any(spool.trouble is not None or _unsent(spool) for spool in reports),
        )
    )


def _unsent(spool: SpoolReport) -> bool:
    receipt = spool.receipt
    return receipt is not None and receipt.sent != receipt.readable


def _trouble(spool: SpoolReport) -> list[str]:
    if spool.config is not None:
        origin = spool.config.evidence.get("origin")
        return list(output.finding_lines(spool.config.code, spool.config.message, spool.config.remedy, origin))
    if spool.trouble is not None:
        return list(output.finding_lines(spool.trouble.code, spool.trouble.message, spool.trouble.remedy))
    return [] if spool.path is not None else ["  no spool: points wait in memory (set spool to a directory)"]


def listed(spool: SpoolReport) -> Iterator[str]:
    """Yield how much waits, and why."""
    from magictel.clock import SystemClock
    from magictel.reporters.humanize import span

    rows, counts = spool.contents.rows, spool.contents.counts
    if rows:
        age = span(max(0.0, SystemClock().now() - min(row.stored_at for row in rows)))
        yield f"{points_text(spool.contents.points)} in {payloads_text(len(rows))}; the oldest for {age}"
    else:
        yield "empty"
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons[_why(row)] += row.points
    for why, points in reasons.items():
        yield f"  {points_text(points)}  {why}"
    if counts:
        yield "in all: " + ", ".join(f"{fate} {counts[fate]}" for fate in _ORDER if fate in counts)


def _why(row: Row) -> str:
    if row.state == "in use":
        return f"a running process sends them; {row.code}"
    if row.state == "other settings":
        return "delivery.fingerprint: stored for other settings"
    return f"{row.code}: {row.message}"


def payloads(spool: SpoolReport) -> Iterator[str]:
    """Yield a line for each payload."""
    from magictel.clock import SystemClock
    from magictel.reporters.humanize import span

    if not spool.contents.rows:
        yield "empty"
        return
    now = SystemClock().now()
    for row in spool.contents.rows:
        again = "; may be stored already" if row.attempted else ""
        size = f"{row.number:>4}  {points_text(row.points):>12}  {row.bytes:>9} bytes  {span(max(0.0, now - row.stored_at)):>7}"
        yield f"{size}  {_why(row)}{again}"


def previewed(seen: Sequence[Preview]) -> Iterator[str]:
    """Yield the items of payloads."""
    for preview in seen:
        yield f"payload {preview.number}: {points_text(preview.points)}, {preview.bytes} bytes"
        if preview.items is None:
            yield "  not text: magictel spool export writes it to a file"
            continue
        for item in preview.items[:_SHOWN]:
            yield from (f"  {line}" for line in item.splitlines())
        if len(preview.items) > _SHOWN:
            yield f"  and {len(preview.items) - _SHOWN} more (--format json shows all)"


def sent(spool: SpoolReport) -> Iterator[str]:
    """Yield what became of the points that were sent."""
    receipt = spool.receipt
    if receipt is None or not receipt.sent:
        yield "nothing to send"
    else:
        counts = ("delivered", "unconfirmed", "rejected", "kept", "dropped")
        parts = [f"{getattr(receipt, fate)} {fate}" for fate in counts if getattr(receipt, fate)]
        yield f"sent {points_text(receipt.sent)}: {', '.join(parts)}"
        for reason in receipt.reasons:
            yield f"  {reason.count}  {reason.code}: {reason.message}"
    others = sum(row.points for row in spool.contents.rows if row.state != "waiting")
    if others:
        yield f"{points_text(others)} not sent: they belong to a running process, or were stored for other settings"


def points_text(count: int) -> str:
    """Return `12 points`."""
    from magictel.reporters.humanize import many

    return many(count, "point")


def payloads_text(count: int) -> str:
    """Return `3 payloads`."""
    from magictel.reporters.humanize import many

    return many(count, "payload")


def _document(spool: SpoolReport) -> dict[str, Any]:
    trouble = spool.config or spool.trouble
    receipt = spool.receipt
    fates = ("sent", "delivered", "unconfirmed", "rejected", "kept", "dropped")
    return {
        "target": spool.target,
        "exporter": spool.exporter,
        "path": None if spool.path is None else str(spool.path),
        "file_bytes": spool.contents.file_bytes,
        "points": spool.contents.points,
        "waiting": [row._asdict() for row in spool.contents.rows],
        "counts": dict(spool.contents.counts),
        "receipt": None if receipt is None else {fate: getattr(receipt, fate) for fate in fates},
        "removed": spool.removed,
        "code": trouble.code if trouble else None,
        "message": trouble.message if trouble else None,
        "remedy": trouble.remedy if trouble else None,
    }


def preview_document(preview: Preview) -> dict[str, Any]:
    """Return the JSON values of a preview."""
    return {
        "number": preview.number,
        "points": preview.points,
        "bytes": preview.bytes,
        "items": None if preview.items is None else list(preview.items),
    }
