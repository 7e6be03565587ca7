"""Laws on backend faults: each fault has the right consequence, and the ledger matches the stored points."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any

from magictel.conformance.case import Case, options_of
from magictel.conformance.catalogue_check import against_its_page
from magictel.conformance.law import LawRegistry, Violation, broken_unless, first, points
from magictel.conformance.points import collection
from magictel.conformance.requirements import Need
from magictel.encoding.payload import Payload
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Fate, ItemVerdict, Outcome, Partial, Receipt, Throttled, Unavailable
from magictel.plugin.exporter import Exporter
from magictel.sandbox.emulator import RefusesItems
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import Secret
from magictel.verify.read_back import expected_points

LAWS = LawRegistry()
_TABLE: tuple[tuple[int, bool | None], ...] = (
    *((status, None) for status in (400, 429, 502, 503, 504)),
    *((status, False) for status in (401, 403, 404, 405, 406, 410, 411, 414, 415, 422, 431, 501, 505, 511)),
    *((status, True) for status in (408, 425, 500, 520, 524)),
)
"""Statuses without a backend-specific body, and whether they are temporary; None: another law covers them."""
_OLD, _NEW = "c0nf0rmance-0ld-s3cret", "c0nf0rmance-n3w-s3cret"
_PAGE = "<!doctype html><html><body>Please sign in</body></html>"


@LAWS.law("retry.throttled", "After a 429 the exporter waits and retries: nothing is lost.", Need.SERVER)
def throttled(case: Case) -> Violation | None:
    """Reject three times, then accept."""
    case.script("429 x3")
    return _all_delivered(_delivered(case), "after three 429")


@LAWS.law("retry.unavailable", "After a 503 the exporter waits and retries: nothing is lost.", Need.SERVER)
def unavailable(case: Case) -> Violation | None:
    """Reject with an empty body, a maintenance page, and Retry-After; then accept."""
    case.script(f"503, then 503 body='{_PAGE}', then 503 retry-after=2")
    return _all_delivered(_delivered(case), "after three 503")


@LAWS.law("retry.gateway", "After a gateway's 502 and 504 the exporter retries: nothing is lost.", Need.SERVER)
def gateway(case: Case) -> Violation | None:
    """Reply like a proxy in front of the backend."""
    case.script(f"502 body='{_PAGE}', then 504 body='{_PAGE}'")
    return _all_delivered(_delivered(case), "after a gateway's 502 and 504")


@LAWS.law(
    "retry.refused", "A permanently rejected request is sent once, and its points count as rejected.", Need.SERVER
)
def refused(case: Case) -> Violation | None:
    """Send a single point, which cannot be split."""
    case.script("400 forever")
    receipt = _delivered(case, 1)
    return first(
        broken_unless(receipt.rejected == 1, f"a point rejected with 400 counts as {_fate(receipt)}"),
        broken_unless(len(case.writes()) == 1, f"a point rejected with 400 was sent {len(case.writes())} times"),
    )


@LAWS.law("retry.after-seconds", "The exporter honours Retry-After in seconds.", Need.SERVER)
def after_seconds(case: Case) -> Violation | None:
    """Ask for five seconds."""
    case.script("429 retry-after=5")
    return first(_all_delivered(_delivered(case), "after Retry-After: 5"), _waited(case, 5.0))


@LAWS.law("retry.after-date", "The exporter honours Retry-After as a date.", Need.SERVER)
def after_date(case: Case) -> Violation | None:
    """Ask for seven seconds from now; the header has whole seconds."""
    case.script(f"429 retry-after='{formatdate(case.clock.now() + 8, usegmt=True)}'")
    return first(_all_delivered(_delivered(case), "after a date in Retry-After"), _waited(case, 5.0))


@LAWS.law("split.too-large", "A request that is too large is split until it fits: nothing is lost.", Need.SERVER)
def too_large(case: Case) -> Violation | None:
    """413, twice."""
    case.script("too-large x2")
    return _all_delivered(_delivered(case, 12), "after 413 twice")


@LAWS.law("split.single", "A single point that is too large is rejected, and sent once.", Need.SERVER)
def single(case: Case) -> Violation | None:
    """413, always."""
    case.script("too-large forever")
    receipt = _delivered(case, 1)
    return first(
        broken_unless(receipt.rejected == 1, f"a single point that is too large counts as {_fate(receipt)}"),
        broken_unless(len(case.writes()) == 1, f"a single point that is too large was sent {len(case.writes())} times"),
    )


@LAWS.law(
    "fault.reset",
    "After a connection reset, before or after storage, the exporter retries: nothing is lost.",
    Need.SERVER,
)
def reset(case: Case) -> Violation | None:
    """Reset before storing, reset after storing, and close without a reply."""
    case.script("reset, then reset-after, then close")
    return _all_delivered(_delivered(case), "after a reset before storage, one after it, and a close")


@LAWS.law("fault.truncated", "A truncated reply is no verdict: the request is retried and counted once.", Need.SERVER)
def truncated(case: Case) -> Violation | None:
    """Store, but truncate the reply."""
    case.script("truncated x1")
    receipt = _delivered(case)
    _, request = case.writes()[0]
    breaks_off = bool(case.emulator.handle(request).body)  # a reply without a body is complete
    return first(
        _all_delivered(receipt, "after a truncated reply"),
        broken_unless(not breaks_off or len(case.writes()) > 1, "a truncated reply counted as a verdict"),
    )


@LAWS.law("fault.time-out", "An attempt ends after `timeout`, and is retried.", Need.SERVER)
def time_out(case: Case) -> Violation | None:
    """Delay the first reply far beyond the timeout of an attempt."""
    case.script("slow 4 x1")
    receipt = _delivered(case, timeout=0.5)
    return first(
        _all_delivered(receipt, "after an attempt that timed out"),
        broken_unless(receipt.attempts >= 2, "an attempt waited longer than `timeout`"),
    )


@LAWS.law(
    "fault.web-page", "A 200 with a web page (a login, a captive portal) does not count as delivery.", Need.SERVER
)
def web_page(case: Case) -> Violation | None:
    """Reply with a web page instead of the backend."""
    case.script(f"200 body='{_PAGE}' forever")
    receipt = _delivered(case, 2, seconds=2.0)
    return broken_unless(receipt.delivered == 0, "a web page counted as the backend's reply")


@LAWS.law(
    "fault.table",
    "Each status has a code, a retry class, and the matching fate in delivery.",
    Need.SERVER,
)
def table(case: Case) -> Violation | None:
    """Send a point for each status, with the same reply every time; the receipt must match the result of `judge`."""
    declared = case.exporter().statuses
    for turn, (status, general) in enumerate(_TABLE):
        again = declared.get(status, general)
        case.script(f"{status} body=no forever")
        exporter = case.exporter()
        judged: list[Outcome] = []
        _overheard(exporter, judged)
        _with_time(exporter)
        before = len(case.writes())
        receipt = exporter.deliver(collection(case.run_id, 1, case.clock.now(), first=turn), seconds=7.0)
        asked = len(case.writes()) - before
        if not judged:
            return Violation(f"{status}: `judge` was not called")
        violation = _row(status, again, judged[0], receipt, asked)
        if violation is not None:
            return violation
    return None


@LAWS.law(
    "credentials.waiting",
    "With rejected credentials (401, 403) points wait, with that code, until the credentials are fixed.",
    Need.SERVER,
)
def waiting(case: Case) -> Violation | None:
    """Export, keep, fix the credentials, deliver."""
    for turn, status in enumerate((401, 403)):
        case.script(f"{status} forever")
        exporter = case.exporter()
        exporter.export(collection(case.run_id, 3, case.clock.now(), first=10 * turn))
        kept = exporter.ledger
        case.back()
        case.clock.wait(90.0)
        exporter.force_flush()
        violation = first(
            broken_unless(kept.kept == 3, f"after {status} the points of an export count as {_fate(kept)}"),
            broken_unless(all(reason.code for reason in kept.reasons), f"after {status} points wait without a code"),
            _all_delivered(exporter.ledger, f"after {status} was fixed"),
        )
        if violation is not None:
            return violation
    return None


@LAWS.law(
    "credentials.rotated",
    "After a 401 a secret is read again from its changed file: no restart, and the new value is not shown.",
    Need.SERVER,
    Need.SECRETS,
)
def rotated(case: Case) -> Violation | None:
    """Change each secret option that is sent in a header."""
    tried = 0
    for turn, option in enumerate(options_of(case.exporter())):
        if not option.secret or option.kind not in ("secret", "secrets"):
            continue
        secret = Secret(_OLD, lambda: _NEW)
        exporter = case.exporter(**{option.key: secret if option.kind == "secret" else {"X-Planted": secret}})
        before = len(case.writes())
        case.script("401 x1")
        receipt = exporter.deliver(collection(case.run_id, 3, case.clock.now(), first=10 * turn))
        shows_old, shows_new = Redactor([_OLD]), Redactor([_NEW])
        sent = [" ".join(request.headers.values()) for _, request in case.writes()[before:]]
        if not sent or shows_old(sent[0]) == sent[0]:
            continue  # not sent alone (for example a password without a user)
        tried += 1
        violation = first(
            broken_unless(shows_old(sent[-1]) == sent[-1], f"{option.key}: the old secret was sent again after a 401"),
            broken_unless(shows_new(sent[-1]) != sent[-1], f"{option.key}: the new secret was not sent after a 401"),
            _all_delivered(receipt, f"{option.key}: after the secret was changed"),
            broken_unless(exporter.redact(_NEW) != _NEW, f"{option.key}: the new secret is shown"),
        )
        if violation is not None:
            return violation
    return broken_unless(tried, "no secret is sent in a header")


@LAWS.law("partial.items", "With a partial reply, each item has its own result.", Need.ITEMS, Need.READ_BACK)
def items(case: Case) -> Violation | None:
    """Use every type of the backend's item errors."""
    assert isinstance(case.emulator, RefusesItems)
    exporter = case.exporter()
    total = Receipt()
    expected = []
    for turn, kind in enumerate(case.emulator.item_errors):
        case.script(f"partial 40% {kind} x1")
        data = collection(case.run_id, 10, case.clock.now(), first=10 * turn)
        total += exporter.deliver(data, seconds=300.0)
        expected += case.expected(exporter, data)
        case.clock.wait(120.0)
    seen = {point.key for point in case.look(exporter, expected)}
    stored = sum(point.key in seen for point in expected)
    return first(
        broken_unless(total.balanced, "the receipt of a partial reply does not add up"),
        broken_unless(
            total.delivered == stored,
            f"{points(total.delivered, 'counts', 'count')} as delivered, but the backend shows {stored}, after partial replies",
        ),
    )


