"""The reply in a line of a log: the first value in it that the exporter's own `judge` knows by more than its status."""

from __future__ import annotations

import json

import pytest

from magictel.encoding.payload import Payload
from magictel.http.classify import judge_status
from magictel.http.embedded import values_in
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Partial, Rejected
from magictel.plugin.log_replies import reply_in


def judge(payload: Payload, reply: Reply) -> Outcome:
    answer = reply.json()
    if reply.status == 200 and isinstance(answer, dict) and "refused" in answer:
        refused = {index: ItemVerdict("acme.refused", str(why)) for index, why in answer["refused"]}
        return Partial(refused) if refused else Delivered()
    if reply.status == 200:
        return Rejected("acme.reply", "this is not Acme")
    if isinstance(answer, dict) and answer.get("type") == "quota":
        return Rejected("acme.quota", "too much")
    if reply.status == 422:
        return Rejected("acme.refused", answer["errors"][0]["reason"])
    return judge_status(reply, 0.0)


@pytest.mark.parametrize(
    ("text", "status", "expected"),
    [
        ('ERROR export failed: {"refused": [[0, "nonsense"]]}', None, (200, {"refused": [[0, "nonsense"]]})),
        ("failed {'type': 'quota', 'left': None} again", None, (400, {"type": "quota", "left": None})),
        ('at [main] {"level": "info"} then {"type": "quota"}', None, (400, {"type": "quota"})),
        ('answer {"type": "quota"}', 429, (429, {"type": "quota"})),
        ('answer {"type": "quota"}', 200, None),
        ('{"level": "error", "msg": "unrelated"}', None, None),
        ("no value [ at all {", None, None),
        ('{"refused": []}', None, None),
        ('{"errors": []} {"errors": [{"reason": "old"}]}', 422, (422, {"errors": [{"reason": "old"}]})),
    ],
)
def test_the_value_that_judge_knows(text: str, status: int | None, expected: tuple[int, object] | None) -> None:
    reply = reply_in(judge, text, status)
    assert (reply and (reply.status, reply.json())) == expected


def test_values_are_looked_for_a_few_times_only() -> None:
    assert list(values_in("[" * 1_000 + '{"a": 1}')) == []
    assert list(values_in(json.dumps({"a": [1]}) + " and (1, [2])")) == [{"a": [1]}, [2]]
