"""Laws on what the system refuses an exporter that writes to a file or a stream: the faults of those that ask no network."""

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
    "What the system refuses (a full disk, a missing folder, a closed stream) is counted with a reason, never as delivered.",
    Need.SYSTEM,
)
def refused(case: Case) -> Violation | None:
    """By each of its refusals, and by one in the middle; exported and delivered, by an exporter that has just begun."""
    for turn, hindrance in enumerate((*case.hindrances(), *case.hindrances("partly"))):
        case.hinder(hindrance)
        data = collection(case.run_id, 3, case.clock.now(), first=3 * turn)
        exporter = case.exporter()
        receipt = exporter.deliver(data, seconds=2.0)
        told = case.exporter().export(data, timeout_millis=500)
        case.back()
        bugs = [one.code for one in receipt.reasons if one.code.startswith("internal.")]
        found = first(
            broken_unless(
                not receipt.delivered, f"with {hindrance.name} {points(receipt.delivered, 'is', 'are')} told delivered"
            ),
            broken_unless(not bugs, f"with {hindrance.name}: {', '.join(bugs)}"),
            broken_unless(
                sum(one.count for one in receipt.reasons if one.code and one.message) == receipt.sent,
                f"with {hindrance.name} points are given up without a reason",
            ),
            broken_unless(receipt.balanced, f"with {hindrance.name} the receipt does not add up"),
            broken_unless(told is MetricExportResult.FAILURE, f"with {hindrance.name} export said {told}"),
            broken_unless(
                "Traceback" not in "".join((*case.logs, case.printed.getvalue())), f"with {hindrance.name}: a traceback"
            ),
        )
        if found is not None:
            return found
    return None


@LAWS.law("system.fixed", "What the system refused is written once it is fixed, each point once.", Need.SYSTEM)
def fixed(case: Case) -> Violation | None:
    """By each of its refusals, behind points that it took."""
    for turn, hindrance in enumerate(case.hindrances()):
        exporter = case.exporter()
        before = collection(case.run_id, 2, case.clock.now(), first=5 * turn)
        data = collection(case.run_id, 3, case.clock.now(), first=5 * turn + 2)
        expected = [*case.expected(exporter, before), *case.expected(exporter, data)]
        exporter.export(before)
        case.hinder(hindrance)
        exporter.export(data, timeout_millis=500)
        kept = exporter.ledger.kept
        case.back()
        flushed = exporter.force_flush(5000)
        shown = Counter(one.key for one in case.look(exporter, expected)) if reads_back(exporter) else None
        found = first(
            broken_unless(kept == 3, f"with {hindrance.name} {kept} of 3 points wait"),
            broken_unless(
                flushed and exporter.ledger.delivered == 5,
                f"after {hindrance.name} {exporter.ledger.delivered} of 5 points were delivered",
            ),
            broken_unless(
                shown is None or all(shown[one.key] == 1 for one in expected),
                f"after {hindrance.name} not every point is there once",
            ),
        )
        if found is not None:
            return found
    return None


@LAWS.law(
    "system.partly",
    "A write that stops in the middle leaves nothing that could be taken for a point, and spoils no neighbour.",
    Need.SYSTEM,
    Need.READ_BACK,
)
def partly(case: Case) -> Violation | None:
    """The disk is full in the middle of the second export, has room for the third, and for what waited."""
    for turn, hindrance in enumerate(case.hindrances("partly")):
        exporter = case.exporter()
        three = [collection(case.run_id, 3, case.clock.now(), first=9 * turn + 3 * n) for n in range(3)]
        expected = [case.expected(exporter, data) for data in three]
        exporter.export(three[0])
        case.hinder(hindrance)
        exporter.export(three[1], timeout_millis=500)
        delivered = exporter.ledger.delivered
        everything = [one for each in expected for one in each]
        early = {one.key for one in case.look(exporter, everything)}
        case.back()
        exporter.export(three[2])
        late = Counter(one.key for one in case.look(exporter, everything))
        found = first(
            broken_unless(
                delivered == 3, f"with {hindrance.name} {points(delivered, 'is', 'are')} told delivered, 3 were"
            ),
            broken_unless(
                early == {one.key for one in expected[0]},
                f"with {hindrance.name} other points are shown than those that were delivered",
            ),
            broken_unless(
                exporter.ledger.delivered == 9 and all(late[one.key] == 1 for one in everything),
                f"after {hindrance.name} not every point is there once",
            ),
        )
        if found is not None:
            return found
    return None


@LAWS.law(
    "system.table",
    "Each error of the system has a code and the class of retry of its page, the same in delivery as in diagnose.",
    Need.SYSTEM,
)
def table(case: Case) -> Violation | None:
    """By number; those that can be brought about are delivered into as well, one after the other."""
    exporter = case.exporter()
    exporter.export(collection(case.run_id, 1, case.clock.now()))
    for number in _ERRORS:
        outcome = exporter.refused_by_system(OSError(number, os.strerror(number)))
        found = _row(errno.errorcode[number], outcome)
        if found is not None:
            return found
    for turn, hindrance in enumerate(case.hindrances()):
        if not hindrance.error:
            continue
        case.hinder(hindrance)
        receipt = exporter.deliver(collection(case.run_id, 1, case.clock.now(), first=1 + turn), seconds=2.0)
        case.back()
        codes = {reason.code for reason in receipt.reasons}
        if codes != {_code(exporter, hindrance.error)}:
            name = errno.errorcode[hindrance.error]
            return Violation(f"{name} is {_code(exporter, hindrance.error)} to diagnose and {codes} in delivery")
    return None


def _code(exporter: Exporter[Any], number: int) -> str:
    outcome = exporter.refused_by_system(OSError(number, os.strerror(number)))
    return str(getattr(outcome, "code", "nothing"))


def _row(name: str, outcome: Outcome | None) -> Violation | None:
    if not isinstance(outcome, Throttled | Unavailable | Rejected):
        return Violation(f"{name} was taken for {type(outcome).__name__}")
    return first(
        broken_unless(outcome.code and outcome.message, f"{name} has no code or no sentence"),
        against_its_page(name, outcome),
    )
