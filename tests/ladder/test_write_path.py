"""What a GET proves about a write path, for exporters with probes of their own and without: refusals, other products, other methods."""

# ruff: noqa: E501 # answers are as long as they are

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter
from magictel.ladder.climb import climb
from magictel.model.events import CheckOutcome, check_outcome
from magictel.model.finding import Finding, Rung, SideEffect, Status
from tests.cli.running import Ran, magictel
from tests.diagnose.scripted import answering, exporter_at, raw

PAGE = {"Content-Type": "text/html"}
PLAIN = {"Content-Type": "text/plain"}
EMPTY = raw(200, {}, b"")
ELASTIC = json.dumps({"cluster_name": "c", "version": {"number": "8.1.0"}, "tagline": "You Know, for Search"}).encode()
OPENSEARCH = json.dumps({"cluster_name": "c", "version": {"number": "3.0.0", "distribution": "opensearch"}}).encode()
NO_HANDLER = b'{"error":"no handler found for uri [/api/v1/write] and method [GET]"}'


class Plain(PrometheusRemoteWriteExporter):
    """An exporter whose author wrote no probes: the ladder's own reading."""

    name = "plain"
    door = credentials = ready = receiver = empty_write = None  # type: ignore[assignment]


def of(name: str, url: str) -> Any:
    if name != "plain":
        return exporter_at(name, url)
    return Plain(Plain.Settings(url=f"{url}/api/v1/write", trust_env=False))


def climbed(
    name: str, states: Mapping[str, bytes], *allowed: SideEffect, skip: tuple[str, ...] = (), until: Rung = Rung.WRITE
) -> dict[Rung, Finding]:
    with answering(name, states) as url:
        exporter = of(name, url)
        exporter.allowed = frozenset(allowed)
        try:
            return {finding.rung: finding for finding in climb(exporter.steps(120.0), until=until, skip=skip)}
        finally:
            exporter.shutdown(0)


def outcome(rungs: Mapping[Rung, Finding], until: Rung | None = None) -> CheckOutcome:
    return check_outcome(tuple(rungs.values()), until)


