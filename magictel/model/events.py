"""What operations yield and reporters consume. Frozen values, no behaviour; a reporter matches on their types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from magictel.errors import MagictelError
from magictel.model.finding import NO_STEP, UNPROVEN, Finding, Rung, Status
from magictel.model.outcome import Receipt
from magictel.model.timing import Timing
from magictel.model.verification import Verification

INTERRUPTED = "run.interrupted"
"""The code of what an interrupt broke off."""


class CheckOutcome(StrEnum):
    """How a target's whole ladder came out: the worst of its rungs.

    *unverified*: no rung failed, and what was skipped leaves it open whether the backend would take anything.
    """

    PASS = "pass"
    WARN = "warn"
    UNVERIFIED = "unverified"
    FAIL = "fail"


class SendOutcome(StrEnum):
    """How a target's sample or replay came out: the first of these, in this order, that is present."""

    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    LOST = "lost"
    ALTERED = "altered"
    DUPLICATED = "duplicated"
    UNVERIFIED = "unverified"
    ACCEPTED = "accepted"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One target's ladder: the ten rungs in order. `unusable` is True when its settings could not be used at all (exit 78)."""

    target: str
    exporter: str
    outcome: CheckOutcome
    endpoint: str
    rungs: tuple[Finding, ...]
    unusable: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one target's points, and what the backend shows of them."""

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
    """Where the time went, if that was asked for."""


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """A check begins; targets in the order given."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClimbStarted:
    """A climb of one target's ladder begins. `final`: its rungs are the result; else it may be climbed again (`--wait`)."""

    target: str
    exporter: str
    endpoint: str
    final: bool


@dataclass(frozen=True, slots=True)
class RungClimbed:
    """One rung of one target was climbed, in the climb that began last."""

    target: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Waited:
    """Something is being waited for, for people at a terminal."""

    target: str
    message: str
    seconds: float
    of: float | None = None


@dataclass(frozen=True, slots=True)
class Ticked:
    """About a second passed in which nothing else happened."""


@dataclass(frozen=True, slots=True)
class TargetChecked:
    """One target's ladder is done."""

    result: CheckResult


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """The whole check; results in the order the targets were given. `interrupted`: not all of them were asked."""

    results: tuple[CheckResult, ...]
    seconds: float
    interrupted: bool = False

    @property
    def outcome(self) -> CheckOutcome:
        """The worst target's."""
        return worst(result.outcome for result in self.results) if self.results else CheckOutcome.PASS


@dataclass(frozen=True, slots=True)
class SendStarted:
    """A send begins: the run's id, points and metrics for each target."""

    run_id: str
    points: int
    metrics: int
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """One target's points were sent; the receipt is final."""

    target: str
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class TargetSent:
    """One target's send is done."""

    result: SendResult


@dataclass(frozen=True, slots=True)
class SendFinished:
    """The whole send; results in the order the targets were given."""

    run_id: str
    results: tuple[SendResult, ...]
    seconds: float
    interrupted: bool = False

    @property
    def outcome(self) -> SendOutcome:
        """The first outcome present, in the order of `SendOutcome`."""
        present = {result.outcome for result in self.results}
        return next((outcome for outcome in SendOutcome if outcome in present), SendOutcome.VERIFIED)


