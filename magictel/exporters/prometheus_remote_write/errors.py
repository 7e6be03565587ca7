"""What remote-write receivers say when they refuse, as a table: remote write 1.0 has no item verdicts and no error ids.

Prometheus answers one plain sentence, so its sentences are matched here and nowhere else (real_servers: 2.42 and 3; the
source is storage/remote/write_handler.go). Mimir and Cortex name an id, `err-mimir-…`: that is matched, not the prose.
Status alone misleads: Prometheus says 500 for labels it will never take, and 400 for a body that must be cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from magictel.http.classify import discards
from magictel.http.wire import Reply
from magictel.text import clipped

Act = Literal["isolate", "reject", "halve", "wait"]
"""isolate: the receiver takes all or nothing, so halves find the bad points · reject: nothing of it will ever be taken ·
halve: too large · wait: asked to slow down."""

_TAKEN = frozenset({200, 201, 202, 204})
_REPLICA = re.compile(r"rejecting sample: replica=|replicas did not mat?ch")
"""What the HA trackers of Cortex ("mach") and Mimir say, under 202, to the samples of a replica that is not elected."""
_MIMIR = re.compile(r"\berr-(?:mimir|cortex)-([a-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal means: stable code, one sentence, what to do, and what delivery does with the payload."""

    code: str
    message: str
    remedy: str | None
    act: Act = "reject"
    written: int = 0
    """Samples that were stored all the same."""


def refusal(reply: Reply) -> Refusal | None:
    """The row that a reply matches, or None: then status and headers must do."""
    if reply.ok or reply.looks_like_html:
        return None
    said = " ".join(reply.text[:2000].split())
    mimir = _MIMIR.search(said)
    if mimir is not None and reply.status >= 500:  # a limit of one of its instances: the very same may be taken later
        return None
    if mimir is not None:
        return _mimir(reply.status, mimir.group(0), mimir.group(1), said)
    written = reply.headers.get("x-prometheus-remote-write-samples-written")
    if reply.status == 400 and written is not None:
        return Refusal(
            "prom.rw.partial",
            f"only {written} samples were taken{': ' + clipped(said, 200) if said else ''}",
            None,
            written=int(written) if written.isdigit() else 0,
        )
    for statuses, marker, row in _TABLE:
        if reply.status in statuses and marker in said:
            return Refusal(row.code, f"{reply.status}: {row.message}", row.remedy, row.act)
    return None


def empty(reply: Reply) -> bool:
    """True for a success as receivers word it: no body, under 200 (Mimir, Thanos), 202 (Cortex) or 204 (Prometheus, VictoriaMetrics)."""
    return reply.status in _TAKEN and not reply.body.strip()


def discarded(reply: Reply, sent: Callable[[], int]) -> Refusal | None:
    """The row of a 2xx that took less than all: in a receiver's own words, or by the counts of its Written headers; else None.

    `sent` counts the samples of the request.
    """
    if not reply.ok or reply.looks_like_html:
        return None
    said = " ".join(reply.text[:2000].split())
    if _REPLICA.search(said):
        return Refusal(
            "prom.rw.replica",
            f"{reply.status}: another replica is elected, and this one's samples are dropped: {clipped(said, 200)}",
            "send without the labels cluster and __replica__, or leave it to the elected replica",
        )
    written = [reply.headers.get(f"x-prometheus-remote-write-{kind}-written", "") for kind in ("samples", "histograms")]
    counts = [int(count) for count in written if count.isdigit()]
    if counts and sum(counts) < sent():
        act: Act = "isolate" if sum(counts) else "reject"
        return Refusal("prom.rw.partial", f"{reply.status}, and only {sum(counts)} samples were taken", None, act)
    return refusal(replace(reply, status=400)) if discards(reply) or _MIMIR.search(said) else None


def _mimir(status: int, error_id: str, short: str, said: str) -> Refusal:
    """Its ids end in what they limit: `…-rate` passes by itself, `…-size` is over by the request as a whole."""
    shown = clipped(said, 200)
    if status == 429 or short.endswith("-rate"):
        return Refusal("mimir.rate", f"{status}: {shown}", "ask for a higher limit, or export less often", "wait")
    if status == 413 or short.endswith("-size"):
        return Refusal("prom.rw.too-large", f"{status}: {shown}", None, "halve")
    if "max-label-names" in short:
        return Refusal(
            "mimir.label-limit",
            f"a series has more labels than the tenant may use: {shown}",
            "drop attributes: drop_attributes, or scope_labels = false",
            "isolate",
        )
    named = shown if error_id in shown else f"{error_id}: {shown}"
    return Refusal("mimir.refused", f"{status}: {named}", f"look up {error_id} in Mimir's runbooks", "isolate")