REFUSALS = {
    "an empty 403": (raw(403, {}, b""), "http.forbidden", ""),
    "Envoy's": (raw(403, PLAIN | {"Server": "envoy"}, b"RBAC: access denied"), "http.forbidden", "Envoy"),
    "Istio's sidecar": (raw(403, PLAIN | {"Server": "istio-envoy"}, b"RBAC: access denied"), "http.forbidden", "Envoy"),
    "Envoy's without its header": (raw(403, PLAIN, b"RBAC: access denied"), "http.forbidden", "Envoy"),
    "an API gateway's": (raw(403, {"x-amzn-ErrorType": "ForbiddenException"}, b'{"message":"Forbidden"}'), "http.forbidden", "AWS"),
    "JSON without a name": (raw(403, {}, b'{"message":"Forbidden"}'), "http.forbidden", ""),
    "a plain word": (raw(403, PLAIN, b"Forbidden"), "http.forbidden", ""),
    "nginx' page": (raw(403, PAGE | {"Server": "nginx"}, b"<html><center>nginx</center></html>"), "http.forbidden", "nginx"),
    "Kubernetes'": (raw(403, {}, b'{"kind":"Status","apiVersion":"v1","reason":"Forbidden","code":403}'), r"http\.(forbidden|other-product)|es.product.unknown", ""),
    "an unsigned request": (raw(403, {}, b'{"message":"Missing Authentication Token"}'), "(http|os).aws.unsigned", "SigV4"),
    "Amazon, in small letters": (raw(403, {}, b'{"message":"User: anonymous is not authorized to perform: es:ESHttpGet"}'), "(http|os).aws.unsigned", "SigV4"),
    "an empty 401": (raw(401, {}, b""), "(http|os.auth).unauthorized", ""),
    "a gateway's 401": (raw(401, {}, b'{"message":"Unauthorized"}'), "(http|os.auth).unauthorized", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ["elasticsearch", "opensearch", "prometheus-remote-write", "plain"])
@pytest.mark.parametrize(("answer", "code", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_server_that_refuses_every_request_fails(name: str, answer: bytes, code: str, words: str) -> None:
    rungs = climbed(name, {"": answer})
    failed = next(rung for rung in rungs.values() if rung.outcome is Status.FAIL)
    assert failed.rung in (Rung.HTTP, Rung.AUTH)
    assert failed.code is not None
    assert re.fullmatch(code, failed.code), failed
    assert words in failed.message
    assert failed.remedy
    assert "TARGET" not in failed.remedy
    assert rungs[Rung.WRITE].outcome is Status.BLOCKED


OTHERS = {
    "Elasticsearch": {"GET": raw(400, {"X-Elastic-Product": "Elasticsearch"}, NO_HANDLER)},
    "OpenSearch": {"GET": raw(400, {}, NO_HANDLER)},
    "Elasticsearch 7": {"GET / ": raw(200, {}, ELASTIC), "GET": raw(404, {}, b'{"found":false}')},
    "OpenSearch behind 405": {"GET / ": raw(200, {}, OPENSEARCH), "GET": raw(405, {}, b"{}")},
    "InfluxDB": {"GET": raw(404, {"X-Influxdb-Version": "2.7"}, b'{"code":"not found"}')},
    "ClickHouse": {"GET": raw(404, {"X-ClickHouse-Summary": "{}"}, b"There is no handle /api/v1/write")},
    "CouchDB": {"GET / ": raw(200, {}, b'{"couchdb":"Welcome"}'), "GET": raw(404, {}, b'{"error":"not_found"}')},
}


@pytest.mark.parametrize("name", ["prometheus-remote-write", "plain"])
@pytest.mark.parametrize("states", OTHERS.values(), ids=OTHERS)
def test_another_product_fails_by_its_name(name: str, states: Mapping[str, bytes]) -> None:
    finding = climbed(name, states)[Rung.HTTP]
    assert (finding.outcome, finding.code) == (Status.FAIL, "http.other-product")
    assert finding.evidence["product"] in finding.message


APPS = {
    "a page": raw(200, PAGE, b"<!doctype html><p>Welcome"),
    "a login page": raw(200, PAGE, b"<html><input type=password>"),
    "a page where a 404 should be, to log in": raw(404, PAGE, b"<html><form action=/login><input type=password>"),
    "JSON": raw(200, {}, b'{"hello":"world"}'),
    "a text": raw(200, PLAIN, b"Hello, world"),
    "a redirect": raw(302, {"Location": "/login"}, b""),
}


@pytest.mark.parametrize("answer", APPS.values(), ids=APPS)
def test_a_plain_web_application_is_no_remote_write_receiver(answer: bytes) -> None:
    rungs = climbed("prometheus-remote-write", {"": answer})
    assert rungs[Rung.HTTP].outcome is Status.FAIL
    assert rungs[Rung.HTTP].code in ("http.not-a-backend", "http.redirect")


BY_METHOD = {
    "actix": raw(404, {}, b""),
    "Express": raw(404, PAGE, b"<!DOCTYPE html><html><body><pre>Cannot GET /api/v1/write</pre></body></html>"),
    "Go": raw(404, PLAIN, b"404 page not found\n"),
    "JSON": raw(404, {}, b'{"detail":"Not Found"}'),
    "Flask": raw(405, PAGE, b"<!doctype html><title>405 Method Not Allowed</title>"),
    "an empty 405": raw(405, {"Allow": "POST"}, b""),
    "http.server": raw(501, PAGE, b"<html><p>Error code: 501. Unsupported method ('GET')"),
    "nginx": raw(404, PAGE | {"Server": "nginx"}, b"<html><center>nginx</center></html>"),
    "an empty 200": EMPTY,
    "a 400": raw(400, PLAIN, b"no body"),
}


@pytest.mark.parametrize("name", ["prometheus-remote-write", "plain"])
@pytest.mark.parametrize("answer", BY_METHOD.values(), ids=BY_METHOD)
def test_an_answer_to_a_get_that_says_nothing_of_post_warns_and_proves_nothing(name: str, answer: bytes) -> None:
    rungs = climbed(name, {"GET": answer, "POST": EMPTY})
    assert (rungs[Rung.HTTP].outcome, rungs[Rung.HTTP].code) == (Status.WARN, "http.write-path")
    assert outcome(rungs) is CheckOutcome.UNVERIFIED
    assert outcome(rungs, Rung.TCP) is CheckOutcome.WARN
    skipped = climbed(name, {"GET": answer, "POST": EMPTY}, skip=("http.write-path",))
    assert outcome(skipped) is CheckOutcome.UNVERIFIED


@pytest.mark.parametrize("answer", [*BY_METHOD.values(), raw(403, {}, b'{"message":"Missing Authentication Token"}')])
def test_an_allowed_write_decides(answer: bytes) -> None:
    taken = climbed("prometheus-remote-write", {"GET": answer, "POST": EMPTY}, SideEffect.EMPTY_WRITE)
    assert taken[Rung.WRITE].outcome is Status.PASS
    assert outcome(taken) is CheckOutcome.WARN
    refused = climbed("prometheus-remote-write", {"POST": raw(404, {}, b""), "": answer}, SideEffect.EMPTY_WRITE)
    assert refused[Rung.WRITE].outcome is Status.FAIL


OUTRIGHT = {
    "a bill": (raw(402, {}, b'{"message":"Payment Required"}'), "http.refused", "Payment Required"),
    "an empty 402": (raw(402, {}, b""), "http.refused", "402"),
    "a proxy": (raw(407, {"Proxy-Authenticate": "Basic"}, b""), "http.proxy.auth", "407"),
    "a filter's page": (raw(451, PAGE, b"<html><title>Blocked</title><p>This site is blocked.</html>"), "http.refused", "451"),
    "a filter": (raw(451, PLAIN, b"Unavailable For Legal Reasons"), "http.refused", "Legal Reasons"),
    "a virtual host": (raw(421, PLAIN, b"Misdirected Request"), "http.refused", "Misdirected"),
    "an upgrade": (raw(426, PLAIN, b"Upgrade Required"), "http.refused", "Upgrade"),
}  # fmt: skip


@pytest.mark.parametrize("name", ["elasticsearch", "opensearch", "prometheus-remote-write", "plain"])
@pytest.mark.parametrize(("answer", "code", "words"), OUTRIGHT.values(), ids=OUTRIGHT)
def test_a_refusal_of_whoever_asks_fails_whatever_the_method(name: str, answer: bytes, code: str, words: str) -> None:
    rungs = climbed(name, {"": answer})
    finding = rungs[Rung.HTTP]
    assert (finding.outcome, finding.code) == (Status.FAIL, code), finding
    assert words in finding.message
    assert finding.remedy
    assert outcome(rungs) is CheckOutcome.FAIL


PROMETHEUS = {
    "GET /api/v1/query": raw(200, {}, b'{"status":"success"}'),
    "GET /api/v1/status/flags": raw(200, {}, b'{"data":{"web.enable-remote-write-receiver":"true"}}'),
    "GET /api/v1/status/buildinfo": raw(200, {}, b'{"data":{"version":"3.1.0"}}'),
    "GET /api/v1/write": raw(405, {}, b""),
    "GET": raw(200, PLAIN, b"Ready."),
}


@pytest.mark.parametrize("status", [401, 403, 404, 405, 501])
def test_a_proxy_that_refuses_only_posts_proves_nothing(status: int, tmp_path: Path) -> None:
    states = PROMETHEUS | {"POST": raw(status, {}, b"")}
    rungs = climbed("prometheus-remote-write", states)
    assert (rungs[Rung.AUTH].outcome, rungs[Rung.AUTH].code) == (Status.WARN, "http.write-path")
    assert f"refused by POST ({status})" in rungs[Rung.AUTH].message
    assert rungs[Rung.WRITE].outcome is Status.SKIPPED
    assert outcome(rungs) is CheckOutcome.UNVERIFIED
    assert outcome(climbed("prometheus-remote-write", states, SideEffect.EMPTY_WRITE)) is CheckOutcome.FAIL
    passes = {"POST /api/v1/write": EMPTY} | states  # it lets through only what is needed
    assert outcome(climbed("prometheus-remote-write", passes, SideEffect.EMPTY_WRITE)) is CheckOutcome.WARN
    open_ = climbed("prometheus-remote-write", PROMETHEUS | {"POST": EMPTY})
    assert (open_[Rung.AUTH].outcome, open_[Rung.WRITE].outcome) == (Status.PASS, Status.PASS)


def test_a_remote_write_receiver_is_known_by_its_own_words() -> None:
    reads = raw(400, PLAIN, b"cannot decompress request with length 0: snappy: corrupt input")
    assert climbed("prometheus-remote-write", {"GET": reads})[Rung.HTTP].outcome is Status.PASS
    astray = raw(400, PLAIN | {"X-Server-Hostname": "vm"}, b'unsupported path requested: "/api/v1/write"')
    finding = climbed("prometheus-remote-write", {"GET": astray})[Rung.HTTP]
    assert (finding.outcome, finding.code) == (Status.FAIL, "prom.rw.path")


def sent(states: Mapping[str, bytes], folder: Path, *words: str) -> Ran:
    with answering("prometheus-remote-write", states) as url:
        environment = {"PROMETHEUS_REMOTE_WRITE_URL": f"{url}/api/v1/push"}
        return magictel(*words, "--format", "json", folder=folder, environment=environment)


SEND = ("send-sample", "prometheus-remote-write", "--no-verify")
REPLAY = ("replay", "@gateway", "--to", "prometheus-remote-write")


@pytest.mark.parametrize("words", [SEND, REPLAY], ids=["send-sample", "replay"])
@pytest.mark.parametrize("answer", [raw(404, {}, b""), raw(405, {}, b""), raw(403, {}, b'{"message":"Forbidden"}')])
def test_a_send_lets_its_write_decide(words: tuple[str, ...], answer: bytes, tmp_path: Path) -> None:
    assert sent({"GET": answer, "POST": EMPTY}, tmp_path, *words).code == 0
    refused = sent({"": answer}, tmp_path, *words)
    assert refused.code == 1
    assert refused.document["targets"][0]["receipt"]["attempts"] >= 1


@pytest.mark.parametrize("words", [SEND, REPLAY], ids=["send-sample", "replay"])
def test_a_401_keeps_a_send_from_trying(words: tuple[str, ...], tmp_path: Path) -> None:
    refused = sent({"GET": raw(401, {}, b""), "POST": EMPTY}, tmp_path, *words)
    assert refused.code == 1
    target = refused.document["targets"][0]
    assert (target["code"], target["receipt"]["attempts"]) == ("http.unauthorized", 0)


def test_the_command_exits_with_3_where_nothing_is_proved_and_0_once_a_write_proves_it(tmp_path: Path) -> None:
    states = {"GET": raw(404, {}, b""), "POST": EMPTY}
    open_ = sent(states, tmp_path, "check", "prometheus-remote-write")
    assert (open_.code, open_.document["outcome"]) == (3, "unverified")
    assert sent(states, tmp_path, "check", "prometheus-remote-write", "--allow", "empty-write").code == 0
    forbidden = {"GET": raw(403, {}, b""), "POST": EMPTY}
    assert sent(forbidden, tmp_path, "check", "prometheus-remote-write").code == 1
    assert sent(forbidden, tmp_path, "check", "prometheus-remote-write", "--skip", "http.forbidden").code == 3
    assert sent(forbidden, tmp_path, "check", "prometheus-remote-write", "--until", "tcp").code == 0


@pytest.mark.parametrize(
    ("path", "outcome", "code"),
    [
        ("/api/v1/write", Status.PASS, None),
        ("/insert/0/prometheus/", Status.PASS, None),
        ("/api/v1/import", Status.FAIL, "prom.rw.path"),
        ("/api/v2/write", Status.FAIL, "prom.rw.path"),
        ("/opentelemetry/v1/metrics", Status.FAIL, "prom.rw.path"),
        ("/metrics", Status.WARN, "http.write-path"),
    ],
)
def test_victoriametrics_answers_alike_on_all_of_its_paths_and_only_some_take_remote_write(
    path: str, outcome: Status, code: str | None
) -> None:
    reply = raw(204, {"X-Server-Hostname": "vm"}, b"")
    with answering("prometheus-remote-write", {path: reply, "/": reply}) as url:
        exporter = PrometheusRemoteWriteExporter(
            PrometheusRemoteWriteExporter.Settings(url=url + path, trust_env=False)
        )
        try:
            http = next(
                finding for finding in climb(exporter.steps(120.0), until=Rung.HTTP) if finding.rung is Rung.HTTP
            )
        finally:
            exporter.shutdown(0)
    assert (http.outcome, http.code) == (outcome, code), http.message


@pytest.mark.parametrize("name", ["elasticsearch", "opensearch", "prometheus-remote-write"])
def test_a_401_is_said_in_the_words_of_the_gateway_that_gives_it(name: str) -> None:
    kong = raw(401, {"Server": "kong/3.4.0"}, b'{"message":"No API key found in request"}')
    rungs = climbed(name, {"": kong})
    assert rungs[Rung.AUTH].code == "http.unauthorized"
    assert "No API key found" in rungs[Rung.AUTH].message
    assert "Kong" in rungs[Rung.AUTH].message
    assert "{" not in rungs[Rung.AUTH].message
    assert not re.search(r"as \w+ does", rungs[Rung.HTTP].message), "nothing in it says which product answers"


@pytest.mark.parametrize(
    ("name", "options", "remedy"),
    [
        ("elasticsearch", {"API_KEY": "id:key-of-it"}, "check api_key (ELASTICSEARCH_API_KEY)"),
        ("elasticsearch", {"BEARER_TOKEN": "t0k3n-of-it"}, "check bearer_token (ELASTICSEARCH_BEARER_TOKEN)"),
        ("elasticsearch", {"API_KEY": "id:key", "HEADERS": "Authorization=x-of-it"}, "check Authorization in headers (ELASTICSEARCH_HEADERS)"),
        ("elasticsearch", {}, "set api_key, username and password, or bearer_token"),
        ("opensearch", {"BEARER_TOKEN": "t0k3n-of-it"}, "check bearer_token (OPENSEARCH_BEARER_TOKEN)"),
        ("opensearch", {}, "set username and password, or bearer_token"),
        ("prometheus-remote-write", {"BEARER_TOKEN": "t0k3n-of-it"}, "check bearer_token (PROMETHEUS_REMOTE_WRITE_BEARER_TOKEN)"),
        (
            "prometheus-remote-write",
            {"USERNAME": "u", "PASSWORD": "s3cr3t-of-it"},
            "check username and password (PROMETHEUS_REMOTE_WRITE_USERNAME, PROMETHEUS_REMOTE_WRITE_PASSWORD)",
        ),
        ("prometheus-remote-write", {}, "set username and password, or bearer_token"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["check", "send-sample"])
def test_the_remedy_for_a_401_names_the_credentials_that_are_sent_and_where_they_come_from(
    command: str, name: str, options: dict[str, str], remedy: str, tmp_path: Path
) -> None:
    prefix = name.upper().replace("-", "_")
    with answering(name, {"": raw(401, {}, b"")}) as url:
        path = "/api/v1/write" if name == "prometheus-remote-write" else ""
        environment = {f"{prefix}_URL": f"{url}{path}", **{f"{prefix}_{key}": value for key, value in options.items()}}
        ran = magictel(command, name, "--format", "json", folder=tmp_path, environment=environment)
    findings = ran.document["targets"][0]
    assert remedy in str(findings), findings


@pytest.mark.parametrize(
    ("options", "message", "remedy"),
    [
        (
            {"ELASTICSEARCH_API_KEY": "id:key-of-it"},
            "the credentials are rejected (401)",
            "check api_key (ELASTICSEARCH_API_KEY)",
        ),
        ({}, "credentials are required (401)", "set api_key, username and password, or bearer_token"),
    ],
)
def test_prepare_names_the_credentials_that_a_401_rejects(
    options: dict[str, str], message: str, remedy: str, tmp_path: Path
) -> None:
    with answering("elasticsearch", {"": raw(401, {}, b"")}) as url:
        environment = {"ELASTICSEARCH_URL": url, **options}
        ran = magictel("prepare", "elasticsearch", "--format", "json", folder=tmp_path, environment=environment)
    assert (ran.code, ran.document["code"]) == (1, "http.unauthorized")
    assert (ran.document["message"], ran.document["remedy"]) == (message, remedy)
