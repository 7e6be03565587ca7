"""Datadog's replies as outcomes, and as findings of the ladder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magictel.encoding.payload import Payload
from magictel.errors import WireError
from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.datadog.settings import SITES, DatadogSettings
from magictel.http.wire import Reply, Request, Wire
from magictel.model.finding import Finding
from magictel.model.outcome import Delivered, Outcome, Rejected, Throttled, TooLarge, Unavailable, Unconfirmed
from magictel.sandbox.datadog import API_KEY, APP_KEY, DatadogEmulator
from magictel.sandbox.faults import parse_faults
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from tests.cli.running import magictel
from tests.fake_transport import FakeTransport

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}
FAULTS = Path(__file__).parents[4] / "shared/reference/fault_responses.json"


def judge(status: int, body: str, headers: dict[str, str] | None = None) -> Outcome:
    exporter = DatadogExporter(DatadogSettings(api_key=Secret("0" * 32)), prepare=False)
    try:
        return exporter.judge(Payload(b"x", 5), Reply(status, headers or JSON, body.encode()))
    finally:
        exporter.shutdown(0)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (202, '{"errors":[]}', Delivered, None),
        (202, '{"status":"ok"}', Delivered, None),
        (202, "", Delivered, None),
        (202, '{"ingested":1}', Unconfirmed, "http.unconfirmed"),
        (200, '{"status":"ok"}', Unconfirmed, "http.unconfirmed"),
        (200, "<html><body>Log in</body></html>", Rejected, None),
        (403, '{"status":"error","code":403,"errors":["Forbidden"]}', Rejected, "dd.auth.invalid"),
        (403, '{"errors":["API key required"]}', Rejected, "dd.auth.invalid"),
        (403, "<html><body>403 Forbidden</body></html>", Unavailable, "dd.edge"),
        (413, "Payload too big", TooLarge, "dd.write.too-large-text"),
        (400, '{"errors":["Payload is not in the expected format: x"]}', TooLarge, "dd.write.bad-payload"),
        (408, '{"errors":["Request timeout"]}', Unavailable, "dd.write.timeout"),
        (429, '{"errors":["Too many requests"]}', Throttled, "dd.write.rate"),
        (503, "", Unavailable, None),
    ],
)
def test_a_reply(status: int, body: str, kind: type, code: str | None) -> None:
    outcome = judge(status, body, HTML if body.startswith("<") else JSON)
    assert isinstance(outcome, kind)
    if code is not None:
        assert getattr(outcome, "code", None) == code


def test_a_429_waits_as_long_as_datadogs_own_header_says() -> None:
    outcome = judge(429, "{}", {**JSON, "x-ratelimit-reset": "17"})
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after == 17


def test_errors_within_a_202_are_a_warning() -> None:
    outcome = judge(202, '{"errors":["metric x: no tags"]}')
    assert isinstance(outcome, Delivered)
    assert outcome.warning is not None
    assert (outcome.warning.code, outcome.warning.message) == ("dd.write.warning", "metric x: no tags")


def test_a_sample_is_verified_and_the_ladder_passes(tmp_path: Path) -> None:
    sent = magictel("send-sample", "datadog", "--sandbox", "--format", "json", folder=tmp_path)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"]) == (0, "verified")
    assert magictel("check", "datadog", "--sandbox", "--round-trip", folder=tmp_path).code == 0


@pytest.mark.parametrize("option", ["histograms=counters", "histograms=aggregates", "encoding=json"])
def test_a_sample_is_verified_in_the_other_forms(option: str, tmp_path: Path) -> None:
    given = ("send-sample", "datadog", "--sandbox", "--set", option, "--format", "json")
    sent = magictel(*given, folder=tmp_path)
    assert (sent.code, sent.document["targets"][0]["outcome"]) == (0, "verified")


def test_without_an_application_key_a_delivery_is_unverified(tmp_path: Path) -> None:
    with Server(DatadogEmulator()) as server:
        environment = {**server.emulator.environment(server.origin)}
        del environment["DD_APP_KEY"]
        sent = magictel("send-sample", "datadog", "--format", "json", folder=tmp_path, environment=environment)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"], target["code"]) == (3, "unverified", "dd.no-app-key")
    assert "DD_APP_KEY" in json.dumps(target)


@pytest.mark.parametrize(
    ("option", "code"),
    [("api_key=" + "1" * 32, "dd.auth.invalid"), ("app_key=" + "1" * 40, "dd.auth.app-key")],
)
def test_a_wrong_key_is_named(option: str, code: str, tmp_path: Path) -> None:
    checked = magictel("check", "datadog", "--sandbox", "--set", option, "--format", "json", folder=tmp_path)
    text = json.dumps(checked.document)
    assert code in text
    assert API_KEY not in text
    assert APP_KEY not in text


def test_a_wrong_api_key_loses_everything_behind_a_202_and_is_seen(tmp_path: Path) -> None:
    given = ("send-sample", "datadog", "--sandbox", "--set", "api_key=" + "1" * 32, "--force", "--format", "json")
    sent = magictel(*given, folder=tmp_path)
    assert sent.code != 0
    assert sent.document["targets"][0]["outcome"] != "verified"


def two_sites(monkeypatch: pytest.MonkeyPatch, key: str) -> list[Request]:
    """Replace Datadog's sites by one that rejects every key and one that accepts this one; return the requests that they get."""
    requests: list[Request] = []

    def answer(request: Request) -> Reply:
        requests.append(request)
        valid = request.url.startswith("https://api.datadoghq.eu") and request.header("DD-API-KEY") == key
        return Reply(200, JSON, b'{"valid":true}') if valid else Reply(403, JSON, b'{"errors":["Forbidden"]}')

    monkeypatch.setattr(DatadogExporter, "create_transport", lambda exporter: FakeTransport(answer))
    return requests


