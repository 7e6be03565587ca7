"""Error tables: every exporter's rules have pages that say the same, and one reading gives outcome and finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from magictel.catalogue.pages import explain
from magictel.catalogue.retry import RETRY, RetryClass
from magictel.exporters.elasticsearch import errors as elasticsearch
from magictel.exporters.prometheus_remote_write import errors as remote_write
from magictel.http.error_rules import BackendError, KnownError, Rule, match, read_error
from magictel.http.wire import Reply
from magictel.model.finding import Rung, Status
from magictel.model.outcome import Outcome, Rejected, Throttled, TooLarge, Unavailable

TABLES = {"elasticsearch": elasticsearch.RULES, "remote write": remote_write.RULES}


def every(rules: Iterable[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield rule
        yield from every(rule.rules)


@pytest.mark.parametrize("table", TABLES)
def test_every_rule_has_the_retry_class_of_its_page(table: str) -> None:
    rules = list(every(TABLES[table]))
    assert len(rules) > 15
    for rule in rules:
        page = explain(rule.code)
        assert page is not None, rule.code
        assert page.retry == rule.retry, rule.code


def test_every_class_is_explained() -> None:
    assert set(RETRY) == set(RetryClass)


@pytest.mark.parametrize(
    ("known", "status", "kind"),
    [
        (KnownError("a.b", "x"), 400, Rejected),
        (KnownError("a.b", "x", isolate=True), 400, TooLarge),
        (KnownError("a.b", "x", retry=RetryClass.SPLIT), 413, TooLarge),
        (KnownError("a.b", "x", retry=RetryClass.BACKOFF), 503, Unavailable),
        (KnownError("a.b", "x", retry=RetryClass.BACKOFF), 429, Throttled),
        (KnownError("a.b", "x", retry=RetryClass.AFTER_HEADER), 400, Throttled),
        (KnownError("a.b", "x", retry=RetryClass.SLOW), 403, Throttled),
    ],
)
def test_the_class_decides_the_outcome(known: KnownError, status: int, kind: type[Outcome]) -> None:
    outcome = known.outcome(Reply(status, {"retry-after": "7"}), 0.0)
    assert isinstance(outcome, kind)
    assert outcome.code == "a.b"  # type: ignore[union-attr]
    if isinstance(outcome, Throttled):
        assert (outcome.retry_after, outcome.needs_operator) == (7.0, known.retry is RetryClass.SLOW)


def test_the_same_error_is_a_finding() -> None:
    finding = KnownError("a.b", "what happened", "do this").finding(Rung.AUTH, status=401)
    assert (finding.outcome, finding.code, finding.remedy) == (Status.FAIL, "a.b", "do this")
    assert finding.evidence["status"] == 401


RULES = (
    Rule("outer", "{who} failed", "ask {who}", statuses=(400,), rules=(Rule("inner", "{who} is {{}}", text="^exact"),)),
    Rule("by.type", "typed", types=("b", "c")),
    Rule("rest", "anything", when=lambda error: error.status == 500),
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BackendError(400, texts=("exact words",), words={"who": "node {a}"}), ("inner", "node {a} is {}")),
        (BackendError(400, texts=("other", "not exact"), words={"who": "node"}), ("outer", "node failed")),
        (BackendError(404, frozenset({"a", "c"})), ("by.type", "typed")),
        (BackendError(500), ("rest", "anything")),
        (BackendError(503, frozenset({"d"})), None),
    ],
)
def test_the_first_rule_that_matches_counts(error: BackendError, expected: tuple[str, str] | None) -> None:
    known = match(error, RULES)
    assert (known and (known.code, known.message)) == expected


ACME = (
    Rule("acme.quota", "{status}: {message}", "ask for more", RetryClass.SLOW, statuses=(429,), types=("quota",)),
    Rule("acme.too-old", "a point is too old", isolate=True, statuses=(400,), text="older than"),
)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, b'{"error": {"type": "quota", "message": "used up"}}', "acme.quota"),
        (429, b'{"error": {"type": "rate", "message": "used up"}}', None),
        (400, b"point 3 is older than a day", "acme.too-old"),
        (422, b"point 3 is older than a day", None),
    ],
)
def test_a_reply_is_read_for_any_table_by_its_type_or_its_message(status: int, body: bytes, code: str | None) -> None:
    known = match(read_error(Reply(status, {"content-type": "application/json"}, body)), ACME)
    assert (known and known.code) == code
    if code == "acme.quota":
        assert known is not None
        assert known.message == "429: used up"