@dataclass(frozen=True, slots=True)
class SkippedReason:
    """Why so many points (or lines, whose points cannot be counted) of a recording were not sent. `lost`: there was something to send."""

    code: str
    count: int
    unit: str
    """`point` or `line`."""
    text: str
    lost: bool = False

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' * (self.count > 1)}: {self.text}"


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What was read of a replay's recordings. `points` are those that passed the filter, sent or not; `shift` in seconds.

    `ended` points have no value (their series had ended), so there is nothing to send.
    """

    files: tuple[str, ...]
    points: int = 0
    series: int = 0
    reasons: tuple[SkippedReason, ...] = ()
    """What was skipped, by reason."""
    shift: float = 0.0
    examples: tuple[str, ...] = ()
    """What could not be read: the first few sentences."""
    warnings: tuple[str, ...] = ()
    """What was sent, and probably not as it was meant."""

    @property
    def skipped(self) -> int:
        """Everything that was not sent: points, and lines whose points cannot be counted."""
        return sum(reason.count for reason in self.reasons)

    @property
    def lost(self) -> int:
        """What of `skipped` could not be read."""
        return sum(reason.count for reason in self.reasons if reason.lost)

    @property
    def code(self) -> str | None:
        """Of the first reason that is a loss."""
        return next((f"source.{reason.code}" for reason in self.reasons if reason.lost), None)

    @property
    def ended(self) -> int:
        """Points without a value: their series had ended."""
        return sum(reason.count for reason in self.reasons if reason.code == "ended")


@dataclass(frozen=True, slots=True)
class ReplayStarted:
    """A replay begins: nothing was sent yet. `shift`: seconds that are added to every time."""

    files: tuple[str, ...]
    targets: tuple[str, ...]
    shift: float


@dataclass(frozen=True, slots=True)
class ReplayMoved:
    """How far one target's replay is: points settled, of them rejected, points per second, fraction of the recording, seconds left."""

    target: str
    points: int
    rejected: int
    rate: float
    fraction: float | None = None
    left: float | None = None


@dataclass(frozen=True, slots=True)
class ReplayFinished(SendFinished):
    """The whole replay. `broken` is why reading ended early; `go_on`: the number of points that need not be sent again, where some do.

    `go_on` counts points in the order of the recordings, filter applied; None: there is nothing to go on with, all was sent (an interrupt
    came while it was read back).
    """

    source: SourceReport = field(default_factory=lambda: SourceReport(()))
    broken: MagictelError | None = None
    go_on: int | None = None


@dataclass(frozen=True, slots=True)
class RunCounted:
    """A clean-up begins: this many items of a run are about to be deleted."""

    target: str
    run_id: str
    count: int


@dataclass(frozen=True, slots=True)
class RunCleaned:
    """One target's clean-up is done. `found` is None where the backend could not be asked; `code`, `message`, `remedy` say what went wrong.

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
    def held(self) -> bool:
        """True when nothing of the run is left, as far as the backend says."""
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
    | RunCounted
    | RunCleaned
)


def worst(outcomes: Iterable[CheckOutcome]) -> CheckOutcome:
    """Fail before unverified before warn before pass."""
    order = list(CheckOutcome)
    return max(outcomes, key=order.index, default=CheckOutcome.PASS)


def check_outcome(rungs: tuple[Finding, ...], until: Rung | None = None) -> CheckOutcome:
    """A ladder's outcome from its rungs; `until`: the last one that was asked for."""
    held = {finding.outcome for finding in rungs}
    if Status.FAIL in held:
        return CheckOutcome.FAIL
    if not _proved(rungs, until):
        return CheckOutcome.UNVERIFIED
    return CheckOutcome.WARN if Status.WARN in held else CheckOutcome.PASS


def _proved(rungs: tuple[Finding, ...], until: Rung | None) -> bool:
    """True where the backend itself answered and takes the credentials, or took a write, as far as that was asked for."""
    order = list(Rung)
    held = {finding.rung: finding for finding in rungs}
    answered = [held[rung] for rung in (Rung.HTTP, Rung.AUTH) if rung in held]
    if until is not None:
        answered = [finding for finding in answered if order.index(finding.rung) <= order.index(until)]
    wrote = any(_good(held[rung]) for rung in (Rung.WRITE, Rung.ROUND_TRIP) if rung in held)
    return wrote or all(_good(finding) or finding.message == NO_STEP for finding in answered)


def _good(finding: Finding) -> bool:
    return finding.outcome in (Status.PASS, Status.WARN) and finding.code != UNPROVEN
