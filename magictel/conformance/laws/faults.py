"""Laws on backend faults: each fault has the right consequence."""

from __future__ import annotations

from collections import Counter
from email.utils import formatdate
from typing import Any

from magictel.conformance.case import Case, options_of
from magictel.conformance.law import Broken, LawRegistry, Need, require
from magictel.conformance.laws.system import against_its_page
from magictel.encoding.payload import Payload
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Fate, Outcome, Partial, Receipt, Throttled, Unavailable
from magictel.plugin.exporter import Exporter
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import Secret

LAWS = LawRegistry(Need.PUSH)
_TABLE: tuple[tuple[int, bool | None], ...] = (
    *((status, None) for status in (400, 429, 502, 503, 504)),
    *((status, False) for status in (401, 403, 404, 405, 406, 410, 411, 414, 415, 422, 431, 501, 505, 511)),
    *((status, True) for status in (408, 425, 500, 520, 524)),
)
"""Statuses without a backend-specific body, and whether they are temporary; None: another law covers them."""
_OLD, _NEW = "c0nf0rmance-0ld-s3cret", "c0nf0rmance-n3w-s3cret"
_PAGE = "<!doctype html><html><body>Please sign in</body></html>"


@LAWS.law("retry.throttled", Need.REPLIES)
def throttled(case: Case) -> None:
    """After a 429 the exporter waits and retries: nothing is lost."""
    _nothing_lost(case, "429 x3", "three 429")


@LAWS.law("retry.unavailable", Need.REPLIES)
def unavailable(case: Case) -> None:
    """After a 503 the exporter waits and retries: nothing is lost."""
    _nothing_lost(case, f"503, then 503 body='{_PAGE}', then 503 retry-after=2", "three 503")


@LAWS.law("retry.gateway", Need.REPLIES)
def gateway(case: Case) -> None:
    """After a gateway's 502 and 504 the exporter retries: nothing is lost."""
    _nothing_lost(case, f"502 body='{_PAGE}', then 504 body='{_PAGE}'", "a gateway's 502 and 504")


@LAWS.law("retry.refused", Need.REPLIES)
def refused(case: Case) -> None:
    """A permanently rejected request is sent once, and its points count as rejected."""
    _sent_once(case, "400 forever", "a point rejected with 400")


@LAWS.law("retry.after-seconds", Need.REPLIES)
def after_seconds(case: Case) -> None:
    """The exporter honours Retry-After in seconds."""
    _waits(case, "5", "Retry-After: 5")


@LAWS.law("retry.after-date", Need.REPLIES)
def after_date(case: Case) -> None:
    """The exporter honours Retry-After as a date."""
    _waits(case, f"'{formatdate(case.clock.now() + 8, usegmt=True)}'", "a date in Retry-After")


@LAWS.law("split.too-large", Need.TOO_LARGE)
def too_large(case: Case) -> None:
    """A request that is too large is split until it fits: nothing is lost."""
    times = 2 if case.stage.replies else 1
    _nothing_lost(case, f"too-large x{times}", "a request was too large")


@LAWS.law("split.single", Need.TOO_LARGE)
def single(case: Case) -> None:
    """A single point that is too large is rejected, and sent once."""
    _sent_once(case, "too-large forever", "a single point that is too large")


@LAWS.law("fault.reset", Need.REPLIES)
def reset(case: Case) -> None:
    """After a connection reset, before or after storage, the exporter retries: nothing is lost."""
    _nothing_lost(case, "reset, then reset-after, then close", "a reset before storage, one after it, and a close")


@LAWS.law("fault.truncated", Need.REPLIES)
def truncated(case: Case) -> None:
    """A truncated reply is no verdict: the request is retried and counted once."""
    case.script("truncated x1")
    _all_delivered(case, _delivered(case), "after a truncated reply")
    require(len(case.writes()) > 1 or not case.stage.reply_has_body(), "a truncated reply counted as a verdict")


@LAWS.law("fault.time-out", Need.REPLIES)
def time_out(case: Case) -> None:
    """An attempt ends after `timeout`, and is retried."""
    case.script("slow 4 x1")
    receipt = _delivered(case, timeout=0.5)
    _all_delivered(case, receipt, "after an attempt that timed out")
    require(receipt.attempts >= 2, "an attempt waited longer than `timeout`")


@LAWS.law("fault.web-page", Need.REPLIES)
def web_page(case: Case) -> None:
    """A 200 with a web page (a login, a captive portal) does not count as delivery."""
    case.script(f"200 body='{_PAGE}' forever")
    require(_delivered(case, 2, seconds=2.0).delivered == 0, "a web page counted as the backend's reply")


@LAWS.law("fault.table", Need.REPLIES)
def table(case: Case) -> None:
    """Each status has a code, a retry class, and the matching fate in delivery."""
    declared = case.exporter().statuses
    for turn, (status, general) in enumerate(_TABLE):
        case.script(f"{status} body=no forever")
        exporter = case.exporter(backoff_initial=1.0, backoff_max=2.0)  # a few retries show what hundreds would
        judged = _overheard(exporter)
        _with_time(exporter)
        before = len(case.writes())
        receipt = exporter.deliver(case.collection(1, first=turn), seconds=7.0)
        require(judged, f"{status}: `judge` was not called")
        repeats = Counter(write.body for write in case.writes()[before:])  # another variant of the payload is no repeat
        _check_status(status, declared.get(status, general), judged[-1], receipt, max(repeats.values(), default=0))


