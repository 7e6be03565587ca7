"""What New Relic answers when it refuses, as tables (github.com/newrelic/newrelic-telemetry-sdk-specs, communication.md)."""

from __future__ import annotations

import re

from magictel.catalogue.retry import RetryClass
from magictel.http.error_rules import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "nr.auth.invalid",
        "{status}: New Relic does not accept the licence key: {message}",
        "check NEW_RELIC_LICENSE_KEY (a licence key ends in NRAL), and the region",
        statuses=(401, 403),
    ),
    Rule(
        "nr.write.bad-payload",
        "{status}: New Relic cannot read the payload: {message}",
        "report this: the payload is magictel's",
        statuses=(400,),
    ),
    Rule(
        "nr.write.too-large",
        "{status}: the request is over New Relic's limit of 1 MB: {message}",
        "set max_batch_bytes below the limit to avoid the extra attempt",
        RetryClass.SPLIT,
        statuses=(413,),
    ),
    Rule(
        "nr.write.header-missing",
        "{status}: a header that New Relic needs was removed on the way: {message}",
        "look for a proxy that removes Content-Type or Content-Length",
        statuses=(411, 415),
    ),
    Rule(
        "nr.write.rate",
        "{status}: throttled by New Relic's limit of requests or data points: {message}",
        "raise the export interval, or have the account's limit raised",
        RetryClass.AFTER_HEADER,
        statuses=(429,),
    ),
)
_BUSY = re.compile(r"rate.?limit|too.?many|time.?d? ?out", re.IGNORECASE)
QUERY_RULES: tuple[Rule, ...] = (
    Rule(
        "nr.query.rate",
        "{status}: New Relic limits queries, or a query took too long: {said}",
        "wait a minute",
        RetryClass.POLL,
        when=lambda error: error.status == 429 or (error.status == 200 and bool(_BUSY.search(error.words["said"]))),
    ),
    Rule(
        "nr.auth.user-key",
        "{status}: New Relic does not accept the user key for queries: {said}",
        "check NEW_RELIC_USER_KEY (it begins with NRAK-), and the region",
        statuses=(401, 403),
    ),
    Rule(
        "nr.read.graphql-error",
        "{status} with errors: {said}",
        "check NEW_RELIC_ACCOUNT_ID, and that the user of the key may query this account",
        statuses=(200,),
    ),
    Rule("verify.unreadable", "{status} from {endpoint}: {said}", "see whether the address is New Relic's NerdGraph"),
)
