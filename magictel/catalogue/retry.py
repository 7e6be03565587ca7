"""The retry classes: one vocabulary for error tables, pages of codes and diagnoses."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RetryClass(StrEnum):
    """Whether and how to send the same request again."""

    NO = "no"
    BACKOFF = "backoff"
    AFTER_HEADER = "after-header"
    SPLIT = "split"
    SLOW = "slow"
    VERIFY = "verify"
    POLL = "poll"
    DOWNGRADE = "downgrade"
    SUCCESS = "treat-as-success"
    UNKNOWN = "unknown"


RETRY: Mapping[str, str] = {
    RetryClass.NO: "never: the same request fails again",
    RetryClass.BACKOFF: "with backoff: the error may be temporary",
    RetryClass.AFTER_HEADER: "after the time in the response",
    RetryClass.SPLIT: "in halves: the request is too large",
    RetryClass.SLOW: "minutes later: someone must act first",
    RetryClass.VERIFY: "do not retry: the response proves nothing, so check what is stored",
    RetryClass.POLL: "repeat the query until the points show",
    RetryClass.DOWNGRADE: "with an older version of the protocol",
    RetryClass.SUCCESS: "do not retry: the data is already stored",
    RetryClass.UNKNOWN: "unknown: the pasted text does not say",
}
"""The description of each class."""


_CREDENTIALS = frozenset(
    {
        *("http.unauthorized", "http.forbidden", "otlp.http.dynatrace-scheme", "otlp.http.honeycomb-dataset"),
        *("otlp.grpc.http-401", "otlp.grpc.unauthenticated", "otlp.grpc.denied"),
    }
)
"""Codes of a 401 or 403 whose names do not show that."""


_OF_QUERIES = frozenset({"dd.auth.app-key", "dd.auth.unknown", "nr.auth.user-key"})
"""Codes of keys that only query, or of a question that rejects no points."""


def waits_for(code: str, retry: str) -> str | None:
    """Return `credentials` or `TLS files` if points wait until these are right, as an exporter keeps them; otherwise None."""
    if retry != RetryClass.NO or code in _OF_QUERIES:
        return None
    if ".auth." in code or ".authz." in code or code in _CREDENTIALS:
        return "credentials"
    return "TLS files" if code.startswith("tls.") or code == "otlp.grpc.unknown-ca" else None


def again(code: str, retry: str) -> str:
    """Return whether and how to send again what failed with a code of this class."""
    renewed = waits_for(code, retry)
    if renewed is None:
        return RETRY[retry]
    return f"once this is fixed: a running exporter keeps the points waiting, and reads the {renewed} again before each attempt"
