"""Laws on I/O faults of exporters that write to a file or a stream."""

from __future__ import annotations

import errno
import os
from collections import Counter
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExportResult

from magictel.conformance.case import Case, reads_back
from magictel.conformance.catalogue_check import against_its_page
from magictel.conformance.law import LawRegistry, Violation, broken_unless, first, points
from magictel.conformance.points import collection
from magictel.conformance.requirements import Need
from magictel.model.outcome import Outcome, Rejected, Throttled, Unavailable
from magictel.plugin.exporter import Exporter

LAWS = LawRegistry()
_ERRORS = (
    *(errno.ENOSPC, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
    *(errno.EPIPE, errno.EIO, errno.EBADF, errno.EMFILE, errno.ELOOP, errno.ENXIO, errno.ETIMEDOUT),
)


@LAWS.law(
    "system.refused",
    "Points that the system rejects (full disk, missing directory, closed stream) are counted with a reason, never as delivered.",
    Need.SYSTEM,
)
def refused(case: Case) -> Violation | None:
    """Use each fault, and a partial write; export and deliver with a new exporter."""
    for turn, io_fault in enumerate((*case.io_faults(), *case.io_faults("partly"))):
        case.hinder(io_fault)
        data = collection(case.run_id, 3, case.clock.now(), first=3 * turn)
        exporter = case.exporter()
        receipt = exporter.deliver(data, seconds=2.0)
        result = case.exporter().export(data, timeout_millis=500)
        case.back()
        bugs = [reason.code for reason in receipt.reasons if reason.code.startswith("internal.")]
        violation = first(
            broken_unless(
                not receipt.delivered,
                f"with {io_fault.name} {points(receipt.delivered, 'is', 'are')} reported as delivered",
            ),
            broken_unless(not bugs, f"with {io_fault.name}: {', '.join(bugs)}"),
            broken_unless(
                sum(reason.count for reason in receipt.reasons if reason.code and reason.message) == receipt.sent,
                f"with {io_fault.name} points are dropped without a reason",
            ),
            broken_unless(receipt.balanced, f"with {io_fault.name} the receipt does not add up"),
            broken_unless(result is MetricExportResult.FAILURE, f"with {io_fault.name} export returned {result}"),
            broken_unless(
                "Traceback" not in "".join((*case.logs, case.printed.getvalue())), f"with {io_fault.name}: a traceback"
            ),
        )
        if violation is not None:
            return violation
    return None


@LAWS.law("system.fixed", "After the system is fixed, rejected points are written, each once.", Need.SYSTEM)
def fixed(case: Case) -> Violation | None:
    """Use each fault after some accepted points."""
    for turn, io_fault in enumerate(case.io_faults()):
        exporter = case.exporter()
        before = collection(case.run_id, 2, case.clock.now(), first=5 * turn)
        data = collection(case.run_id, 3, case.clock.now(), first=5 * turn + 2)
        expected = [*case.expected(exporter, before), *case.expected(exporter, data)]
        exporter.export(before)
        case.hinder(io_fault)
        exporter.export(data, timeout_millis=500)
        kept = exporter.ledger.kept
        case.back()
        flushed = exporter.force_flush(5000)
        shown = Counter(point.key for point in case.look(exporter, expected)) if reads_back(exporter) else None
        violation = first(
            broken_unless(kept == 3, f"with {io_fault.name} {kept} of 3 points are queued"),
            broken_unless(
                flushed and exporter.ledger.delivered == 5,
                f"after {io_fault.name} {exporter.ledger.delivered} of 5 points were delivered",
            ),
            broken_unless(
                shown is None or all(shown[point.key] == 1 for point in expected),
                f"after {io_fault.name} not every point is stored exactly once",
            ),
        )
        if violation is not None:
            return violation
    return None


@LAWS.law(
    "system.partly",
    "A partial write leaves nothing that looks like a point, and does not damage other points.",
    Need.SYSTEM,
    Need.READ_BACK,
)
def partly(case: Case) -> Violation | None:
    """Fill the disk during the second export; then leave space for the third and for queued points."""
    for turn, io_fault in enumerate(case.io_faults("partly")):
        exporter = case.exporter()
        three = [collection(case.run_id, 3, case.clock.now(), first=9 * turn + 3 * n) for n in range(3)]
        expected = [case.expected(exporter, data) for data in three]
        exporter.export(three[0])
        case.hinder(io_fault)
        exporter.export(three[1], timeout_millis=500)
        delivered = exporter.ledger.delivered
        everything = [point for points_of_export in expected for point in points_of_export]
        early = {point.key for point in case.look(exporter, everything)}
        case.back()
        exporter.export(three[2])
        late = Counter(point.key for point in case.look(exporter, everything))
        violation = first(
            broken_unless(
                delivered == 3,
                f"with {io_fault.name} {points(delivered, 'is', 'are')} reported as delivered, but 3 were",
            ),
            broken_unless(
                early == {point.key for point in expected[0]},
                f"with {io_fault.name} the visible points differ from the delivered ones",
            ),
            broken_unless(
                exporter.ledger.delivered == 9 and all(late[point.key] == 1 for point in everything),
                f"after {io_fault.name} not every point is stored exactly once",
            ),
        )
        if violation is not None:
            return violation
    return None


@LAWS.law(
    "system.table",
    "Each system error has a code and its page's retry class, the same in delivery and diagnose.",
    Need.SYSTEM,
)
def table(case: Case) -> Violation | None:
    """Check by errno; also deliver with each fault that can be caused."""
    exporter = case.exporter()
    exporter.export(collection(case.run_id, 1, case.clock.now()))
    for number in _ERRORS:
        outcome = exporter.refused_by_system(OSError(number, os.strerror(number)))
        violation = _row(errno.errorcode[number], outcome)
        if violation is not None:
            return violation
    for turn, io_fault in enumerate(case.io_faults()):
        if not io_fault.error:
            continue
        case.hinder(io_fault)
        receipt = exporter.deliver(collection(case.run_id, 1, case.clock.now(), first=1 + turn), seconds=2.0)
        case.back()
        codes = {reason.code for reason in receipt.reasons}
        if codes != {_code(exporter, io_fault.error)}:
            name = errno.errorcode[io_fault.error]
            return Violation(f"{name} is {_code(exporter, io_fault.error)} in diagnose, but {codes} in delivery")
    return None


def _code(exporter: Exporter[Any], number: int) -> str:
    outcome = exporter.refused_by_system(OSError(number, os.strerror(number)))
    return str(getattr(outcome, "code", "nothing"))


def _row(name: str, outcome: Outcome | None) -> Violation | None:
    if not isinstance(outcome, Throttled | Unavailable | Rejected):
        return Violation(f"{name} became {type(outcome).__name__}")
    return first(
        broken_unless(outcome.code and outcome.message, f"{name} has no code or no message"),
        against_its_page(name, outcome),
    )
