"""Laws on what a backend does wrong: each fault has the right consequence, and the ledger says what the backend holds."""

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
"""Statuses without a word of a backend's own, and whether they pass by themselves; None: a law of its own says so."""
_OLD, _NEW = "c0nf0rmance-0ld-s3cret", "c0nf0rmance-n3w-s3cret"
_PAGE = "<!doctype html><html><body>Please sign in</body></html>"


@LAWS.law("retry.throttled", "429 is waited for and sent again: nothing is lost.", Need.SERVER)
def throttled(case: Case) -> Violation | None:
    """Three times, then the backend takes it."""
    case.script("429 x3")
    return _all_delivered(_delivered(case), "after three 429")


@LAWS.law("retry.unavailable", "503 is waited for and sent again: nothing is lost.", Need.SERVER)
def unavailable(case: Case) -> Violation | None:
    """Without a word, with a page on maintenance, with a time to wait; then the backend takes it."""
    case.script(f"503, then 503 body='{_PAGE}', then 503 retry-after=2")
    return _all_delivered(_delivered(case), "after three 503")


@LAWS.law("retry.gateway", "A gateway's 502 and 504 are sent again: nothing is lost.", Need.SERVER)
def gateway(case: Case) -> Violation | None:
    """A proxy between us and the backend."""
    case.script(f"502 body='{_PAGE}', then 504 body='{_PAGE}'")
    return _all_delivered(_delivered(case), "after a gateway's 502 and 504")


@LAWS.law("retry.refused", "A request refused for good is sent once, and its points count as rejected.", Need.SERVER)
def refused(case: Case) -> Violation | None:
    """One point: there is nothing to tell apart."""
    case.script("400 forever")
    receipt = _delivered(case, 1)
    return first(
        broken_unless(receipt.rejected == 1, f"a point refused with 400 counts as {_fate(receipt)}"),
        broken_unless(len(case.writes()) == 1, f"a point refused with 400 was sent {len(case.writes())} times"),
    )


@LAWS.law("retry.after-seconds", "Retry-After in seconds is waited for.", Need.SERVER)
def after_seconds(case: Case) -> Violation | None:
    """Five seconds."""
    case.script("429 retry-after=5")
    return first(_all_delivered(_delivered(case), "after Retry-After: 5"), _waited(case, 5.0))


@LAWS.law("retry.after-date", "Retry-After as a date is waited for.", Need.SERVER)
def after_date(case: Case) -> Violation | None:
    """Seven seconds from now; the header has whole seconds."""
    case.script(f"429 retry-after='{formatdate(case.clock.now() + 8, usegmt=True)}'")
    return first(_all_delivered(_delivered(case), "after a date in Retry-After"), _waited(case, 5.0))


@LAWS.law("split.too-large", "A request that is too large is halved until it fits: nothing is lost.", Need.SERVER)
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
    "fault.reset", "A connection reset before or after the backend has stored: sent again, nothing lost.", Need.SERVER
)
def reset(case: Case) -> Violation | None:
    """Before the answer, in its place, and closed without a word."""
    case.script("reset, then reset-after, then close")
    return _all_delivered(_delivered(case), "after a reset before the answer, one after it, and a close")


@LAWS.law("fault.truncated", "An answer that breaks off is no verdict: sent again, counted once.", Need.SERVER)
def truncated(case: Case) -> Violation | None:
    """The backend has stored, and its answer is cut."""
    case.script("truncated x1")
    receipt = _delivered(case)
    _, request = case.writes()[0]
    breaks_off = bool(case.emulator.handle(request).body)  # what says nothing but its status has arrived whole
    return first(
        _all_delivered(receipt, "after an answer that broke off"),
        broken_unless(not breaks_off or len(case.writes()) > 1, "an answer that broke off was taken for the verdict"),
    )


@LAWS.law("fault.time-out", "An attempt ends at `timeout`, and is repeated.", Need.SERVER)
def time_out(case: Case) -> Violation | None:
    """The first answer would take far longer than one attempt may."""
    case.script("slow 1.2 x1")
    receipt = _delivered(case, timeout=0.15)
    return first(
        _all_delivered(receipt, "after an attempt that timed out"),
        broken_unless(receipt.attempts >= 2, "an attempt waited for longer than `timeout`"),
    )