@LAWS.law(
    "partial.blame",
    "The items that a partial reply blames are those that the backend lacks.",
    Need.ITEMS,
    Need.READ_BACK,
)
def blames(case: Case) -> Violation | None:
    """Use every type of item error; rejected points that the backend does not name must not be blamed on any item."""
    assert isinstance(case.emulator, RefusesItems)
    exporter = case.exporter()
    for turn, kind in enumerate(case.emulator.item_errors):
        case.script(f"partial 40% {kind} x1")
        data = collection(case.run_id, 10, case.clock.now(), first=10 * turn)
        prepared = exporter.prepare(data)
        refused: set[int] = set()

        def blame(positions: Sequence[int], _: ItemVerdict, to: set[int] = refused) -> None:
            to.update(positions)

        exporter.deliver(prepared, seconds=300.0, on_refused=blame)
        case.clock.wait(120.0)
        expected, blamed = expected_points(exporter, prepared, refused)
        shown = case.look(exporter, expected)
        wrongly = {point.key for point in shown}.intersection(blamed)
        if wrongly:
            return Violation(f"after {kind} {points(len(wrongly), 'is', 'are')} blamed, but the backend stored them")
    return None


@LAWS.law("partial.only-refused", "After a partial reply, only rejected items are sent again.", Need.ITEMS)
def only_refused(case: Case) -> Violation | None:
    """Reject a few items; the retry must be much smaller."""
    assert isinstance(case.emulator, RefusesItems)
    for turn, kind in enumerate(case.emulator.item_errors):
        case.script(f"partial 5% {kind} x1")
        before = len(case.writes())
        data = collection(case.run_id, 40, case.clock.now(), first=40 * turn)
        case.exporter().deliver(data, seconds=300.0)
        sizes = [len(request.body) for _, request in case.writes()[before:]]
        if len(sizes) > 1 and sizes[1] > 0.7 * sizes[0]:
            return Violation(f"after {kind} for a twentieth of the items, a request of the same size was sent again")
    return None