@LAWS.law("credentials.waiting", Need.REPLIES)
def waiting(case: Case) -> None:
    """With rejected credentials (401, 403) points wait, with that code, until the credentials are fixed."""
    for turn, status in enumerate((401, 403)):
        case.script(f"{status} forever")
        exporter = case.exporter()
        exporter.export(case.collection(3, first=10 * turn))
        kept = exporter.ledger
        case.back()
        case.clock.wait(90.0)
        exporter.force_flush()
        require(kept.kept == 3, f"after {status} the points of an export count as {fates(kept)}")
        require(all(reason.code for reason in kept.reasons), f"after {status} points wait without a code")
        _all_delivered(case, exporter.ledger, f"after {status} was fixed")


@LAWS.law("credentials.rotated", Need.REPLIES, Need.SECRETS)
def rotated(case: Case) -> None:
    """After a 401 a secret is read again from its changed file: no restart, and the new value is not shown."""
    tried = 0
    for turn, option in enumerate(options_of(case.exporter())):
        if not option.secret or option.kind not in ("secret", "secrets"):
            continue
        secret = Secret(_OLD, lambda: _NEW)
        exporter = case.exporter(**{option.key: secret if option.kind == "secret" else {"X-Planted": secret}})
        before = len(case.writes())
        case.script("401 x1")
        receipt = exporter.deliver(case.collection(3, first=10 * turn))
        sent = [" ".join(write.headers.values()) for write in case.writes()[before:]]
        if not sent or not _contains(sent[0], _OLD):
            continue  # not sent alone (for example a password without a user)
        tried += 1
        require(not _contains(sent[-1], _OLD), f"{option.key}: the old secret was sent again after a 401")
        require(_contains(sent[-1], _NEW), f"{option.key}: the new secret was not sent after a 401")
        _all_delivered(case, receipt, f"{option.key}: after the secret was changed")
        require(exporter.redact(_NEW) != _NEW, f"{option.key}: the new secret is shown")
    require(tried, "no secret is sent in a header")


def _contains(headers: str, secret: str) -> bool:
    """Return whether headers contain a secret, in any of the forms that are redacted."""
    return Redactor([secret])(headers) != Redactor([])(headers)


def _nothing_lost(case: Case, script: str, after: str) -> None:
    case.script(script)
    _all_delivered(case, _delivered(case, 12), f"after {after}")


def _sent_once(case: Case, script: str, point: str) -> None:
    """Send a single point, which cannot be split."""
    case.script(script)
    receipt = _delivered(case, 1)
    require(receipt.rejected == 1, f"{point} counts as {fates(receipt)}")
    require(len(case.writes()) == 1, f"{point} was sent {len(case.writes())} times")


def _waits(case: Case, retry_after: str, after: str) -> None:
    case.script(f"429 retry-after={retry_after}")
    _all_delivered(case, _delivered(case), f"after {after}")
    times = [write.time for write in case.writes()]
    waited = times[1] - times[0] if len(times) > 1 else 0.0
    require(waited >= 5.0, f"the backend asked to wait, but the retry came after {waited:.2f} s")


def _overheard(exporter: Exporter[Any]) -> list[Outcome]:
    """Return the outcomes of an exporter's `judge` from now on."""
    judged: list[Outcome] = []
    judge = getattr(exporter, "judge", None)

    def recorded(payload: Payload, reply: Reply) -> Outcome:
        assert judge is not None
        judged.append(judge(payload, reply))
        return judged[-1]

    if judge is not None:
        exporter.judge = recorded  # type: ignore[attr-defined]
    return judged


def _with_time(exporter: Exporter[Any]) -> None:
    """Give every attempt the time that a busy machine needs, even one that begins just before the deadline."""
    attempt = exporter.attempt
    exporter.attempt = lambda payload, timeout: attempt(payload, max(timeout, 30.0))  # type: ignore[method-assign]


def _check_status(status: int, again: bool | None, outcome: Outcome, receipt: Receipt, asked: int) -> None:
    name = type(outcome).__name__
    if isinstance(outcome, Delivered | Partial):
        raise Broken(f"{status} became {name}")
    waits = isinstance(outcome, Unavailable | Throttled) and not outcome.needs_operator
    codes = {reason.code for reason in receipt.reasons}
    require(outcome.code, f"{status} has no code")
    require(again is None or waits is again, f"{status} became {name}, which {'is' if waits else 'is not'} retried")
    against_its_page(str(status), outcome)
    require(receipt.delivered == 0, f"{status}: {fates(receipt)}")
    require(outcome.code in codes, f"{status} became {outcome.code}, but the receipt has another code")
    require(waits or asked == 1, f"{status}, which is permanent, was sent {asked} times")
    require(not waits or asked > 1, f"{status}, which is temporary, was sent only once")


def _delivered(case: Case, count: int = 7, *, seconds: float = 30.0, **settings: Any) -> Receipt:
    return case.exporter(**settings).deliver(case.collection(count), seconds=seconds)


def _all_delivered(case: Case, receipt: Receipt, when: str) -> None:
    require(case.accepted(receipt) == receipt.sent, f"{when}: {fates(receipt)} of {receipt.sent} points")


def fates(receipt: Receipt) -> str:
    """Return the counts of a receipt that are not 0, for messages."""
    return ", ".join(f"{getattr(receipt, fate)} {fate}" for fate in Fate if getattr(receipt, fate)) or "nothing"
