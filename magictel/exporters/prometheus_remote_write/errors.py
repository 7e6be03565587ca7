"""What remote-write receivers say when they refuse, as tables: remote write has no item verdicts and no error ids.

Prometheus answers one plain sentence, so its sentences are matched here and nowhere else (real servers: 2.42 and 3; the
source is storage/remote/write_handler.go). Mimir names an id, `err-mimir-…`: that is matched, not the prose.
Status alone misleads: Prometheus says 500 for labels it will never take, and 400 for a body that must be cut.
"""

from __future__ import annotations

from magictel.catalogue.retry import RetryClass
from magictel.http.error_rules import Rule

_CLIENT_ERRORS = (400, 409, 422)
_MIMIR = (  # its ids end in what they limit: `…-rate` passes by itself, `…-size` is over by the request as a whole
    Rule(
        "mimir.rate",
        "{said}",
        "ask for a higher limit, or export less often",
        RetryClass.AFTER_HEADER,
        when=lambda error: error.status == 429 or error.words["id"].endswith("-rate"),
    ),
    Rule(
        "prom.rw.too-large",
        "{said}",
        retry=RetryClass.SPLIT,
        when=lambda error: error.status == 413 or error.words["id"].endswith("-size"),
    ),
    Rule(  # of the tenant or the request as a whole
        "mimir.refused",
        "{named}",
        "look up {id} in Mimir's runbooks",
        when=lambda error: error.words["id"].startswith(("err-mimir-tenant-", "err-mimir-request-")),
    ),
)
RULES: tuple[Rule, ...] = (
    Rule(
        "prom.rw.replica",
        "another replica is elected, and this one's samples are dropped: {said}",
        "send without the labels cluster and __replica__, or leave it to the elected replica",
        statuses=(200, 202),
        text="rejecting sample: replica=|replicas did not mat?ch",  # Cortex: "mach"
    ),
    Rule(
        "mimir.series-limit",
        "{said}",
        "drop attributes with many values (drop_attributes), or ask for a higher limit",
        isolate=True,
        statuses=(*_CLIENT_ERRORS, 429),
        text=r"per-\w+ series limit of|err-mimir-max-(?:active-series|series-per-)",
    ),
    Rule(
        "mimir.label-limit",
        "a series has more labels than the tenant may use, or longer ones: {said}",
        "drop attributes: drop_attributes, or scope_labels = false",
        isolate=True,
        statuses=_CLIENT_ERRORS,
        text="err-mimir-max-label-names|label (?:name|value) (?:length exceeds|too long)|series has too many labels",
    ),
    Rule(
        "prom.rw.out-of-order",
        "a sample is older than the newest of its series",
        "let one process write a series; or set out_of_order_time_window on the receiver",
        isolate=True,
        statuses=_CLIENT_ERRORS,
        text="out of order sample|err-mimir-sample-out-of-order",
    ),
    Rule(
        "prom.rw.duplicate",
        "a series already has another value at the same time: two senders share its labels",
        "give each sender its own service.instance.id",
        isolate=True,
        statuses=_CLIENT_ERRORS,
        text="duplicate sample for timestamp|err-mimir-sample-duplicate-timestamp",
    ),
    Rule(
        "prom.rw.future",
        "a sample is from the future",
        "correct the clock that is wrong: the sender's or the receiver's",
        isolate=True,
        statuses=_CLIENT_ERRORS,
        text="too far in the future|timestamp too new|err-mimir-too-far-in-future",
    ),
    Rule(
        "prom.rw.out-of-bounds",
        "a sample is older than what Prometheus still accepts: an hour before the newest sample of any series",
        "if new samples are refused as well, a sample from the future was stored: wait until its time has passed",
        isolate=True,
        statuses=_CLIENT_ERRORS,
        text="out of bounds",
    ),
    Rule(
        "prom.rw.too-old",
        "a sample is older than the out-of-order window",
        "set a longer out_of_order_time_window on the receiver",
        isolate=True,
        statuses=(*_CLIENT_ERRORS, 500),  # 2.42 says 500, 3 says 400
        text="too old sample|timestamp too old|err-mimir-(?:sample-timestamp-too-old|too-far-in-past)",
    ),
    Rule(
        "mimir.refused",
        "{named}",
        "look up {id} in Mimir's runbooks",
        isolate=True,
        when=lambda error: "id" in error.words,
        rules=_MIMIR,
    ),
    Rule(
        "prom.rw.too-large",
        "the body is over the limit",
        retry=RetryClass.SPLIT,
        statuses=(400, 413),
        text="decoded size exceeds",
    ),
    Rule(
        "prom.rw.snappy",
        "the body could not be read as snappy's block format",
        "a proxy on the way to Prometheus changes bodies: write to it directly",
        statuses=_CLIENT_ERRORS,
        text="corrupt input",
    ),
    Rule(
        "prom.rw.protobuf",
        "the body could not be read as protobuf",
        "a proxy on the way to Prometheus changes bodies: write to it directly",
        statuses=_CLIENT_ERRORS,
        text="unexpected EOF",
    ),
    Rule(
        "prom.rw.delta",
        "a metric has delta temporality, and Prometheus needs cumulative points",
        'set temporality = "cumulative" where the metric is created',
        statuses=(*_CLIENT_ERRORS, 500),
        text="invalid temporality and type combination",
    ),
    Rule(
        "prom.rw.labels",
        "a series' labels are not valid for it",
        "this is a bug of magictel: please report it",
        isolate=True,
        statuses=(400, 500),
        text="invalid metric name or labels|empty labelset|is not unique",
    ),
    Rule(
        "prom.rw.native",
        "native histograms are disabled",
        "prometheus --enable-feature=native-histograms",
        statuses=(400, 422, 500),
        text="native histograms are disabled",
    ),
    Rule(
        "prom.rw.partial",  # never an answer: how Prometheus and Alloy log a 2xx whose Written headers count less than was sent
        "the receiver's own counts say that not all samples were written",
        statuses=(400,),
        text="statistics indicate some data was not written",
    ),
    Rule(
        "mimir.org-id",
        "the tenant is not named",
        "set org_id: it becomes the header X-Scope-OrgID",
        statuses=(401,),
        text="no org id",
    ),
    Rule(
        "mimir.token",
        "the token is not one of this stack's, or may not write metrics",
        "username is the instance's number, password a token with metrics:write",
        statuses=(401, 403),
        text="authentication error",
    ),
    Rule(
        "prom.rw.disabled",
        "this Prometheus' remote-write receiver is switched off",
        "start it with --web.enable-remote-write-receiver",
        statuses=(404,),
        text="remote write receiver needs to be enabled",
    ),
    Rule("prom.rw.get", "the path exists, but accepts another method", statuses=(405,)),
    Rule(
        "prom.rw.media-type",
        "the receiver does not accept remote write 1.0, or a proxy changes the headers",
        "write to it directly",
        statuses=(415,),
    ),
)