@LAWS.law(
    "ids.no-duplicates",
    "A request whose reply was lost after storage is not stored twice.",
    Need.SERVER,
    Need.READ_BACK,
)
def no_duplicates(case: Case) -> Violation | None:
    """Store and reset; store and truncate the reply."""
    case.script("reset-after, then truncated")
    exporter = case.exporter()
    data = collection(case.run_id, 9, case.clock.now())
    exporter.deliver(data)
    counted = Counter(point.key for point in case.look(exporter, case.expected(exporter, data)))
    twice = sum(count > 1 for count in counted.values())
    return broken_unless(not twice, f"{points(twice, 'is', 'are')} shown more than once after lost replies")


@LAWS.law("ledger.identity", "The ledger matches the stored points, whatever fails.", Need.AWAY, Need.READ_BACK)
def identity(case: Case) -> Violation | None:
    """Apply random faults from the seed, with the same calls as in production."""
    exporter = case.exporter(max_batch_points=case.dice.choice((4, 9, 100)), timeout=0.3)
    expected: list[Any] = []
    sent = 0
    for _ in range(6):
        _mishap(case)
        size = case.dice.randint(1, 12)
        data = collection(case.run_id, size, case.clock.now(), first=sent)
        sent += size
        expected += case.expected(exporter, data)
        if case.dice.random() < 0.5:
            exporter.export(data, timeout_millis=2000)
        else:
            exporter.deliver(data, seconds=2.0)
        case.clock.wait(61.0)
    case.back()
    exporter.shutdown(3000)
    ledger = exporter.ledger
    shown = {point.key for point in case.look(exporter, expected)}
    stored = sum(point.key in shown for point in expected)
    unknown = sum(
        reason.count for reason in ledger.reasons if reason.maybe_stored and reason.fate is not Fate.DELIVERED
    )
    return first(
        broken_unless(ledger.balanced, f"the ledger does not add up: {_fate(ledger)} of {ledger.sent}"),
        broken_unless(ledger.sent == sent, f"{points(sent, 'was', 'were')} sent, the ledger says {ledger.sent}"),
        broken_unless(ledger.kept == 0, f"{points(ledger.kept, 'counts', 'count')} as kept after shutdown"),
        broken_unless(
            ledger.delivered <= stored <= ledger.delivered + unknown,
            f"{points(ledger.delivered, 'counts', 'count')} as delivered (and {unknown} possibly stored), but the backend shows {stored}",
        ),
    )