@LAWS.law("fault.web-page", "A 200 with a web page (a login, a captive portal) is not taken for delivery.", Need.SERVER)
def web_page(case: Case) -> Violation | None:
    """Something else than the backend answers."""
    case.script(f"200 body='{_PAGE}' forever")
    receipt = _delivered(case, 2, seconds=2.0)
    return broken_unless(receipt.delivered == 0, "a web page was taken for the backend's answer")


@LAWS.law(
    "fault.table",
    "Each row of the table of statuses has a code, its class of retry, and in delivery the fate that belongs to it.",
    Need.SERVER,
)
def table(case: Case) -> Violation | None:
    """One point for each row, answered so for ever; what `judge` says of it must be what the receipt says."""
    declared = case.exporter().statuses
    for turn, (status, general) in enumerate(_TABLE):
        again = declared.get(status, general)
        case.script(f"{status} body=no forever")
        exporter = case.exporter()
        judged: list[Outcome] = []
        _overheard(exporter, judged)
        before = len(case.writes())
        # Long enough that the last attempt has time for an answer on a busy machine too.
        receipt = exporter.deliver(collection(case.run_id, 1, case.clock.now(), first=turn), seconds=7.0)
        asked = len(case.writes()) - before
        if not judged:
            return Violation(f"{status}: no verdict was asked for")
        found = _row(status, again, judged[0], receipt, asked)
        if found is not None:
            return found
    return None


@LAWS.law(
    "credentials.waiting",
    "Points whose credentials are refused (401, 403) wait for whoever mends them, under their code.",
    Need.SERVER,
)
def waiting(case: Case) -> Violation | None:
    """Exported, kept; mended; delivered."""
    for turn, status in enumerate((401, 403)):
        case.script(f"{status} forever")
        exporter = case.exporter()
        exporter.export(collection(case.run_id, 3, case.clock.now(), first=10 * turn))
        kept = exporter.ledger
        case.back()
        case.clock.wait(90.0)
        exporter.force_flush()
        found = first(
            broken_unless(kept.kept == 3, f"after {status} the points of an export count as {_fate(kept)}"),
            broken_unless(all(reason.code for reason in kept.reasons), f"after {status} points wait without a code"),
            _all_delivered(exporter.ledger, f"after {status} was mended"),
        )
        if found is not None:
            return found
    return None


@LAWS.law(
    "credentials.rotated",
    "A secret whose file has changed is read again after a 401: no restart, and the new one is not shown.",
    Need.SERVER,
    Need.SECRETS,
)
def rotated(case: Case) -> Violation | None:
    """Each secret option by itself, as far as it travels in headers."""
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
            continue  # not sent by itself (a password without a user, say)
        tried += 1
        found = first(
            broken_unless(shows_old(sent[-1]) == sent[-1], f"{option.key}: the old secret was sent again after a 401"),
            broken_unless(shows_new(sent[-1]) != sent[-1], f"{option.key}: the new secret was not sent after a 401"),
            _all_delivered(receipt, f"{option.key}: after the secret was changed"),
            broken_unless(exporter.redact(_NEW) != _NEW, f"{option.key}: the new secret is shown"),
        )
        if found is not None:
            return found
    return broken_unless(tried, "no secret travels in a header")


@LAWS.law("partial.items", "Of a partial answer each item has its own verdict.", Need.ITEMS, Need.READ_BACK)
def items(case: Case) -> Violation | None:
    """Every kind of item error that the backend has."""
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
    seen = {one.key for one in case.look(exporter, expected)}
    stored = sum(one.key in seen for one in expected)
    return first(
        broken_unless(total.balanced, "the receipt of a partial answer does not add up"),
        broken_unless(
            total.delivered == stored,
            f"{points(total.delivered, 'counts', 'count')} as delivered, the backend shows {stored}, after partial answers",
        ),
    )


@LAWS.law("partial.blame", "Whom a partial answer blames is what the backend lacks.", Need.ITEMS, Need.READ_BACK)
def blames(case: Case) -> Violation | None:
    """Every kind of item error; refused points that the backend does not name may be any, and nobody is blamed for them."""
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
            return Violation(f"after {kind} {points(len(wrongly), 'is', 'are')} blamed that the backend stored")
    return None


