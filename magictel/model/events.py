"""Events that operations yield and reporters consume. Frozen values without behaviour; a reporter matches on their types."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from magictel.errors import MagictelError
from magictel.model.finding import NO_STEP, UNPROVEN, Finding, Rung, Status
from magictel.model.outcome import Receipt
from magictel.model.timing import Timing
from magictel.model.verification import Verification

INTERRUPTED = "run.interrupted"
"""The code of an interrupted operation."""


class CheckOutcome(StrEnum):
    """The outcome of a target's whole ladder: the worst of its rungs.

    *unverified*: no rung failed, but skipped rungs leave open whether the backend accepts data.
    """

    PASS = "pass"
    WARN = "warn"
    UNVERIFIED = "unverified"
    FAIL = "fail"


class SendOutcome(StrEnum):
    """The outcome of a target's sample or replay: the first of these, in this order, that occurred."""

    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    LOST = "lost"
    ALTERED = "altered"
    DUPLICATED = "duplicated"
    UNVERIFIED = "unverified"
    ACCEPTED = "accepted"
    VERIFIED = "verified"


class CheckResult(msgspec.Struct, frozen=True):
    """A target's ladder: the ten rungs in order. `unusable`: its settings could not be used at all (exit 78)."""

    target: str
    exporter: str
    outcome: CheckOutcome
    endpoint: str
    rungs: tuple[Finding, ...]
    unusable: bool = False
    seconds: float = 0.0


class ReadFrom(msgspec.Struct, frozen=True):
    """The target that showed what another one had sent (`verify_with`)."""

    target: str
    exporter: str
    endpoint: str


class SendResult(msgspec.Struct, frozen=True):
    """The fate of a target's points, and what the backend shows of them."""

    target: str
    exporter: str
    outcome: SendOutcome
    receipt: Receipt
    verification: Verification | None = None
    code: str | None = None
    message: str | None = None
    remedy: str | None = None
    endpoint: str = ""
    unusable: bool = False
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()
    """Warnings of the rungs climbed before the write, and the one that stopped it."""
    timing: Timing | None = None
    """Time by step, if requested."""
    read_from: ReadFrom | None = None
    """The target that was asked, if not this one."""


class CheckStarted(msgspec.Struct, frozen=True):
    """A check begins; targets in the given order."""

    targets: tuple[str, ...]


class ClimbStarted(msgspec.Struct, frozen=True):
    """A climb of a target's ladder begins. `final`: its rungs are the result; otherwise it may be repeated (`--wait`)."""

    target: str
    exporter: str
    endpoint: str
    final: bool


class RungClimbed(msgspec.Struct, frozen=True):
    """A rung of a target was climbed, in the climb that began last."""

    target: str
    finding: Finding


class Waited(msgspec.Struct, frozen=True):
    """A wait that a terminal shows as progress."""

    target: str
    message: str
    seconds: float
    of: float | None = None


class Ticked(msgspec.Struct, frozen=True):
    """About a second passed without another event."""


class TargetChecked(msgspec.Struct, frozen=True):
    """A target's ladder is done."""

    result: CheckResult


class CheckFinished(msgspec.Struct, frozen=True):
    """The check is done; results in the given order of targets. `interrupted`: some targets were not checked."""

    results: tuple[CheckResult, ...]
    seconds: float
    interrupted: bool = False

    @property
    def outcome(self) -> CheckOutcome:
        """Return the worst outcome of the targets."""
        return worst(result.outcome for result in self.results) if self.results else CheckOutcome.PASS


class SendStarted(msgspec.Struct, frozen=True):
    """A send begins: the run id, and the number of points and metrics per target."""

    run_id: str
    points: int
    metrics: int
    targets: tuple[str, ...]


class Accepted(msgspec.Struct, frozen=True):
    """A target's points were sent; the receipt is final. `result` is what the target amounts to if nothing is read back."""

    target: str
    receipt: Receipt
    result: SendResult | None = None


class TargetSent(msgspec.Struct, frozen=True):
    """A target's send is done."""

    result: SendResult


class SendFinished(msgspec.Struct, frozen=True):
    """The send is done; results in the given order of targets."""

    run_id: str
    results: tuple[SendResult, ...]
    seconds: float
    interrupted: bool = False

    @property
    def outcome(self) -> SendOutcome:
        """Return the first outcome that occurred, in the order of `SendOutcome`."""
        present = {result.outcome for result in self.results}
        return next((outcome for outcome in SendOutcome if outcome in present), SendOutcome.VERIFIED)


class SkippedReason(msgspec.Struct, frozen=True):
    """A reason why points (or lines and scrapes, whose points cannot be counted) were not sent. `lost`: there was something to send."""

    code: str
    count: int
    unit: str
    """`point`, `line` or `scrape`."""
    text: str
    lost: bool = False

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' * (self.count > 1)}: {self.text}"