def _overheard(exporter: Exporter[Any], judged: list[Outcome]) -> None:
    """Record the outcomes of an exporter's `judge` from now on."""
    judge = getattr(exporter, "judge", None)
    if judge is None:
        return

    def noted(payload: Payload, reply: Reply) -> Outcome:
        outcome: Outcome = judge(payload, reply)
        judged.append(outcome)
        return outcome

    exporter.judge = noted  # type: ignore[attr-defined]


def _with_time(exporter: Exporter[Any]) -> None:
    """Give every attempt the time that a busy machine needs, even one that begins just before the deadline."""
    attempt = exporter.attempt
    exporter.attempt = lambda payload, timeout: attempt(payload, max(timeout, 30.0))  # type: ignore[method-assign]


def _row(status: int, again: bool | None, outcome: Outcome, receipt: Receipt, asked: int) -> Violation | None:
    if isinstance(outcome, Delivered | Partial):
        return Violation(f"{status} became {type(outcome).__name__}")
    waits = isinstance(outcome, Unavailable | Throttled) and not outcome.needs_operator
    name = type(outcome).__name__
    return first(
        broken_unless(outcome.code, f"{status} has no code"),
        broken_unless(
            again is None or waits is again, f"{status} became {name}, which {'is' if waits else 'is not'} retried"
        ),
        against_its_page(str(status), outcome),
        broken_unless(receipt.delivered == 0, f"{status}: {_fate(receipt)}"),
        broken_unless(
            outcome.code in {reason.code for reason in receipt.reasons},
            f"{status} became {outcome.code}, but the receipt has another code",
        ),
        broken_unless(waits or asked == 1, f"{status}, which is permanent, was sent {asked} times"),
        broken_unless(not waits or asked > 1, f"{status}, which is temporary, was sent only once"),
    )


def _mishap(case: Case) -> None:
    """Set the next random fault: a script, an I/O fault, or none."""
    if case.served:
        case.script(_script(case))
        return
    case.back()
    io_fault = case.dice.choice([None, *case.io_faults()])
    if io_fault is not None:
        case.hinder(io_fault)


def _script(case: Case) -> str:
    dice: random.Random = case.dice
    kinds = [
        "429 x2",
        "503",
        "500",
        "504",
        "reset",
        "reset-after",
        "close",
        "truncated",
        "too-large",
        "slow 0.01",
        "ok",
    ]
    if isinstance(case.emulator, RefusesItems):
        kinds += ["partial 30% mixed", "partial 100% mixed"]
    return ", then ".join(dice.choice(kinds) for _ in range(dice.randint(1, 3)))


def _delivered(case: Case, count: int = 7, *, seconds: float = 30.0, **settings: Any) -> Receipt:
    return case.exporter(**settings).deliver(collection(case.run_id, count, case.clock.now()), seconds=seconds)


def _all_delivered(receipt: Receipt, when: str) -> Violation | None:
    return broken_unless(receipt.delivered == receipt.sent, f"{when}: {_fate(receipt)} of {receipt.sent} points")


def _waited(case: Case, least: float) -> Violation | None:
    times = [time for time, _ in case.writes()]
    waited = times[1] - times[0] if len(times) > 1 else 0.0
    return broken_unless(waited >= least, f"the backend asked to wait, but the retry came after {waited:.2f} s")


def _fate(receipt: Receipt) -> str:
    counts = {
        name: getattr(receipt, name) for name in ("delivered", "unconfirmed", "rejected", "withheld", "kept", "dropped")
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"
