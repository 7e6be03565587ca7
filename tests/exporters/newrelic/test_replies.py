"""New Relic's replies, its keys by their form, and what the command line says of them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from magictel.encoding.payload import Payload, Run
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.newrelic.settings import NewRelicSettings
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Outcome, Rejected, Throttled, TooLarge, Unavailable, Unconfirmed
from magictel.sandbox.newrelic import LICENSE_KEY, USER_KEY
from magictel.secrets.secret import Secret
from tests.cli.running import magictel

JSON = {"content-type": "application/json"}


def exporter(**options: Any) -> NewRelicExporter:
    return NewRelicExporter(NewRelicSettings(license_key=Secret(LICENSE_KEY), **options), prepare=False)


def judge(status: int, body: str) -> Outcome:
    return exporter().judge(Payload(b"x", 5), Reply(status, JSON, body.encode()))


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (202, '{"requestId":"x"}', Delivered, None),
        (202, "", Unconfirmed, None),
        (200, '{"ok":true}', Unconfirmed, None),
        (403, "{}", Rejected, "nr.auth.invalid"),
        (400, "", Rejected, "nr.write.bad-payload"),
        (404, "", Rejected, None),
        (408, "", Unavailable, None),
        (411, "", Rejected, "nr.write.header-missing"),
        (413, "", TooLarge, "nr.write.too-large"),
        (429, "", Throttled, "nr.write.rate"),
        (500, "", Unavailable, None),
    ],
)
def test_a_reply(status: int, body: str, kind: type, code: str | None) -> None:
    outcome = judge(status, body)
    assert isinstance(outcome, kind)
    if code is not None:
        assert getattr(outcome, "code", None) == code


def test_a_request_has_an_id_that_its_retries_share_and_its_halves_do_not() -> None:
    sender = exporter()
    envelope = (b"{}",)
    whole = Payload(b'{"a":1},{"b":2},', 2, sizes=(8, 8), runs=(Run(envelope, 2, 16),))
    half = Payload(b'{"a":1},', 1, sizes=(8,), runs=(Run(envelope, 1, 8),))
    (endpoint,) = sender.endpoints()
    ids = [sender.request(endpoint, payload).headers["x-request-id"] for payload in (whole, whole, half)]
    assert ids[0] == ids[1] != ids[2]
    assert uuid.UUID(ids[0]).version == 4


@pytest.mark.parametrize(
    ("options", "key", "code"),
    [
        ({"license_key": "NRAK-0123456789ABCDEF0123456789A"}, "license_key", "nr.key-kind"),
        ({"license_key": "eu01xx" + "0" * 30 + "NRAL", "region": "us"}, "region", "nr.region"),
        ({"user_key": LICENSE_KEY, "account_id": 1}, "user_key", "nr.key-kind"),
        ({"user_key": USER_KEY}, "account_id", "config.value"),
    ],
)
def test_keys_are_told_apart_offline(options: dict[str, Any], key: str, code: str) -> None:
    given = {"license_key": LICENSE_KEY, **options}
    secrets = {name: Secret(value) if name.endswith("_key") else value for name, value in given.items()}
    problems = [(problem[0], problem[1]) for problem in NewRelicSettings(**secrets).problems()]
    assert (key, code) in problems
    assert all(
        value not in problem[2] for problem in NewRelicSettings(**secrets).problems() for value in (LICENSE_KEY,)
    )


@pytest.mark.parametrize(
    ("key", "region", "host"),
    [
        ("0" * 36 + "NRAL", None, "metric-api.newrelic.com"),
        ("eu01xx" + "0" * 30 + "NRAL", None, "metric-api.eu.newrelic.com"),
        ("0" * 36 + "NRAL", "fedramp", "gov-metric-api.newrelic.com"),
    ],
)
def test_the_address_is_the_regions(key: str, region: Any, host: str) -> None:
    settings = NewRelicSettings(license_key=Secret(key), region=region)
    assert [address.endpoint.host for address in settings.addresses()] == [host]


def test_a_sample_is_verified_and_the_ladder_passes(tmp_path: Path) -> None:
    sent = magictel("send-sample", "newrelic", "--sandbox", "--format", "json", folder=tmp_path)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"]) == (0, "verified")
    assert magictel("check", "newrelic", "--sandbox", "--round-trip", folder=tmp_path).code == 0


def test_a_wrong_licence_key_loses_everything_behind_a_202_and_is_seen(tmp_path: Path) -> None:
    wrong = "f" * 36 + "NRAL"
    given = ("send-sample", "newrelic", "--sandbox", "--set", f"license_key={wrong}", "--format", "json")
    sent = magictel(*given, folder=tmp_path)
    assert sent.code != 0
    assert sent.document["targets"][0]["outcome"] == "lost"
    assert wrong not in sent.out + sent.err


def test_the_licence_key_never_goes_to_the_query_address(tmp_path: Path) -> None:
    wire = exporter(user_key=Secret(USER_KEY), account_id=1).readback.exporter.query_wire()
    assert LICENSE_KEY not in json.dumps(dict(wire._headers))