@LAWS.law("partial.only-refused", "After a partial answer only what was refused is sent again.", Need.ITEMS)
def only_refused(case: Case) -> Violation | None:
    """A tenth is refused; the repeat must be much smaller."""
    assert isinstance(case.emulator, RefusesItems)
    for turn, kind in enumerate(case.emulator.item_errors):
        case.script(f"partial 5% {kind} x1")
        before = len(case.writes())
        data = collection(case.run_id, 40, case.clock.now(), first=40 * turn)
        case.exporter().deliver(data, seconds=300.0)
        sizes = [len(request.body) for _, request in case.writes()[before:]]
        if len(sizes) > 1 and sizes[1] > 0.7 * sizes[0]:
            return Violation(f"after {kind} for a twentieth of the items a request of the same size was sent again")
    return None


@LAWS.law(
    "ids.no-duplicates", "What was stored before its answer was lost is not stored twice.", Need.SERVER, Need.READ_BACK
)
def no_duplicates(case: Case) -> Violation | None:
    """Stored, then reset; stored, then cut off."""
    case.script("reset-after, then truncated")
    exporter = case.exporter()
    data = collection(case.run_id, 9, case.clock.now())
    exporter.deliver(data)
    counted = Counter(one.key for one in case.look(exporter, case.expected(exporter, data)))
    twice = sum(count > 1 for count in counted.values())
    return broken_unless(not twice, f"{points(twice, 'is', 'are')} shown more than once after answers were lost")


@LAWS.law("ledger.identity", "The ledger says what the backend holds, whatever went wrong.", Need.AWAY, Need.READ_BACK)
def identity(case: Case) -> Violation | None:
    """Random faults by the seed, on the way that production takes."""
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
    shown = {one.key for one in case.look(exporter, expected)}
    stored = sum(one.key in shown for one in expected)
    unknown = sum(one.count for one in ledger.reasons if one.maybe_stored and one.fate is not Fate.DELIVERED)
    return first(
        broken_unless(ledger.balanced, f"the ledger does not add up: {_fate(ledger)} of {ledger.sent}"),
        broken_unless(ledger.sent == sent, f"{points(sent, 'was', 'were')} sent, the ledger says {ledger.sent}"),
        broken_unless(ledger.kept == 0, f"{points(ledger.kept, 'counts', 'count')} as kept after shutdown"),
        broken_unless(
            ledger.delivered <= stored <= ledger.delivered + unknown,
            f"{points(ledger.delivered, 'counts', 'count')} as delivered (and {unknown} as perhaps), the backend shows {stored}",
        ),
    )


def _overheard(exporter: Exporter[Any], judged: list[Outcome]) -> None:
    """From now on the verdicts of an exporter that has `judge` are noted down."""
    judge = getattr(exporter, "judge", None)
    if judge is None:
        return

    def noted(payload: Payload, reply: Reply) -> Outcome:
        outcome: Outcome = judge(payload, reply)
        judged.append(outcome)
        return outcome

    exporter.judge = noted  # type: ignore[attr-defined]


def _row(status: int, again: bool | None, outcome: Outcome, receipt: Receipt, asked: int) -> Violation | None:
    if isinstance(outcome, Delivered | Partial):
        return Violation(f"{status} was taken for {type(outcome).__name__}")
    waits = isinstance(outcome, Unavailable | Throttled) and not outcome.needs_operator
    name = type(outcome).__name__
    return first(
        broken_unless(outcome.code, f"{status} has no code"),
        broken_unless(
            again is None or waits is again, f"{status} was judged {name}, which {'' if waits else 'no '}retry follows"
        ),
        against_its_page(str(status), outcome),
        broken_unless(receipt.delivered == 0, f"{status}: {_fate(receipt)}"),
        broken_unless(
            outcome.code in {reason.code for reason in receipt.reasons},
            f"{status} was judged {outcome.code}, and the receipt does not say so",
        ),
        broken_unless(waits or asked == 1, f"{status}, which is for good, was sent {asked} times"),
        broken_unless(not waits or asked > 1, f"{status}, which passes, was sent once"),
    )


def _mishap(case: Case) -> None:
    """What goes wrong next: by script, or by what the system refuses, if anything."""
    if case.served:
        case.script(_script(case))
        return
    case.back()
    hindrance = case.dice.choice([None, *case.hindrances()])
    if hindrance is not None:
        case.hinder(hindrance)


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
    return broken_unless(waited >= least, f"the backend asked to wait, and the repeat came after {waited:.2f} s")


def _fate(receipt: Receipt) -> str:
    counts = {
        name: getattr(receipt, name) for name in ("delivered", "unconfirmed", "rejected", "withheld", "kept", "dropped")
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"
