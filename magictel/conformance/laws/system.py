"""Laws on errors of the operating system: for exporters that write to a file or a stream, or send datagrams."""

from __future__ import annotations

import errno
import os
from collections import Counter
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExportResult

from magictel.catalogue.pages import explain
from magictel.conformance.case import Case, reads_back
from magictel.conformance.law import Broken, LawRegistry, Need, points, require
from magictel.diagnose.diagnosis import STANDS_WITH, Verdict
from magictel.model.outcome import Outcome, Rejected, Throttled, TooLarge, Unavailable, Unconfirmed
from magictel.plugin.exporter import Exporter

LAWS = LawRegistry(Need.PUSH, Need.SYSTEM)
_ERRORS = (
    *(errno.ENOSPC, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
    *(errno.EPIPE, errno.EIO, errno.EBADF, errno.EMFILE, errno.ELOOP, errno.ENXIO, errno.ETIMEDOUT),
)
_VERDICTS: dict[type[Outcome], Verdict] = {
    Throttled: "throttled",
    Unavailable: "unavailable",
    TooLarge: "too-large",
    Unconfirmed: "unconfirmed",
    Rejected: "rejected",
}


@LAWS.law("system.refused")
def refused(case: Case) -> None:
    """Points that the system rejects (full disk, missing directory, closed stream) are counted with a reason, never as delivered."""
    for turn, fault in enumerate((*case.stage.errors, *case.stage.faults.get("partly", ()))):
        case.script(fault)
        data = case.collection(3, first=3 * turn)
        exporter = case.exporter()
        receipt = exporter.deliver(data, seconds=2.0)
        result = case.exporter().export(data, timeout_millis=500)
        case.back()
        stored = case.accepted(receipt)
        bugs = [reason.code for reason in receipt.reasons if reason.code.startswith("internal.")]
        explained = sum(reason.count for reason in receipt.reasons if reason.code and reason.message)
        require(not stored, f"with {fault} {points(stored, 'is', 'are')} reported as delivered")
        require(not bugs, f"with {fault}: {', '.join(bugs)}")
        require(explained == receipt.sent, f"with {fault} points are dropped without a reason")
        require(receipt.balanced, f"with {fault} the receipt does not add up")
        require(result is MetricExportResult.FAILURE, f"with {fault} export returned {result}")
        require("Traceback" not in "".join((*case.logs, case.printed.getvalue())), f"with {fault}: a traceback")


@LAWS.law("system.fixed")
def fixed(case: Case) -> None:
    """After the system is fixed, rejected points are written, each once."""
    for turn, fault in enumerate(case.stage.errors):
        exporter = case.exporter()
        before = case.collection(2, first=5 * turn)
        data = case.collection(3, first=5 * turn + 2)
        expected = [*case.expected(exporter, before), *case.expected(exporter, data)]
        exporter.export(before)
        case.script(fault)
        exporter.export(data, timeout_millis=500)
        kept = exporter.ledger.kept
        case.back()
        flushed = exporter.force_flush(5000)
        stored = case.accepted(exporter.ledger)
        require(kept == 3, f"with {fault} {kept} of 3 points are queued")
        require(flushed and stored == 5, f"after {fault} {stored} of 5 points were delivered")
        if reads_back(exporter):
            shown = Counter(point.key for point in case.look(exporter, expected))
            once = all(shown[point.key] == 1 for point in expected)
            require(once, f"after {fault} not every point is stored exactly once")


@LAWS.law("system.partly", Need.READ_BACK)
def partly(case: Case) -> None:
    """A partial write leaves nothing that looks like a point, and does not damage other points."""
    for turn, fault in enumerate(case.stage.faults.get("partly", ())):
        exporter = case.exporter()
        three = [case.collection(3, first=9 * turn + 3 * n) for n in range(3)]
        first, *others = [case.expected(exporter, data) for data in three]
        everything = [*first, *(point for expected in others for point in expected)]
        exporter.export(three[0])
        case.script(fault)
        exporter.export(three[1], timeout_millis=500)
        delivered = exporter.ledger.delivered
        early = {point.key for point in case.look(exporter, everything)}
        case.back()
        exporter.export(three[2])
        late = Counter(point.key for point in case.look(exporter, everything))
        once = exporter.ledger.delivered == 9 and all(late[point.key] == 1 for point in everything)
        require(delivered == 3, f"with {fault} {points(delivered, 'is', 'are')} reported as delivered, but 3 were")
        require(
            early == {point.key for point in first}, f"with {fault} the visible points differ from the delivered ones"
        )
        require(once, f"after {fault} not every point is stored exactly once")


@LAWS.law("system.table")
def table(case: Case) -> None:
    """Each system error has a code and its page's retry class, the same in delivery and diagnose."""
    exporter = case.exporter()
    exporter.export(case.collection(1))
    for number in _ERRORS:
        outcome, name = _outcome(exporter, number), errno.errorcode[number]
        if not isinstance(outcome, Throttled | Unavailable | Rejected):
            raise Broken(f"{name} became {type(outcome).__name__}")
        require(outcome.code and outcome.message, f"{name} has no code or no message")
        against_its_page(name, outcome)
    for turn, (fault, number) in enumerate(case.stage.errors.items()):
        if not number:
            continue
        case.script(fault)
        receipt = exporter.deliver(case.collection(1, first=1 + turn), seconds=2.0)
        case.back()
        code = getattr(_outcome(exporter, number), "code", "nothing")
        codes = {reason.code for reason in receipt.reasons}
        require(codes == {code}, f"{errno.errorcode[number]} is {code} in diagnose, but {codes} in delivery")


def against_its_page(what: str, outcome: Throttled | Unavailable | Unconfirmed | TooLarge | Rejected) -> None:
    """Require that a verdict and the page of its code have the same retry class; a code of another package may have no page."""
    page = explain(outcome.code)
    require(
        page is None or _VERDICTS[type(outcome)] in STANDS_WITH[page.retry],
        f"{what} became {type(outcome).__name__} with {outcome.code}, whose page has a different retry class",
    )


def _outcome(exporter: Exporter[Any], number: int) -> Outcome | None:
    return exporter.refused_by_system(OSError(number, os.strerror(number)))