class SourceReport(msgspec.Struct, frozen=True):
    """What a replay read. `points` are those that matched the filter, sent or not; `shift` in seconds.

    `ended` points have no value because their series ended, so they are not sent.
    """

    files: tuple[str, ...]
    points: int = 0
    series: int = 0
    reasons: tuple[SkippedReason, ...] = ()
    """Skipped points and lines, by reason."""
    shift: float = 0.0
    examples: tuple[str, ...] = ()
    """The first few messages about lines that could not be parsed."""
    warnings: tuple[str, ...] = ()
    """Messages about points that were sent but look wrong."""

    @property
    def skipped(self) -> int:
        """Return the number of points, and of lines with uncountable points, that were not sent."""
        return sum(reason.count for reason in self.reasons)

    @property
    def lost(self) -> int:
        """Return how many of `skipped` could not be parsed."""
        return sum(reason.count for reason in self.reasons if reason.lost)

    @property
    def code(self) -> str | None:
        """Return the code of the first reason that is a loss."""
        return next((f"source.{reason.code}" for reason in self.reasons if reason.lost), None)

    @property
    def ended(self) -> int:
        """Return the number of points without a value because their series ended."""
        return sum(reason.count for reason in self.reasons if reason.code == "ended")


class ReplayStarted(msgspec.Struct, frozen=True):
    """A replay begins: nothing was sent yet. `shift`: seconds that are added to every timestamp."""

    files: tuple[str, ...]
    targets: tuple[str, ...]
    shift: float


class ReplayMoved(msgspec.Struct, frozen=True):
    """Progress of a target's replay: points settled, points rejected, points per second, fraction of the recording, seconds left."""

    target: str
    points: int
    rejected: int
    rate: float
    fraction: float | None = None
    left: float | None = None


class ReplayFinished(SendFinished, frozen=True):
    """The replay is done. `broken`: why reading ended early. `go_on`: the number of points that need not be sent again.

    `go_on` counts points in the order of the recordings, after the filter; None: everything was sent (an interrupt may have come
    during the read-back).
    """

    source: SourceReport = msgspec.field(default_factory=lambda: SourceReport(()))
    broken: MagictelError | None = None
    go_on: int | None = None


class RunFinished(ReplayFinished, frozen=True):
    """A `magictel run` was stopped: its source is the scraped page."""


class RunCounted(msgspec.Struct, frozen=True):
    """A clean-up begins and will delete this many items of a run."""

    target: str
    run_id: str
    count: int


class RunCleaned(msgspec.Struct, frozen=True):
    """A target's clean-up is done. `found` is None if the backend could not be queried; `code`, `message`, `remedy` describe the failure.

    `unusable`: the target's settings could not be used at all (exit 78).
    """

    target: str
    exporter: str
    run_id: str
    found: int | None = None
    deleted: int = 0
    code: str | None = None
    message: str | None = None
    remedy: str | None = None
    unusable: bool = False

    @property
    def complete(self) -> bool:
        """Return whether the backend reports that nothing of the run is left."""
        return self.code is None and self.deleted == self.found


Event = (
    CheckStarted
    | ClimbStarted
    | RungClimbed
    | Waited
    | Ticked
    | TargetChecked
    | CheckFinished
    | SendStarted
    | Accepted
    | TargetSent
    | SendFinished
    | ReplayStarted
    | ReplayMoved
    | ReplayFinished
    | RunFinished
    | RunCounted
    | RunCleaned
)


def worst(outcomes: Iterable[CheckOutcome]) -> CheckOutcome:
    """Return the worst outcome: fail, then unverified, then warn, then pass."""
    order = list(CheckOutcome)
    return max(outcomes, key=order.index, default=CheckOutcome.PASS)


def check_outcome(rungs: tuple[Finding, ...], until: Rung | None = None) -> CheckOutcome:
    """Return a ladder's outcome from its rungs; `until`: the last requested rung."""
    statuses = {finding.outcome for finding in rungs}
    if Status.FAIL in statuses:
        return CheckOutcome.FAIL
    if not _proved(rungs, until):
        return CheckOutcome.UNVERIFIED
    return CheckOutcome.WARN if Status.WARN in statuses else CheckOutcome.PASS


def _proved(rungs: tuple[Finding, ...], until: Rung | None) -> bool:
    """Return whether the backend itself answered and accepts the credentials, or accepted a write, within the requested rungs."""
    order = list(Rung)
    statuses = {finding.rung: finding for finding in rungs}
    answered = [statuses[rung] for rung in (Rung.HTTP, Rung.AUTH) if rung in statuses]
    if until is not None:
        answered = [finding for finding in answered if order.index(finding.rung) <= order.index(until)]
    wrote = any(_good(statuses[rung]) for rung in (Rung.WRITE, Rung.ROUND_TRIP) if rung in statuses)
    return wrote or all(_good(finding) or finding.message == NO_STEP for finding in answered)


def _good(finding: Finding) -> bool:
    if finding.outcome is Status.PASS:
        return True
    # A round trip whose points were neither confirmed nor read back proves nothing.
    return finding.outcome is Status.WARN and finding.code != UNPROVEN and finding.evidence.get("delivered") != 0
