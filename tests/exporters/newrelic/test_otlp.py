"""`protocol = "otlp"`: every law holds, commands work as by the Metric API, and the bytes are those of the exporter otlp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricsData

from magictel.conformance import LAWS, Place, Subject, run
from magictel.conformance.runner import LawVerdict
from magictel.encoding.payload import Payload
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.newrelic.settings import NewRelicSettings
from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.http.wire import Reply
from magictel.model.outcome import Delivered, Partial, Rejected, Throttled, TooLarge, Unavailable, Unconfirmed
from magictel.plugin.exporter import Exporter
from magictel.sandbox.newrelic import ACCOUNT, LICENSE_KEY, USER_KEY, NewRelicEmulator
from magictel.secrets.secret import Secret
from magictel.sources.sample import as_delta, sample
from tests.cli.running import magictel

PROTOBUF = {"content-type": "application/x-protobuf"}


def exporter(**options: Any) -> NewRelicExporter:
    settings = NewRelicSettings(license_key=Secret(LICENSE_KEY), protocol="otlp", **options)
    return NewRelicExporter(settings, prepare=False)


BROKEN = {
    "credentials.rotated": "the emulator refuses every other key, as New Relic's receiver of OTLP does",
    "ids.no-duplicates": "OTLP has no ids of requests, by which New Relic's Metric API recognises repeats",
}


def test_every_other_law_holds() -> None:
    def sender(place: Place) -> NewRelicExporter:
        keys = {"license_key": Secret(LICENSE_KEY), "user_key": Secret(USER_KEY), "account_id": ACCOUNT}
        given = {"url": place.origin, "query_url": place.origin, "protocol": "otlp", **keys, **place.settings}
        return NewRelicExporter(NewRelicSettings(**given), clock=place.clock)

    subject = Subject("newrelic", sender, lambda clock: NewRelicEmulator(clock=clock))
    broken = {result.law.id: result.message for result in run(subject, LAWS) if result.verdict is LawVerdict.BROKEN}
    assert broken.keys() == BROKEN.keys()


def test_a_sample_is_verified_and_the_ladder_passes(tmp_path: Path) -> None:
    otlp = ("--sandbox", "--set", "protocol=otlp")
    sent = magictel("send-sample", "newrelic", *otlp, "--format", "json", folder=tmp_path)
    assert (sent.code, sent.document["targets"][0]["outcome"]) == (0, "verified")
    assert magictel("check", "newrelic", *otlp, "--round-trip", folder=tmp_path).code == 0
    assert magictel("replay", "@gateway", "--to", "newrelic", *otlp, "--verify", folder=tmp_path).code == 0


def test_a_wrong_licence_key_is_named(tmp_path: Path) -> None:
    wrong = ("--set", "protocol=otlp", "--set", f"license_key={'f' * 36}NRAL", "--format", "json")
    sent = magictel("send-sample", "newrelic", "--sandbox", *wrong, folder=tmp_path)
    assert (sent.document["targets"][0]["outcome"], sent.document["targets"][0]["code"]) == (
        "undelivered",
        "nr.auth.invalid",
    )


@pytest.mark.parametrize(
    ("region", "host"),
    [("us", "otlp.nr-data.net"), ("eu", "otlp.eu01.nr-data.net"), ("fedramp", "gov-otlp.nr-data.net")],
)
def test_the_address_is_the_regions(region: Any, host: str) -> None:
    sender = exporter(region=region)
    (endpoint,) = sender.endpoints()
    request = sender.request(endpoint, Payload(b"", 1))
    assert request.url == f"https://{host}:443/v1/metrics"
    assert (request.header("api-key"), request.header("content-type")) == (LICENSE_KEY, "application/x-protobuf")


def test_the_bytes_are_those_of_the_exporter_otlp() -> None:
    data = as_delta(sample("run", 1_764_000_000).data)

    def bodies(sender: Exporter[Any], given: MetricsData) -> list[bytes]:
        parts = [part for part in sender.payloads(given) if isinstance(part, Payload)]
        return [sender.encoder.frame(part) for part in parts]

    other = OtlpExporter(OtlpSettings(temporality="delta"), prepare=False)
    sender = exporter()
    sender.clock = type("Then", (), {"now": lambda self: 1_764_000_000.0, "monotonic": lambda self: 0.0})()
    assert bodies(sender, data) == bodies(other, data) != []


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (200, b"", Delivered, None),
        (200, b"\x0a\x02\x08\x02", Partial, None),
        (200, b"<html>", Rejected, "http.not-a-backend"),
        (200, b"OK", Unconfirmed, None),
        (400, b"", Rejected, None),
        (403, b"", Rejected, "nr.auth.invalid"),
        (413, b"", TooLarge, None),
        (429, b"", Throttled, "nr.write.rate"),
        (500, b"", Unavailable, None),
        (503, b"", Unavailable, None),
    ],
)
def test_a_reply(status: int, body: bytes, kind: type, code: str | None) -> None:
    outcome = exporter().judge(Payload(b"x", 5), Reply(status, PROTOBUF, body))
    assert isinstance(outcome, kind), outcome
    if code is not None:
        assert getattr(outcome, "code", None) == code
