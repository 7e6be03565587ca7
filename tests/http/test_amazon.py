"""Amazon's refusals of requests without a signature are told from its other refusals."""

from __future__ import annotations

import json

import pytest

from magictel.encoding.payload import Payload
from magictel.exporters.elasticsearch.response import judge_bulk
from magictel.http.amazon import unsigned
from magictel.http.classify import judge_status
from magictel.http.wire import Reply
from magictel.model.outcome import Rejected

JSON = {"content-type": "application/json"}


def refusal(status: int, words: str, key: str = "message", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {**JSON, **named}, json.dumps({key: words}).encode())


PARAMETERS = (
    "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
    "Authorization=Basic dXNlcjpodW50ZXIyMg=="
)
UNSIGNED = [
    refusal(403, "User: anonymous is not authorized to perform: es:ESHttpPost"),
    refusal(403, "User: anonymous is not authorized to perform: es:ESHttpGet because no policy allows it", "Message"),
    refusal(403, PARAMETERS),
    refusal(403, "Missing Authentication Token"),
    refusal(403, "", x_amzn_errortype="MissingAuthenticationTokenException"),
    refusal(403, "Missing Authentication Token", x_amzn_errortype="MissingAuthenticationTokenException:http://a/"),
    refusal(400, "The request signature does not conform", x_amzn_errortype="IncompleteSignatureException"),
    refusal(403, "User: anonymous is not authorized to perform: aps:RemoteWrite on resource: arn:aws:aps:eu-1"),
]
OTHERS = [
    refusal(403, "User: arn:aws:iam::1:role/app is not authorized to perform: es:ESHttpPost"),
    refusal(403, "Forbidden"),
    refusal(403, "Missing Authentication Token", x_amz_apigw_id="abc="),  # said to an unknown path as well
    refusal(404, "Missing Authentication Token"),
    Reply(403, {}, b"RBAC: access denied"),
    Reply(403),
]


@pytest.mark.parametrize("reply", UNSIGNED)
def test_an_unsigned_request_is_named_and_the_way_out_is_a_signing_proxy(reply: Reply) -> None:
    assert unsigned(reply)
    for outcome, code in (
        (judge_status(reply, 0.0), "http.aws.unsigned"),
        (judge_bulk(Payload(b"", 1), reply, 0.0, opensearch=True), "os.aws.unsigned"),
    ):
        assert isinstance(outcome, Rejected)
        assert outcome.code == code
        assert "SigV4" in outcome.message
        assert "signing proxy" in (outcome.remedy or "")


@pytest.mark.parametrize("reply", OTHERS)
def test_another_refusal_is_not_taken_for_one(reply: Reply) -> None:
    assert not unsigned(reply)


def test_the_credentials_that_amazon_repeats_are_not_repeated_again() -> None:
    outcome = judge_status(refusal(403, PARAMETERS), 0.0)
    assert "dXNlcj" not in repr(outcome)