_ORDER = Refusal(
    "prom.rw.out-of-order",
    "a sample is older than the newest of its series",
    "let one process write a series; or set out_of_order_time_window on Prometheus",
    "isolate",
)
_DUPLICATE = Refusal(
    "prom.rw.duplicate",
    "a series already has another value at the same time: two senders share its labels",
    "give each sender its own service.instance.id",
    "isolate",
)
_LABELS = Refusal(
    "prom.rw.labels", "a series' labels are not valid for it", "this is a bug of magictel: please report it", "isolate"
)
_ENCODING = Refusal(
    "prom.rw.snappy",
    "the body could not be read as snappy's block format",
    "something between here and Prometheus changes bodies: write to it directly",
)
_CLIENT_ERRORS = (400, 409, 422)
_TABLE: tuple[tuple[tuple[int, ...], str, Refusal], ...] = (
    (_CLIENT_ERRORS, "out of order sample", _ORDER),
    (_CLIENT_ERRORS, "duplicate sample for timestamp", _DUPLICATE),
    (
        _CLIENT_ERRORS,
        "too far in the future",
        Refusal(
            "prom.rw.future", "a sample is from the future", "set the clock, on whichever side it is wrong", "isolate"
        ),
    ),
    (
        _CLIENT_ERRORS,
        "out of bounds",
        Refusal(
            "prom.rw.out-of-bounds",
            "a sample is older than what Prometheus still takes: an hour before the newest sample it holds of any series",
            "if new samples are refused as well, one sample from the future was stored: wait until its time has come",
            "isolate",
        ),
    ),
    (
        (*_CLIENT_ERRORS, 500),  # 2.42 says 500, 3 says 400
        "too old sample",
        Refusal(
            "prom.rw.too-old",
            "a sample is older than the out-of-order window",
            "set a longer out_of_order_time_window on Prometheus",
            "isolate",
        ),
    ),
    ((400, 413), "decoded size exceeds", Refusal("prom.rw.too-large", "the body is over the limit", None, "halve")),
    (
        _CLIENT_ERRORS,
        "corrupt input",
        _ENCODING,
    ),
    (
        _CLIENT_ERRORS,
        "unexpected EOF",
        Refusal("prom.rw.protobuf", "the body could not be read as protobuf", _ENCODING.remedy),
    ),
    (
        (*_CLIENT_ERRORS, 500),
        "invalid temporality and type combination",
        Refusal(
            "prom.rw.delta",
            "a metric has delta temporality, and Prometheus needs cumulative points",
            'set temporality = "cumulative" where the metric is made',
        ),
    ),
    ((400, 500), "invalid metric name or labels", _LABELS),
    ((400, 500), "empty labelset", _LABELS),
    ((400, 500), "is not unique", _LABELS),
    (
        (400, 422, 500),
        "native histograms are disabled",
        Refusal("prom.rw.native", "native histograms are disabled", "prometheus --enable-feature=native-histograms"),
    ),
    (
        (400,),  # never an answer: how Prometheus and Alloy log a 2xx whose Written headers count less than was sent
        "statistics indicate some data was not written",
        Refusal("prom.rw.partial", "the receiver's own counts say that not all samples were written", None),
    ),
    (
        (401,),
        "no org id",
        Refusal("mimir.org-id", "the tenant is not named", "set org_id: it becomes the header X-Scope-OrgID"),
    ),
    (
        (401, 403),
        "authentication error",
        Refusal(
            "mimir.token",
            "the token is not one of this stack's, or may not write metrics",
            "username is the instance's number, password a token with metrics:write",
        ),
    ),
    (
        (404,),
        "remote write receiver needs to be enabled",
        Refusal(
            "prom.rw.disabled",
            "this Prometheus' remote-write receiver is switched off",
            "start it with --web.enable-remote-write-receiver",
        ),
    ),
    (
        (405,),
        "",
        Refusal("prom.rw.get", "the path exists, and takes another method", None),
    ),
    (
        (415,),
        "",
        Refusal(
            "prom.rw.media-type",
            "the receiver does not take remote write 1.0, or something between changes the headers",
            "write to it directly",
        ),
    ),
)