def auth(*, probe_other_sites: bool = False) -> Finding:
    """Return the finding of the auth rung for a key that its site rejects."""
    settings = DatadogSettings(api_key=Secret("f" * 32), headers={"X-Own": Secret("private")})
    exporter = DatadogExporter(settings, prepare=False)
    exporter.probe_other_sites = probe_other_sites
    try:
        return exporter.api_key(exporter.wire())
    finally:
        exporter.shutdown(0)


def test_the_key_is_not_sent_to_other_sites_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = two_sites(monkeypatch, "f" * 32)
    finding = auth()
    assert {request.url.split("/")[2] for request in requests} == {"api.datadoghq.com:443"}
    assert "magictel check datadog --probe-other-sites" in str(finding.remedy)


def test_the_site_of_the_key_is_found_without_the_other_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = two_sites(monkeypatch, "f" * 32)
    finding = auth(probe_other_sites=True)
    assert (finding.code, finding.message) == (
        "dd.auth.invalid",
        "the API key is of datadoghq.eu, not of api.datadoghq.com",
    )
    assert finding.remedy == "set DD_SITE=datadoghq.eu and no url"
    others = [request for request in requests if "api.datadoghq.com:443" not in request.url]
    assert others
    assert all(request.path == "/api/v1/validate" and "X-Own" not in request.headers for request in others)


def test_a_key_of_no_site_is_asked_for_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = two_sites(monkeypatch, "0" * 32)
    finding = auth(probe_other_sites=True)
    assert len({request.url for request in requests}) == len(requests) == len(SITES)
    assert finding.message.endswith(", nor at any other site that answered")


def test_a_site_that_does_not_answer_is_not_said_to_reject_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request) -> Reply:
        if "api.datadoghq.com:443" not in request.url:
            raise WireError("net.dns.not-found", "no such host", phase="dns")
        return Reply(403, JSON, b'{"errors":["Forbidden"]}')

    monkeypatch.setattr(DatadogExporter, "create_transport", lambda exporter: FakeTransport(answer))
    assert auth(probe_other_sites=True).message.endswith("; no other site answered")


def test_the_command_asks_other_sites_by_its_option_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options: list[bool] = []

    def site_of_key(exporter: DatadogExporter, wire: Wire) -> tuple[str, bool]:
        options.append(exporter.probe_other_sites)
        return "datadoghq.eu", True

    monkeypatch.setattr(DatadogExporter, "_site_of_key", site_of_key)
    with Server(DatadogEmulator()) as server:
        given = {"DD_URL": server.origin, "DD_API_KEY": "1" * 32}
        plain = magictel("check", "datadog", folder=tmp_path, environment=given)
        asked = magictel("check", "datadog", "--probe-other-sites", folder=tmp_path, environment=given)
    assert (plain.code, asked.code, options) == (1, 1, [True])
    assert "set DD_SITE=datadoghq.eu" in asked.out
    assert magictel("check", "datadog", "--probe-other-sites", "--sandbox", folder=tmp_path).code == 2


@pytest.mark.parametrize("reply", ["404 body='<html>not found</html>'", "302"])
def test_the_address_of_the_web_application_is_named(reply: str, tmp_path: Path) -> None:
    """Met through a proxy, so that nothing leaves this machine."""
    with Server(DatadogEmulator(), faults=parse_faults(f"any {reply} forever")) as proxy:
        environment = {"DD_API_KEY": API_KEY, "DD_URL": "http://app.datadoghq.com", "HTTP_PROXY": proxy.origin}
        checked = magictel("check", "datadog", "--format", "json", folder=tmp_path, environment=environment)
    assert "dd.site.custom-domain" in json.dumps(checked.document)


def test_a_key_is_required_by_name(tmp_path: Path) -> None:
    listed = magictel("list", folder=tmp_path)
    assert "needs DD_API_KEY" in listed.out
    assert magictel("check", "datadog", folder=tmp_path).code == 78
