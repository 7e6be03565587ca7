"""Tables of a backend's error replies, used by delivery, probes and diagnose: a rule gives an outcome and a finding.

A table is a tuple of rules; the first match counts. Other replies are classified by `magictel.http.classify`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from magictel.catalogue.retry import RetryClass
from magictel.http.reply_words import error_types, words_of
from magictel.http.wire import Reply
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Rejected, Throttled, TooLarge, Unavailable
from magictel.model.verification import Unreadable

_LONGEST = 400
_READ = 2_000
_NOTHING = re.compile(r": (?:\{\}|\[\])?$")
"""The end of a message with the words of a reply that says nothing."""


class BackendError(msgspec.Struct, frozen=True):
    """A backend's error: status, types, messages, and the words that messages of rules may include."""

    status: int
    types: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    words: Mapping[str, str] = msgspec.field(default_factory=dict)


class KnownError(msgspec.Struct, frozen=True):
    """The meaning of an error: a code, a message, a remedy, and what a sender does.

    `isolate`: single items cause the error and the backend accepts all or nothing, so the payload is halved until the bad ones are alone.
    """

    code: str
    message: str
    remedy: str | None = None
    retry: RetryClass = RetryClass.NO
    isolate: bool = False
    written: int = 0
    """Items that the backend counts as stored nevertheless."""

    def outcome(
        self, reply: Reply, now: float, example: str | None = None
    ) -> Rejected | Throttled | TooLarge | Unavailable:
        """Return the outcome of the request that got this reply."""
        if self.isolate or self.retry is RetryClass.SPLIT:
            return TooLarge(self.code, self.message)
        after = reply.retry_after(now)
        match self.retry:
            case RetryClass.SLOW:
                return Throttled(self.code, self.message, after, needs_operator=True)
            case RetryClass.BACKOFF if reply.status != 429:
                return Unavailable(self.code, self.message, after)
            case RetryClass.BACKOFF | RetryClass.AFTER_HEADER:
                return Throttled(self.code, self.message, after)
        return Rejected(self.code, self.message, self.remedy, example)

    def unreadable(self) -> Unreadable:
        """Return why the query with this reply shows nothing; a retry may help if the class is to poll."""
        return Unreadable(self.code, self.message, self.remedy, final=self.retry is not RetryClass.POLL)

    def finding(self, rung: Rung, **evidence: Any) -> Finding:
        """Return the failed finding of a probe that got this reply."""
        return Finding.failed(rung, self.code, self.message[:_LONGEST], self.remedy, **evidence)


class Rule(msgspec.Struct, frozen=True):
    """A rule: conditions that must all match, and the meaning of such an error.

    `statuses`: any of these. `types`: any of these error types. `text`: a regular expression found in any of the sentences.
    `when`: anything else. `message` and `remedy` may name the words of the error in braces. `rules`: more specific rules, tried first.
    """

    code: str
    message: str | Callable[[BackendError], str]
    remedy: str | None = None
    retry: RetryClass = RetryClass.NO
    statuses: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    text: str = ""
    when: Callable[[BackendError], bool] | None = None
    isolate: bool = False
    rules: tuple[Rule, ...] = ()

    def match(self, error: BackendError) -> KnownError | None:
        """Return the meaning of the error, or None if this rule does not match."""
        if self.statuses and error.status not in self.statuses:
            return None
        if self.types and error.types.isdisjoint(self.types):
            return None
        if self.text and not any(re.search(self.text, text) for text in error.texts):
            return None
        if self.when is not None and not self.when(error):
            return None
        exact = match(error, self.rules)
        if exact is not None:
            return exact
        message = self.message(error) if callable(self.message) else self.message.format_map(error.words)
        message = _NOTHING.sub("", message)
        remedy = self.remedy.format_map(error.words) if self.remedy else None
        return KnownError(self.code, message, remedy, self.retry, self.isolate)


def read_error(reply: Reply) -> BackendError:
    """Return an error reply as rules see it: its error types, its message, and the words `status` and `message`."""
    message = words_of(reply)
    words = {"status": str(reply.status), "message": message}
    return BackendError(reply.status, frozenset(error_types(reply).split()), (message, reply.text[:_READ]), words)


def match(error: BackendError, rules: Iterable[Rule]) -> KnownError | None:
    """Return the meaning of an error by the first matching rule, or None."""
    return next((known for rule in rules if (known := rule.match(error)) is not None), None)
