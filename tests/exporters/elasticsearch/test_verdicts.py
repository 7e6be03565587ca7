"""Every reply that a bulk request can get, and the verdict on it: status and every item decide."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.catalogue.retry import RetryClass
from magictel.encoding.payload import Payload
from magictel.exporters.elasticsearch.errors import TIME_SERIES_ID, cause_of, read
from magictel.exporters.elasticsearch.response import ItemReply, judge_bulk, judge_item
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Outcome, Partial, Rejected, Throttled, TooLarge, Unavailable

ITEM = b'{"create":{"_id":"x"}}\n{"@timestamp":"2026"}\n'
SHARED = Path(__file__).parents[4] / "shared" / "reference" / "fault_responses.json"
STORED: dict[str, Any] = {"create": {"status": 201}}


def payload(points: int, attempted: bool = False) -> Payload:
    return Payload(ITEM * points, points, attempted=attempted)


def reply(status: int, body: Any = b"", **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def error(kind: str, reason: str | None, **more: Any) -> dict[str, Any]:
    return {"type": kind, "reason": reason, **more}


def whole(status: int, kind: str, reason: str | None, **more: Any) -> Reply:
    inner = error(kind, reason, **more)
    return reply(status, {"error": {"root_cause": [inner], **inner}, "status": status})


def denied(status: int, reason: str, **more: Any) -> Reply:
    return whole(status, "security_exception", reason, **more)


def text_error(status: int, text: str) -> Reply:
    """An error that is a bare text, as for wrong paths, methods and content types."""
    return reply(status, {"error": text, "status": status})


def item(status: int, kind: str, reason: str, **more: Any) -> dict[str, Any]:
    return {"create": {"status": status, "error": error(kind, reason, **more)}}


def bulk(*items: dict[str, Any]) -> Reply:
    return reply(200, {"errors": any("error" in item["create"] for item in items), "items": list(items)})


def judged(answer: Reply, points: int = 2, **options: Any) -> Outcome:
    return judge_bulk(payload(points, options.pop("attempted", False)), answer, 0.0, **options)


FLOOD = "index [m] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"
FLOOD_8 = FLOOD.replace("block];", "block; for more information, see http://…];")
ITEMS: list[tuple[str, dict[str, Any], str, RetryClass]] = [
    ("flood stage", item(429, "cluster_block_exception", FLOOD), "es.write.flood-stage", RetryClass.SLOW),
    ("flood stage of 8.x", item(429, "cluster_block_exception", FLOOD_8), "es.write.flood-stage", RetryClass.SLOW),
    (
        "flood stage before 7.7",
        item(403, "cluster_block_exception", "blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"),
        "es.write.flood-stage",
        RetryClass.SLOW,
    ),
    (
        "write block",
        item(403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];"),
        "es.write.blocked",
        RetryClass.SLOW,
    ),
    (
        "read-only",
        item(403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/5/index read-only (api)];"),
        "es.write.blocked",
        RetryClass.SLOW,
    ),
    (
        "queue full",
        item(429, "es_rejected_execution_exception", "rejected execution of …"),
        "es.write.queue-full",
        RetryClass.BACKOFF,
    ),
    (
        "queue full on OpenSearch",
        item(429, "rejected_execution_exception", "rejected execution of …"),
        "es.write.queue-full",
        RetryClass.BACKOFF,
    ),
    (
        "breaker",
        item(429, "circuit_breaking_exception", "[parent] Data too large"),
        "es.write.breaker",
        RetryClass.BACKOFF,
    ),
    (
        "no primary",
        item(503, "unavailable_shards_exception", "[x][0] primary shard is not active"),
        "es.write.shard-unavailable",
        RetryClass.BACKOFF,
    ),
    ("unknown 429", item(429, "new_exception", "later"), "es.write.server-error", RetryClass.BACKOFF),
    ("unknown 500", item(500, "null_pointer_exception", "x"), "es.write.server-error", RetryClass.BACKOFF),
    ("unknown 400", item(400, "new_exception", "what"), "es.write.refused", RetryClass.NO),
    (
        "no routing",
        item(400, "routing_missing_exception", "routing is required for [x]/[a]"),
        "es.write.refused",
        RetryClass.NO,
    ),
    (
        "mapping, 8.x",
        item(
            400,
            "document_parsing_exception",
            "[1:53] failed to parse field [value_double] of type [ip] in document with id 'b'. Preview of field's value: '0.5'",
            caused_by=error("illegal_argument_exception", "'0.5' is not an IP string literal."),
        ),
        "es.write.mapping-type",
        RetryClass.NO,
    ),
    (
        "mapping, 7.x and OpenSearch",
        item(400, "mapper_parsing_exception", "failed to parse field [value] of type [double] in document with id 'b'"),
        "es.write.mapping-type",
        RetryClass.NO,
    ),
    (
        "a beside a.b",
        item(
            400,
            "mapper_parsing_exception",
            "object mapping for [attributes.a] tried to parse field [a] as object, but …",
        ),
        "es.write.mapping-type",
        RetryClass.NO,
    ),
    (
        "a.b beside a",
        item(
            400, "illegal_argument_exception", "can't merge a non object mapping [attributes.a] with an object mapping"
        ),
        "es.write.mapping-type",
        RetryClass.NO,
    ),
    (
        "mixed list",
        item(400, "illegal_argument_exception", "mapper [attributes.l] cannot be changed from type [long] to [text]"),
        "es.write.mapping-type",
        RetryClass.NO,
    ),
    (
        "strict mapping",
        item(
            400, "strict_dynamic_mapping_exception", "mapping set to strict, dynamic introduction of [x] within [_doc]"
        ),
        "es.write.mapping-strict",
        RetryClass.NO,
    ),
    (
        "field limit, 8.x",
        item(
            400, "document_parsing_exception", "[1:99] failed to parse: Limit of total fields [1000] has been exceeded"
        ),
        "es.write.field-limit",
        RetryClass.NO,
    ),
    (
        "field limit, 7.x",
        item(
            400,
            "mapper_parsing_exception",
            "failed to parse",
            caused_by=error("illegal_argument_exception", "Limit of total fields [3] has been exceeded"),
        ),
        "es.write.field-limit",
        RetryClass.NO,
    ),
    (
        "field limit, OpenSearch",
        item(400, "illegal_argument_exception", "Limit of total fields [3] has been exceeded"),
        "es.write.field-limit",
        RetryClass.NO,
    ),
    (
        "window, 8.19",
        item(
            400,
            "timestamp_error",
            "the document timestamp [x] is outside of ranges of currently writable indices [[y]]",
        ),
        "es.write.tsdb-window",
        RetryClass.NO,
    ),
    (
        "window of a plain index",
        item(400, "illegal_argument_exception", "time series index @timestamp value [x] must be smaller than y"),
        "es.write.tsdb-window",
        RetryClass.NO,
    ),
    (
        "no dimension",
        item(400, "illegal_argument_exception", "Error extracting routing: source didn't contain any routing fields"),
        "es.write.tsdb-dimension",
        RetryClass.NO,
    ),
    (
        "id in a time-series index",
        item(
            400,
            "illegal_argument_exception",
            "_id must be unset or set to [x] but was [y] because [z] is in time_series mode",
        ),
        "es.write.time-series-id",
        RetryClass.NO,
    ),
    (
        "missing index",
        item(
            404, "index_not_found_exception", "no such index [foo] and [action.auto_create_index] ([.*]) doesn't match"
        ),
        "es.write.no-auto-create",
        RetryClass.NO,
    ),
    (
        "write denied",
        item(403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized for API key id [A]"),
        "es.authz.bulk",
        RetryClass.NO,
    ),
    (
        "creation denied",
        item(403, "security_exception", "action [indices:admin/auto_create] is unauthorized for API key id [A]"),
        "es.authz.auto-create",
        RetryClass.NO,
    ),
    (
        "denied by OpenSearch",
        item(403, "security_exception", "no permissions for [indices:data/write/bulk[s]] and User [name=nobody]"),
        "os.authz.denied",
        RetryClass.NO,
    ),
    (
        "long text",
        item(
            400,
            "illegal_argument_exception",
            'Document contains at least one immense term in field="attributes._value"',
        ),
        "es.write.long-value",
        RetryClass.NO,
    ),
    (
        "empty name",
        item(400, "illegal_argument_exception", "field name cannot be an empty string"),
        "es.write.field-name",
        RetryClass.NO,
    ),
    (
        "missing pipeline",
        item(400, "illegal_argument_exception", "pipeline with id [x] does not exist"),
        "es.write.pipeline",
        RetryClass.NO,
    ),
    ("reason null", item(503, "master_not_discovered_exception", None), "es.health.no-master", RetryClass.BACKOFF),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("answer", "code", "retry"), [row[1:] for row in ITEMS], ids=[row[0] for row in ITEMS])
def test_an_item_is_read_by_type_and_status(answer: dict[str, Any], code: str, retry: RetryClass) -> None:
    inner = answer["create"]
    trouble = judge_item(ItemReply(inner["status"], inner["error"]))
    assert trouble is not None
    assert (trouble.code, trouble.retry) == (code, retry)
    outcome = judged(bulk(STORED, answer))
    assert isinstance(outcome, Partial)
    side = outcome.rejected if retry is RetryClass.NO and code != TIME_SERIES_ID else outcome.retry
    assert {index: verdict.code for index, verdict in side.items()} == {1: code}
    assert outcome.needs_operator is (retry is RetryClass.SLOW)


@pytest.mark.parametrize(
    ("reason", "field"),
    [
        ("[1:53] failed to parse field [value_double] of type [ip] in document with id 'b'", "value_double"),
        ("object mapping for [attributes.a] tried to parse field [a] as object", "attributes.a"),
        ("can't merge a non object mapping [attributes.a] with an object mapping", "attributes.a"),
        ("mapper [attributes.l] cannot be changed from type [long] to [text]", "attributes.l"),
    ],
)
def test_the_field_of_a_mapping_conflict_is_named(reason: str, field: str) -> None:
    outcome = judged(bulk(item(400, "mapper_parsing_exception", reason)), 1)
    assert isinstance(outcome, Partial)
    assert outcome.rejected[0].message.startswith(f"the field {field} ")
    assert outcome.rejected[0].example is not None


def test_a_conflict_is_delivered_and_noted() -> None:
    duplicate = item(409, "version_conflict_engine_exception", "version conflict, document already exists")
    outcome = judged(bulk(STORED, duplicate))
    assert isinstance(outcome, Delivered)
    assert outcome.notes[1].code == "es.write.duplicate"


@pytest.mark.parametrize(
    "items", [(STORED, STORED), (STORED, item(409, "version_conflict_engine_exception", "conflict"))]
)
def test_a_warning_beside_a_success_is_noted(items: tuple[Any, ...]) -> None:
    message = 'Parameter [boost] on field [\\"a\\"] is deprecated'
    header = f'299 Elasticsearch-8.19.0-abc "{message}", 299 Elasticsearch-8.19.0-abc "and so is [b]"'
    answer = bulk(*items)
    outcome = judged(replace(answer, headers={**answer.headers, "warning": header}), len(items))
    assert isinstance(outcome, Delivered)
    assert outcome.warning is not None
    assert outcome.warning.code == "es.write.warning"
    assert outcome.warning.message == 'the backend warns: Parameter [boost] on field ["a"] is deprecated; and so is [b]'


def test_a_warning_about_the_cluster_is_none_about_the_points() -> None:
    header = '299 Elasticsearch-7.17.29-abc "Elasticsearch built-in security features are not enabled. Without authentication, …"'
    outcome = judged(replace(bulk(STORED), headers={"warning": header}), 1)
    assert outcome == Delivered()


def test_a_conflict_on_a_first_attempt_in_a_time_series_index_says_that_a_point_may_be_lost() -> None:
    duplicate = bulk(item(409, "version_conflict_engine_exception", "version conflict"))
    first = judged(duplicate, 1, ids=False)
    again = judged(duplicate, 1, ids=False, attempted=True)
    assert isinstance(first, Partial)
    assert isinstance(again, Delivered)
    assert first.unconfirmed.keys() == {0}
    assert "may be lost" in first.unconfirmed[0].message
    assert "may be lost" not in again.notes[0].message


def test_fewer_verdicts_than_items_leave_the_rest_unknown() -> None:
    outcome = judged(bulk(STORED, STORED), 5)
    assert isinstance(outcome, Partial)
    assert set(outcome.retry) == {2, 3, 4}
    assert {verdict.code for verdict in outcome.retry.values()} == {"es.write.no-verdict"}


@pytest.mark.parametrize(
    "answer",
    [
        bulk(STORED, STORED, STORED),
        reply(200, b'{"errors":false,"items":[{"create":{"status":201}},{"cre'),
        reply(200, {"errors": False}),
        reply(200, b""),
        reply(200, []),
        reply(200, {"acknowledged": True}),
        reply(201, b"stored"),
    ],
)
def test_a_2xx_without_a_verdict_for_each_item_is_unknown(answer: Reply) -> None:
    outcome = judged(answer)
    assert isinstance(outcome, Unavailable)
    assert (outcome.code, outcome.maybe_stored) == ("es.write.no-verdict", True)


@pytest.mark.parametrize("errors", [True, False])
def test_items_decide_whatever_errors_says(errors: bool) -> None:
    answer = reply(200, {"errors": errors, "items": [STORED, item(400, "new_exception", "x")]})
    assert isinstance(judged(answer), Partial)


@pytest.mark.parametrize("text", ['{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}'])
def test_spaces_in_the_reply_do_not_matter(text: str) -> None:
    spaced = text.replace(":", " : ").replace(",", " ,\n")
    assert judged(reply(200, text.encode())) == judged(reply(200, spaced.encode())) == Delivered()


def test_flood_stage_of_some_items_is_not_hidden_by_a_full_queue_of_others() -> None:
    flooded = item(429, "cluster_block_exception", FLOOD)
    full = item(429, "es_rejected_execution_exception", "full")
    mixed, only = judged(bulk(flooded, full)), judged(bulk(flooded, flooded))
    assert isinstance(mixed, Partial)
    assert isinstance(only, Partial)
    assert not mixed.needs_operator
    assert only.needs_operator


REQUESTS: list[tuple[str, Reply, type[Outcome], str]] = [
    ("413 of the engine", reply(413), TooLarge, "es.write.too-large"),
    ("413 of nginx", reply(413, b"<html>413", content_type="text/html"), TooLarge, "es.write.too-large"),
    ("flood stage", whole(429, "cluster_block_exception", FLOOD), Throttled, "es.write.flood-stage"),
    ("queue full", whole(429, "es_rejected_execution_exception", "full"), Throttled, "es.write.queue-full"),
    ("breaker", whole(429, "circuit_breaking_exception", "[parent] Data too large"), Throttled, "es.write.breaker"),
    (
        "breaker that this request alone exceeds",
        whole(429, "circuit_breaking_exception", "[in_flight_requests] Data too large", bytes_limit=10),
        TooLarge,
        "es.write.breaker",
    ),
    ("429 of a proxy", reply(429, b"slow down", retry_after="7"), Throttled, "http.throttled"),
    ("no master", whole(503, "master_not_discovered_exception", None), Unavailable, "es.health.no-master"),
    (
        "no master block",
        whole(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];"),
        Unavailable,
        "es.health.no-master",
    ),
    ("bad gateway", reply(502, b"<html>502", content_type="text/html"), Unavailable, "http.bad-gateway"),
    ("503 without a body", reply(503), Unavailable, "http.server-error"),
    ("no credentials", denied(401, "missing authentication credentials for REST request [/]"), Rejected, "es.auth.missing"),
    ("a plain 401", reply(401, b"Unauthorized", content_type="text/plain"), Rejected, "http.unauthorized"),
    ("an empty 401", reply(401), Rejected, "http.unauthorized"),
    ("no right", denied(403, "action [indices:data/write/bulk] is unauthorized for user [ro]"), Rejected, "es.authz.bulk"),
    ("unsigned", reply(403, {"Message": "User: anonymous may not: es:ESHttpPost because …"}), Rejected, "os.aws.unsigned"),
    ("wrong path", text_error(400, "no handler found for uri [/x/_bulk] and method [POST]"), Rejected, "es.write.wrong-path"),
    ("content type", text_error(406, "Content-Type header [text/plain] is not supported"), Rejected, "es.write.content-type"),
    ("method", text_error(405, "Incorrect HTTP method for uri [/_bulk] and method [GET]"), Rejected, "es.write.wrong-path"),
    ("a web page", reply(200, b"<!doctype html><title>", content_type="text/html"), Rejected, "http.not-a-backend"),
    ("a redirect", reply(302, b"", location="https://login"), Rejected, "http.redirect"),
    ("an unknown 400", whole(400, "parse_exception", "request body is required"), Rejected, "http.refused"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "code"), [row[1:] for row in REQUESTS], ids=[row[0] for row in REQUESTS])
def test_a_request_is_refused_for_a_reason_of_its_own(answer: Reply, kind: type[Any], code: str) -> None:
    outcome = judged(answer)
    assert isinstance(outcome, kind)
    assert outcome.code == code  # type: ignore[union-attr]


@pytest.mark.parametrize("answer", [reply(401), reply(401, b"Unauthorized", content_type="text/plain")])
def test_a_401_without_an_error_is_opensearchs_own(answer: Reply) -> None:
    outcome = judged(answer, opensearch=True)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "os.auth.unauthorized"


def test_retry_after_is_obeyed() -> None:
    asked = reply(429, {"error": error("es_rejected_execution_exception", "full"), "status": 429}, retry_after="7")
    outcome = judged(asked)
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after == 7.0


def test_flood_stage_of_a_request_waits_for_a_person() -> None:
    outcome = judged(whole(429, "cluster_block_exception", FLOOD))
    assert isinstance(outcome, Throttled)
    assert outcome.needs_operator


CREDENTIALS = {
    "API key: Illegal base64 character 3a": "es.auth.api-key-encoding",
    "API key: invalid ApiKey value": "es.auth.api-key-encoding",
    "API key: apikey authentication for id abc encountered a failure": "es.auth.api-key-unknown",
    "API key: invalid credentials for API key [id]": "es.auth.api-key-invalid",
    "API key: api key [id] has been invalidated": "es.auth.api-key-invalidated",
    "API key: api key is expired": "es.auth.api-key-expired",
}


@pytest.mark.parametrize(("beside", "code"), CREDENTIALS.items())
def test_api_keys_are_told_apart_by_the_field_beside_the_reason(beside: str, code: str) -> None:
    reason = "unable to authenticate with provided credentials and anonymous access is not allowed for this request"
    outcome = judged(whole(401, "security_exception", reason, additional_unsuccessful_credentials=beside))
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


def shared_rows() -> list[Any]:
    if not SHARED.exists():
        reason = "the fault catalogue is not beside this checkout (../shared/reference/fault_responses.json)"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    rows = json.loads(SHARED.read_text())["rows"]
    judgeable = [
        row
        for row in rows
        if row["id"].startswith(("es.", "os.")) and row["phase"] not in ("http", "health", "roundtrip")
    ]
    judgeable += [row for row in rows if row["id"] in ("es.client.version", "es.health.no-master")]
    return [pytest.param(row, id=row["id"]) for row in judgeable]


@pytest.mark.parametrize("row", shared_rows())
def test_the_catalogue_row_gets_its_code_and_its_retry_class(row: dict[str, Any]) -> None:
    seen = [int(word) for word in row["seen"].replace("/", " ").replace("(", " ").split() if word.isdigit()]
    in_items = row["seen"].startswith(("item", "200 item"))
    status = 200 if '"items"' in row["body"] else seen[0]
    answer = reply(status, row["body"].encode(), content_type="application/json")
    outcome = judged(answer, 1, opensearch=row["backend"] == "opensearch")
    expected: dict[str, tuple[type[Any], ...]] = {
        "no": (Rejected,),
        "backoff": (Throttled, Unavailable),
        "slow": (Throttled,),
        "split": (TooLarge,),
        "treat-as-success": (Delivered,),
    }
    if status != 200:
        assert isinstance(outcome, expected[row["retry"]])
        assert outcome.code == row["id"]  # type: ignore[union-attr]
        return
    assert in_items or '"items"' in row["body"]
    if row["retry"] == "treat-as-success":
        assert isinstance(outcome, Delivered)
        assert outcome.notes[0].code == row["id"]
        return
    assert isinstance(outcome, Partial)
    assert outcome.needs_operator is (row["retry"] == "slow")
    reasons = outcome.rejected if row["retry"] == "no" else outcome.retry
    assert reasons[0].code == row["id"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "reason",
                        "caused_by",
                        "error",
                        "status",
                        "items",
                        "create",
                        "result",
                        "_index",
                        "failure_store",
                    ]
                ),
                inner,
            )
        ),
    ),
    st.integers(200, 599),
)
def test_any_json_gets_a_verdict(body: Any, status: int) -> None:
    outcome = judged(reply(status, body))
    if isinstance(outcome, Delivered):
        assert len(body["items"]) == 2
    read(status, cause_of(body))


@pytest.mark.parametrize("number", [6, 13])
def test_a_blocked_cluster_is_told_apart_from_a_blocked_index(number: int) -> None:
    reason = f"blocked by: [FORBIDDEN/{number}/cluster read-only (api)];"
    outcome = read(403, cause_of({"type": "cluster_block_exception", "reason": reason}))
    assert outcome is not None
    assert (outcome.code, outcome.retry) == ("es.write.blocked", RetryClass.SLOW)
    assert "whole cluster" in outcome.message
    assert "_cluster/settings" in (outcome.remedy or "")


@pytest.mark.parametrize("status", [400, 409, 429, 500, 503])
def test_a_conflict_for_the_whole_request_proves_no_point_stored(status: int) -> None:
    cause = {"type": "version_conflict_engine_exception", "reason": "version conflict, document already exists"}
    body = json.dumps({"error": cause, "status": status}).encode()
    outcome = judge_bulk(Payload(b"", 2), Reply(status, {"content-type": "application/json"}, body), 0.0)
    assert not isinstance(outcome, Delivered)
    assert getattr(outcome, "code", None) != "es.write.duplicate"
