"""What Datadog answers when it refuses, as a table (docs.datadoghq.com/api/latest/metrics; recorded by its own clients)."""

from __future__ import annotations

import re

from magictel.catalogue.retry import RetryClass
from magictel.http.error_rules import Rule

NO_KEY = "API key required"
FORBIDDEN_BODY = re.compile(r'\{\s*"errors"\s*:\s*\[\s*"Forbidden"\s*\]\s*\}')
FORBIDDEN = Rule(
    "dd.auth.invalid",
    "{status}: Datadog does not accept the API key: {message}",
    "check DD_API_KEY and DD_SITE: a key belongs to one site",
    statuses=(401, 403),
)
RULES: tuple[Rule, ...] = (
    FORBIDDEN,
    Rule(
        "dd.write.bad-payload",
        "{status}: Datadog cannot read the payload: {message}",
        "report this: the payload is magictel's",
        isolate=True,
        statuses=(400,),
        text=r"(?i)not in the expected format|(?:invalid|malformed|decod\w*|pars\w*)\b.{0,40}\bpayload|payload is (?:invalid|malformed)",
    ),
    Rule(
        "dd.write.too-large-text",
        "{status}: the request is over a limit of Datadog: {message}",
        "set max_batch_bytes below the limit to avoid the extra attempt",
        RetryClass.SPLIT,
        statuses=(413,),
    ),
    Rule(
        "dd.write.timeout",
        "{status}: Datadog timed out waiting for the request: {message}",
        "check the connection; smaller batches finish sooner",
        RetryClass.BACKOFF,
        statuses=(408,),
    ),
    Rule(
        "dd.write.rate",
        "{status}: throttled by Datadog's limit of requests: {message}",
        "raise the export interval, or lower the number of processes that send",
        RetryClass.AFTER_HEADER,
        statuses=(429,),
    ),
)
QUERY_RULES: tuple[Rule, ...] = (
    Rule(
        "dd.auth.app-key",
        "{status}: Datadog does not accept the application key for queries: {said}",
        "check DD_APP_KEY: an application key of the same organisation, with the scope timeseries_query",
        statuses=(401, 403),
    ),
    Rule(
        "dd.query.rate",
        "{status}: Datadog limits the rate of queries: {said}",
        "wait a minute",
        RetryClass.POLL,
        statuses=(429,),
    ),
    Rule("verify.unreadable", "{status} from {endpoint}: {said}", "see whether the address is Datadog's API"),
)
