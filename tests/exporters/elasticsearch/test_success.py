"""What a success itself says: a 2xx, of a request or of an item, is read as closely as an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from magictel.encoding.payload import Payload
from magictel.exporters.elasticsearch.places import belongs, is_failure_store
from magictel.exporters.elasticsearch.response import judge_bulk
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Outcome, Partial, Unavailable, Unconfirmed

ITEM = b'{"create":{"_id":"x"}}\n{"@timestamp":"2026"}\n'
INDEX = "metrics-app-prod"


def created(**more: Any) -> dict[str, Any]:
    return {"create": {"_index": INDEX, "result": "created", "status": 201, **more}}


def answer(*items: Any, **more: Any) -> Reply:
    body = {"errors": False, "items": list(items), **more}
    return Reply(200, {"content-type": "application/json"}, json.dumps(body, separators=(",", ":")).encode())


def judged(reply: Reply, points: int = 2, *, attempted: bool = False, index: str | None = INDEX) -> Outcome:
    return judge_bulk(Payload(ITEM * points, points, attempted=attempted), reply, 0.0, index=index)


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"failure_store": "used", "_index": ".fs-metrics-app-prod-2026.11.20-000002"}, "failure-store", ".fs-metrics"),
        ({"failure_store": "used"}, "failure-store", "failure store"),
        (
            {"_index": ".fs-metrics-app-prod-2026.11.20-000002"},
            "failure-store",
            "failure store",
        ),  # the word was filtered out
        ({"failure_store": "failed"}, "failure-store", "could not keep it"),
        ({"result": "noop", "status": 200, "_version": -3, "_id": None}, "pipeline-drop", "pipeline dropped"),
    ],
)
def test_a_document_that_is_not_in_the_index_is_rejected_by_name(more: dict[str, Any], code: str, words: str) -> None:
    for reply, lost in ((answer(created(), created(**more)), {1}), (answer(created(**more), created(**more)), {0, 1})):
        outcome = judged(reply)
        assert isinstance(outcome, Partial)
        assert {index: verdict.code for index, verdict in outcome.rejected.items()} == dict.fromkeys(
            lost, f"es.write.{code}"
        )
        assert words in outcome.rejected[1].message


@pytest.mark.parametrize(("word", "words"), [("failed", "could not keep it either"), ("not_enabled", "is not enabled")])
def test_what_the_failure_store_did_is_said_beside_the_error(word: str, words: str) -> None:
    error = {"type": "document_parsing_exception", "reason": "failed to parse field [n] of type [long]"}
    outcome = judged(answer(created(), {"create": {"status": 400, "error": error, "failure_store": word}}))
    assert isinstance(outcome, Partial)
    assert outcome.rejected[1].code == "es.write.mapping-type"
    assert outcome.rejected[1].message.endswith(words)


@pytest.mark.parametrize(
    "vague",
    [
        {"create": {"_index": INDEX, "result": "queued", "status": 201}},
        {"create": {"_index": INDEX, "result": "deleted", "status": 200}},
        {"create": {"_index": INDEX, "result": "", "status": 201}},
        {"create": {"_index": INDEX, "status": 200}},
        {"create": {"_index": INDEX, "result": "created"}},
        {"create": {"result": "created", "status": 201, "failure_store": "someday"}},
        {"create": {}},
        {},
    ],
)
def test_a_success_without_a_verdict_is_sent_again_once_and_then_unconfirmed(vague: Any) -> None:
    """The id makes the repeat harmless, and its 409 would confirm what the first answer did not say."""
    first = judged(answer(created(), vague))
    assert isinstance(first, Partial)
    assert {(index, verdict.code, verdict.maybe_stored) for index, verdict in first.retry.items()} == {
        (1, "es.write.no-verdict", True)
    }
    assert not first.rejected
    again = judged(answer(created(), vague), attempted=True)
    assert isinstance(again, Partial)
    assert list(again.unconfirmed) == [1]
    assert not again.retry


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, {}, b'{"ok":true}'),
        Reply(202, {}, b'{"status":"accepted"}'),
        Reply(200, {}, b'{"errors":false}'),
        Reply(200, {}, b"[]"),
        Reply(204, {}, b""),
        answer(created(), created(), created()),
        Reply(200, {}, b'{"errors":false,"items":{"create":{"status":201}}}'),
        Reply(200, {}, b'{"errors":false,"items":[{"create":{"status":"201"}},{"create":{"status":"201"}}]}'),
        Reply(200, {}, b'{"errors":false,"items":[{"create":201},{"create":201}]}'),
    ],
)
def test_an_answer_of_another_shape_is_unconfirmed_after_the_second_time(reply: Reply) -> None:
    first, again = judged(reply), judged(reply, attempted=True)
    assert isinstance(first, Unavailable)
    assert first.maybe_stored
    assert isinstance(again, Unconfirmed)
    assert first.code == again.code == "es.write.no-verdict"


def test_fewer_items_than_were_sent_leave_the_rest_unconfirmed_after_the_second_time() -> None:
    outcome = judged(answer(created()), 3, attempted=True)
    assert isinstance(outcome, Partial)
    assert sorted(outcome.unconfirmed) == [1, 2]


def test_a_document_that_went_to_another_index_is_delivered_and_noted() -> None:
    away = created(_index=".ds-metrics-other-default-2026.11.20-000001")
    for reply, moved in ((answer(created(), away), [1]), (answer(away, away), [0, 1])):
        outcome = judged(reply)
        assert isinstance(outcome, Delivered)
        assert list(outcome.notes) == moved
        assert outcome.notes[1].code == "es.write.elsewhere"
        assert (
            "was stored in .ds-metrics-other-default-2026.11.20-000001, not metrics-app-prod"
            in outcome.notes[1].message
        )
    assert judged(answer(away, away), index=None) == Delivered()  # from a log: where it was sent is not known


@pytest.mark.parametrize(
    ("concrete", "index", "expected"),
    [
        (INDEX, INDEX, True),
        (".ds-metrics-app-prod-2026.11.20-000001", INDEX, True),
        (".ds-metrics-app-prod-000001", INDEX, True),  # OpenSearch
        (".ds-metrics-app-prod-eu-2026.11.20-000001", INDEX, False),
        (".ds-metrics-app-2026.11.20-000001", INDEX, False),
        ("metrics-app-prod-2026", INDEX, False),
        ("metrics-2026.11.29", "<metrics-{now/d}>", True),
        ("logs-2026.11.29", "<metrics-{now/d}>", False),
    ],
)
def test_the_backing_indices_of_a_stream_are_its_own(concrete: str, index: str, expected: bool) -> None:
    assert belongs(concrete, index) is expected


def test_only_backing_indices_of_a_failure_store_are_one() -> None:
    assert is_failure_store(".fs-metrics-app-prod-2026.11.20-000002")
    assert not is_failure_store(".ds-metrics-app-prod-2026.11.20-000002")
    assert not is_failure_store(".fs-cache")


def test_a_thousand_documents_stored_alike_are_delivered_without_a_note() -> None:
    for index in (INDEX, ".ds-metrics-app-prod-2026.11.20-000001"):
        assert judged(answer(*[created(_index=index)] * 1_000), 1_000) == Delivered()
    assert (
        judged(answer(*[created()] * 500, created(_index=".ds-metrics-app-prod-2026.11.20-000001")), 501) == Delivered()
    )
