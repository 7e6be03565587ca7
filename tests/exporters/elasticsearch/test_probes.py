"""Every rung's findings, from the replies that engines, services and proxies give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from magictel.clock import Clock, SystemClock
from magictel.encoding.payload import Payload
from magictel.exporters.elasticsearch import permission, prepare, probes
from magictel.exporters.elasticsearch.response import judge_bulk
from magictel.http.wire import Reply, Request, Wire
from magictel.ladder.credentials import SentCredentials
from magictel.model.finding import Finding, Status
from magictel.model.outcome import Throttled, Unavailable
from magictel.model.verification import Unreadable
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_interface import Preparation
from tests.fake_clock import FakeClock

INDEX = "metrics"
SENT = SentCredentials("api_key", "check api_key")


class Scripted:
    """A transport that answers by method and path; what it does not know is no handler, as an engine says it."""

    def __init__(self, replies: Mapping[str, Reply]) -> None:
        self.replies = replies
        self.asked: list[str] = []

    def send(self, request: Request, timeout: float) -> Reply:
        key = f"{request.method} {request.path}"
        self.asked.append(request.url.removeprefix("http://scripted.test:9200"))
        unknown = answer(400, {"error": f"no handler found for uri [{request.path}] and method [{request.method}]"})
        return self.replies.get(key, unknown)

    def close(self) -> None:
        """Nothing is held."""


def answer(status: int, body: Any = b"", **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"content-type": "application/json", **named}, raw)


def refusal(status: int, reason: str, kind: str = "security_exception", **more: Any) -> Reply:
    return answer(status, {"error": {"type": kind, "reason": reason, **more}, "status": status})


def root(number: str = "8.19.0", **version: Any) -> Reply:
    return answer(
        200, {"cluster_name": "c", "version": {"number": number, **version}, "tagline": "You Know, for Search"}
    )


OPENSEARCH = root("3.3.0", distribution="opensearch")
COMPATIBLE = answer(
    200, {"version": {"number": "7.10.2"}, "tagline": "The OpenSearch Project: https://opensearch.org/"}
)
OLD_OPENSEARCH = root("2.19.4", distribution="opensearch")
MONITOR = refusal(403, "action [cluster:monitor/main] is unauthorized for API key id [A] of user [elastic]")


def wire(replies: Mapping[str, Reply]) -> Wire:
    return Wire(Scripted(replies), Endpoint("http", "scripted.test", 9200), timeout=5)


def verdict(finding: Finding) -> tuple[str, str | None]:
    return finding.outcome.value, finding.code


HTTP: list[tuple[str, Reply, tuple[str, str | None], str]] = [
    ("Elasticsearch", root(), ("pass", None), "Elasticsearch 8.19.0, cluster c"),
    ("serverless", root("8.11.0", build_flavor="serverless"), ("pass", None), "Elasticsearch serverless 8.11.0"),
    ("OpenSearch", OPENSEARCH, ("fail", "es.product.other"), "is OpenSearch 3.3.0, and this exporter is for Elasticsearch"),
    ("OpenSearch in compatibility mode", COMPATIBLE, ("fail", "es.product.other"), "in compatibility mode (it reports 7.10.2)"),
    ("a cluster without a master", answer(503, json.loads(root().body)), ("pass", None), "Elasticsearch 8.19.0"),
    ("an old one", root("6.8.23"), ("fail", "es.product.too-old"), "6.8.23"),
    ("its 403", MONITOR, ("pass", None), "answers 403 as Elasticsearch does"),
    ("its 401", refusal(401, "missing authentication credentials"), ("pass", None), "answers 401"),
    ("OpenSearch's 401", Reply(401, {"content-type": "text/plain"}, b"Unauthorized"), ("pass", None), "answers 401"),
    ("an empty 401", Reply(401), ("pass", None), "answers 401"),
    ("another JSON", answer(200, {"status": "success"}), ("fail", "es.product.unknown"), "names neither"),
    ("a header alone", Reply(200, {"x-elastic-product": "Elasticsearch"}), ("pass", None), "by its header"),
    ("a text", Reply(200, {"content-type": "text/plain"}, b"OK"), ("fail", "http.not-a-backend"), "not in JSON"),
    ("a page", Reply(200, {"content-type": "text/html"}, b"<html>"), ("fail", "http.not-a-backend"), "web page"),
    ("a page's 401", Reply(401, {"content-type": "text/html"}, b"<html>"), ("fail", "http.unauthorized"), "web page"),
    ("the transport port", Reply(200, {}, b"This is not an HTTP port"), ("fail", "es.http.wrong-port"), "transport port of the nodes"),
    ("a redirect", Reply(302, {"location": "https://login"}), ("fail", "http.redirect"), "https://login"),
    ("a path too many", answer(400, {"error": "no handler found for uri [/x/] and method [GET]"}), ("fail", "es.write.wrong-path"), "path"),
    ("a breaker", refusal(429, "[parent] Data too large", "circuit_breaking_exception"), ("fail", "es.write.breaker"), "memory"),
]  # fmt: skip


NGINX = {"content-type": "text/html", "server": "nginx"}
PLAIN = {"content-type": "text/plain"}
OTHERS: dict[str, tuple[Reply, str]] = {
    "a plain 500": (Reply(500, PLAIN, b"Internal Server Error"), "http.server-error"),
    "an empty 500": (Reply(500), "http.server-error"),
    "a plain 503": (Reply(503, PLAIN, b"Service Unavailable"), "http.server-error"),
    "a plain 429": (Reply(429, PLAIN, b"slow down"), "http.throttled"),
    "an empty 429": (Reply(429, {"retry-after": "7"}), "http.throttled"),
    "a 408": (Reply(408, PLAIN, b"Request Timeout"), "http.timeout"),
    "nginx' 429": (Reply(429, NGINX, b"<html><center>nginx"), "http.throttled"),
    "nginx' 500": (Reply(500, NGINX, b"<html><center>nginx"), "http.server-error"),
    "nginx' 504": (Reply(504, NGINX, b"<html><center>nginx"), "http.bad-gateway"),
    "Cloudflare's 522": (Reply(522, {"server": "cloudflare", "cf-ray": "x"}, b"error code: 522"), "http.bad-gateway"),
    "Envoy's 503": (Reply(503, PLAIN | {"server": "envoy"}, b"no healthy upstream"), "http.bad-gateway"),
    "JSON of a gateway": (answer(502, {"message": "An invalid response was received"}), "http.server-error"),
    "JSON of another 503": (answer(503, {"error": "overloaded"}), "http.server-error"),
    "JSON of another 429": (answer(429, {"message": "API rate limit exceeded"}), "http.throttled"),
}


@pytest.mark.parametrize(("reply", "code"), OTHERS.values(), ids=OTHERS)
def test_a_refusal_of_an_unknown_sender_has_deliverys_code(reply: Reply, code: str) -> None:
    finding = probes.http(wire({"GET /": reply}), False, 0.0)
    assert verdict(finding) == ("fail", code), finding
    assert finding.remedy
    assert str(reply.status) in finding.message
    outcome = judge_bulk(Payload(b"", 1), reply, 0.0)
    assert isinstance(outcome, Throttled | Unavailable)
    assert outcome.code == code


@pytest.mark.parametrize(("reply", "expected", "words"), [row[1:] for row in HTTP], ids=[row[0] for row in HTTP])
def test_http(reply: Reply, expected: tuple[str, str | None], words: str) -> None:
    finding = probes.http(wire({"GET /": reply}), False, 0.0)
    assert verdict(finding) == expected
    assert words in finding.message
    assert finding.outcome is not Status.FAIL or finding.remedy


AUTHENTICATE, AUTHINFO = "GET /_security/_authenticate", "GET /_plugins/_security/authinfo"
AUTH: list[tuple[str, dict[str, Reply], tuple[str, str | None], str]] = [
    ("a user", {AUTHENTICATE: answer(200, {"username": "writer"})}, ("pass", None), "user writer"),
    (
        "an API key",
        {AUTHENTICATE: answer(200, {"username": "e", "api_key": {"id": "i", "name": "n"}})},
        ("pass", None),
        "API key n of e",
    ),
    ("security off on 7.x", {}, ("pass", None), "security is disabled"),
    (
        "security off on 8.x",
        {AUTHENTICATE: answer(405, {"error": "Incorrect HTTP method"})},
        ("pass", None),
        "disabled",
    ),
    (
        "a write-only key that may not see /",
        {"GET /": MONITOR, AUTHENTICATE: answer(200, {"username": "e", "api_key": {"name": "w"}})},
        ("pass", None),
        "API key w",
    ),
    ("a proxy's 403", {AUTHENTICATE: answer(403, {"message": "no"})}, ("warn", "es.auth.unknown"), "403"),
    (
        "a wrong password",
        {AUTHENTICATE: refusal(401, "unable to authenticate user [elastic] for REST request [/]")},
        ("fail", "es.auth.bad-password"),
        "elastic",
    ),
    (
        "OpenSearch's user",
        {"GET /": OPENSEARCH, AUTHINFO: answer(200, {"user_name": "admin", "backend_roles": ["admin"]})},
        ("pass", None),
        "user admin",
    ),
    ("OpenSearch without the plugin", {"GET /": OPENSEARCH}, ("pass", None), "security is disabled"),
    (
        "OpenSearch's refusal",
        {"GET /": OPENSEARCH, AUTHINFO: Reply(401, {}, b"Unauthorized")},
        ("fail", "os.auth.unauthorized"),
        "Unauthorized",
    ),
    (
        "the refusal of nobody known",
        {"GET /": Reply(401, {}, b"Unauthorized"), AUTHENTICATE: Reply(401, {}, b"Unauthorized")},
        ("fail", "http.unauthorized"),
        "Unauthorized",
    ),
    (
        "Amazon's",
        {AUTHENTICATE: answer(403, {"Message": "User: anonymous is not authorized to perform: es:ESHttpGet"})},
        ("fail", "os.aws.unsigned"),
        "signed",
    ),
]


@pytest.mark.parametrize(("replies", "expected", "words"), [row[1:] for row in AUTH], ids=[row[0] for row in AUTH])
def test_auth(replies: dict[str, Reply], expected: tuple[str, str | None], words: str) -> None:
    finding = probes.auth(wire({"GET /": root(), **replies}), False, SENT)
    assert verdict(finding) == expected
    assert words in finding.message


def health(status: str, nodes: int = 1, **more: Any) -> Reply:
    return answer(200, {"status": status, "number_of_data_nodes": nodes, "unassigned_shards": 2, **more})


NO_MASTER = answer(503, {"error": {"type": "master_not_discovered_exception", "reason": None}, "status": 503})
SERVERLESS = refusal(410, "not available when running in serverless mode", "api_not_available_exception")
HEALTH: list[tuple[str, Reply, tuple[str, str | None]]] = [
    ("green", health("green", 3), ("pass", None)),
    ("yellow, one data node", health("yellow"), ("pass", None)),
    ("yellow, three data nodes", health("yellow", 3), ("warn", "es.health.yellow")),
    ("red", health("red", 3), ("fail", "es.health.red")),
    ("timed out", health("yellow", 1, timed_out=True), ("fail", "es.health.timed-out")),
    (
        "timed out, 408",
        answer(408, {"status": "red", "timed_out": True, "number_of_data_nodes": 1}),
        ("fail", "es.health.timed-out"),
    ),
    ("no master", NO_MASTER, ("fail", "es.health.no-master")),
    ("serverless", SERVERLESS, ("skipped", "es.health.serverless")),
    ("Amazon's serverless", answer(404, {"message": "no"}), ("skipped", "es.health.serverless")),
    ("a write-only key", refusal(403, "action [cluster:monitor/health] is unauthorized"), ("warn", "es.authz.monitor")),
    ("nonsense", answer(200, {"a": 1}), ("fail", "es.health.unreadable")),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "expected"), [row[1:] for row in HEALTH], ids=[row[0] for row in HEALTH])
def test_health(reply: Reply, expected: tuple[str, str | None]) -> None:
    assert verdict(probes.health(wire({"GET /_cluster/health": reply}))) == expected


def test_the_master_is_given_less_time_than_we_have() -> None:
    transport = Scripted({"GET /_cluster/health": health("green")})
    probes.health(Wire(transport, Endpoint("http", "scripted.test", 9200), timeout=5))
    assert transport.asked == ["/_cluster/health?master_timeout=4000ms&timeout=4000ms"]


def epoch(clock: Clock, ahead: float) -> Reply:
    return Reply(200, {"content-type": "text/plain"}, f"{int(clock.now() + ahead)}\n".encode())


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (0, ("pass", None)),
        (60, ("warn", "clock.drift")),
        (-60, ("warn", "clock.drift")),
        (-3600, ("fail", "clock.skew")),
    ],
)
def test_the_backend_tells_its_time_where_there_is_no_date(ahead: float, expected: tuple[str, str | None]) -> None:
    clock = FakeClock(SystemClock().now())
    script = {"GET /": root(), "GET /_cat/health": epoch(clock, ahead)}
    assert verdict(probes.time(wire(script), clock, (7200.0, 600.0))) == expected


def test_a_clock_that_cannot_be_read_warns() -> None:
    script = {"GET /": MONITOR, "GET /_cat/health": MONITOR}
    assert verdict(probes.time(wire(script), FakeClock(SystemClock().now()), (7200.0, 600.0))) == (
        "warn",
        "clock.unreadable",
    )


PRIVILEGES = "POST /_security/user/_has_privileges"
CAPS, MAPPING, SETTINGS = f"GET /{INDEX}/_field_caps", f"GET /{INDEX}/_mapping", f"GET /{INDEX}/_settings"
MISSING = refusal(404, "no such index [metrics]", "index_not_found_exception")
FORBIDDEN = refusal(403, "action [indices:admin/…] is unauthorized for API key id [A]")


def privileges_reply(**privileges: bool) -> Reply:
    return answer(200, {"has_all_requested": all(privileges.values()), "index": {INDEX: privileges}})


ALL = privileges_reply(create_doc=True, auto_configure=True, read=True)


def caps(*indices: str, **types: str) -> Reply:
    fields = {name: {kind: {"aggregatable": kind != "text"}} for name, kind in types.items()}
    return answer(200, {"indices": list(indices or (INDEX,)), "fields": fields})


PREPARED = caps(value_double="double", value_long="long", attributes="flattened")
WRITE: list[tuple[str, dict[str, Reply], tuple[str, str | None], str]] = [
    ("all holds", {PRIVILEGES: ALL, CAPS: PREPARED}, ("pass", None), "the mapping keeps the values"),
    ("security off", {CAPS: PREPARED}, ("pass", None), "allowed"),
    (
        "a write-only key",
        {PRIVILEGES: privileges_reply(create_doc=True, auto_configure=True, read=False), CAPS: FORBIDDEN, MAPPING: FORBIDDEN},
        ("pass", None),
        "not read",
    ),
    (
        "no right to write",
        {PRIVILEGES: privileges_reply(create_doc=False, auto_configure=True, read=True), CAPS: PREPARED},
        ("fail", "es.authz.bulk"),
        "may not write",
    ),
    (
        "no right to make the index",
        {PRIVILEGES: privileges_reply(create_doc=True, auto_configure=False, read=True), CAPS: MISSING, MAPPING: MISSING},
        ("fail", "es.authz.auto-create"),
        "does not exist",
    ),
    (
        "no right to make an index that is there",
        {PRIVILEGES: privileges_reply(create_doc=True, auto_configure=False, read=True), CAPS: PREPARED},
        ("pass", None),
        "allowed",
    ),
    (
        "a write block",
        {PRIVILEGES: ALL, SETTINGS: answer(200, {INDEX: {"settings": {"index.blocks.write": "true"}}})},
        ("fail", "es.write.blocked"),
        "index.blocks.write",
    ),
    (
        "flood stage",
        {SETTINGS: answer(200, {INDEX: {"settings": {"index.blocks.read_only_allow_delete": "true"}}})},
        ("fail", "es.write.flood-stage"),
        "watermark",
    ),
    (
        "a closed index",
        {SETTINGS: answer(200, {INDEX: {"settings": {"index.verified_before_close": "true"}}})},
        ("fail", "es.write.index-closed"),
        "is closed",
    ),
    (
        "an old backing index that is read-only",
        {
            SETTINGS: answer(
                200,
                {
                    ".ds-m-000001": {"settings": {"index.blocks.write": "true"}},
                    ".ds-m-000002": {"settings": {}},
                },
            ),
            CAPS: PREPARED,
        },
        ("pass", None),
        "allowed",
    ),
    ("a type that refuses", {CAPS: caps(value_double="ip")}, ("fail", "es.write.mapping-type"), "value_double as ip"),
    ("a date as a number", {CAPS: caps(**{"@timestamp": "long"})}, ("fail", "es.write.mapping-type"), "@timestamp"),
    ("whole numbers for decimals", {CAPS: caps(value_double="long")}, ("warn", "es.mapping.long"), "0.5 is read back as 0"),
    ("dates for decimals", {CAPS: caps(value_double="date")}, ("warn", "es.mapping.date"), "0.5 is read back as 0"),
    ("dates for whole numbers", {CAPS: caps(value_long="date")}, ("warn", "es.mapping.date"), "value_long (date)"),
    ("text for numbers", {CAPS: caps(value_long="keyword")}, ("warn", "es.mapping.text"), "value_long (keyword)"),
    ("text alone", {CAPS: caps(name="text")}, ("warn", "es.mapping.text"), "name (text)"),
    ("narrow numbers", {CAPS: caps(value_long="integer")}, ("warn", "es.mapping.narrow"), "value_long (integer)"),
    ("dynamic decimals", {CAPS: caps(value_double="float")}, ("warn", "es.mapping.unprepared"), "value_double are stored as 32-bit floats"),
    (
        "floats in a prepared index",
        {CAPS: caps(value_double="double", value_long="long", attributes="flattened", sum="float")},
        ("warn", "es.mapping.float"),
        "sum (float)",
    ),
    ("no index, no template", {CAPS: MISSING, MAPPING: MISSING}, ("warn", "es.mapping.unprepared"), "will be stored as 32-bit"),
    (
        "no index, our template",
        {
            CAPS: MISSING,
            MAPPING: MISSING,
            f"POST /_index_template/_simulate_index/{INDEX}": answer(
                200, {"template": {"mappings": prepare.mappings(probes.ask_product(wire({"GET /": root()}), False))}}
            ),
        },
        ("pass", None),
        "keeps the values",
    ),
    (
        "no index may be made",
        {
            CAPS: MISSING,
            MAPPING: MISSING,
            "GET /_cluster/settings": answer(200, {"persistent": {"action": {"auto_create_index": "-metrics,*"}}}),
        },
        ("fail", "es.write.no-auto-create"),
        "-metrics,*",
    ),
    (
        "a cluster that is read-only",
        {
            CAPS: PREPARED,
            "GET /_cluster/settings": answer(200, {"persistent": {"cluster": {"blocks": {"read_only": "true"}}}}),
        },
        ("fail", "es.write.blocked"),
        "the whole cluster is blocked for writing (cluster.blocks.read_only)",
    ),
    (
        "a cluster whose block is overruled",
        {
            CAPS: PREPARED,
            "GET /_cluster/settings": answer(
                200,
                {
                    "persistent": {"cluster": {"blocks": {"read_only_allow_delete": "true"}}},
                    "transient": {"cluster": {"blocks": {"read_only_allow_delete": "false"}}},
                },
            ),
        },
        ("pass", None),
        "allowed",
    ),
    (
        "a breaker that only lets GET / through",
        {
            CAPS: PREPARED,
            SETTINGS: refusal(429, "[parent] Data too large", "circuit_breaking_exception"),
        },
        ("fail", "es.write.breaker"),
        "short of memory",
    ),
    ("cluster settings of another shape", {CAPS: PREPARED, "GET /_cluster/settings": answer(200, [])}, ("pass", None), "allowed"),
    ("nothing may be asked", {PRIVILEGES: answer(500, {})}, ("skipped", "es.write.unprovable"), "500"),
    ("wrong credentials", {PRIVILEGES: refusal(401, "unable to authenticate user [x]")}, ("fail", "es.auth.bad-password"), "x"),
]  # fmt: skip


@pytest.mark.parametrize(("replies", "expected", "words"), [row[1:] for row in WRITE], ids=[row[0] for row in WRITE])
def test_write(replies: dict[str, Reply], expected: tuple[str, str | None], words: str) -> None:
    given = {"GET /": root(), CAPS: FORBIDDEN, MAPPING: FORBIDDEN, **replies}
    finding = permission.write(wire(given), INDEX, False, SENT, "elasticsearch")
    assert verdict(finding) == expected
    assert words in finding.message


def opensearch_write(front: Reply, **replies: Reply) -> tuple[Finding, list[str]]:
    transport = Scripted({"GET /": front, CAPS: PREPARED, **replies})
    finding = permission.write(
        Wire(transport, Endpoint("http", "scripted.test", 9200), timeout=5), INDEX, True, SENT, "opensearch"
    )
    return finding, [path for path in transport.asked if "_bulk" in path]


ADMIN = answer(200, {"user_name": "admin"})


def test_opensearch_since_3_2_is_asked_whether_it_would_allow_the_write() -> None:
    script = {AUTHINFO: ADMIN, "POST /_bulk": answer(200, {"accessAllowed": True, "missingPrivileges": []})}
    finding, bulks = opensearch_write(OPENSEARCH, **script)
    assert verdict(finding) == ("pass", None)
    assert bulks == ["/_bulk?perform_permission_check=true"]


def test_opensearch_that_would_not_allow_it_says_what_is_missing() -> None:
    refused = answer(200, {"accessAllowed": False, "missingPrivileges": ["indices:data/write/bulk[s]"]})
    finding, _ = opensearch_write(OPENSEARCH, **{AUTHINFO: ADMIN, "POST /_bulk": refused})
    assert verdict(finding) == ("fail", "os.authz.denied")
    assert "indices:data/write/bulk[s]" in finding.message


@pytest.mark.parametrize(
    "front", [OLD_OPENSEARCH, MONITOR, root("3.1.0", distribution="opensearch")], ids=["2.19", "unknown", "3.1"]
)
def test_an_older_or_unknown_opensearch_is_never_sent_a_write(front: Reply) -> None:
    finding, bulks = opensearch_write(front, **{AUTHINFO: ADMIN})
    assert verdict(finding) == ("skipped", "os.write.unprovable")
    assert bulks == []


def test_opensearch_without_the_security_plugin_is_never_sent_a_write() -> None:
    finding, bulks = opensearch_write(OPENSEARCH)
    assert verdict(finding) == ("pass", None)
    assert bulks == []


PREPARE: list[tuple[str, Reply, str, str]] = [
    ("8.x", root(), "/_index_template/magictel-metrics", "flattened"),
    ("7.17", root("7.17.29"), "/_index_template/magictel-metrics", "flattened"),
    ("7.7: no composable templates", root("7.7.1"), "/_template/magictel-metrics", "flattened"),
    ("7.2: no flattened fields", root("7.2.0"), "/_template/magictel-metrics", "dynamic_templates"),
    ("OpenSearch", OPENSEARCH, "/_index_template/magictel-metrics", "flat_object"),
    ("OpenSearch 1: no flat objects", root("1.3.0", distribution="opensearch"), "/_index_template/magictel-metrics", "dynamic_templates"),
]  # fmt: skip


@pytest.mark.parametrize(("front", "path", "words"), [row[1:] for row in PREPARE], ids=[row[0] for row in PREPARE])
def test_prepare_speaks_the_dialect_of_the_version(front: Reply, path: str, words: str) -> None:
    planned = prepare.preparations(wire({"GET /": front, CAPS: MISSING, MAPPING: MISSING}), INDEX, False)
    assert isinstance(planned, list)
    first: Preparation = planned[0]
    assert (first.method, first.path) == ("PUT", path)
    assert words in json.dumps(first.body)


@pytest.mark.parametrize(
    ("reply", "code", "message", "remedy"),
    [
        (Reply(401), "http.unauthorized", "the credentials are rejected (401)", "check the credentials"),
        (Reply(403), "es.read.forbidden", "403: the stored points cannot be read", "grant read on the index"),
        (Reply(403, {}, b"no"), "es.read.forbidden", "403: the stored points cannot be read: no", "grant read on the index"),
    ],
)  # fmt: skip
def test_prepare_says_whether_the_credentials_or_their_rights_are_rejected(
    reply: Reply, code: str, message: str, remedy: str
) -> None:
    answers = {"GET /": root(), f"GET /_data_stream/{INDEX}": reply, f"GET /{INDEX}": reply}
    why = prepare.preparations(wire(answers), INDEX, False)
    assert isinstance(why, Unreadable)
    assert (why.code, why.message) == (code, message)
    assert remedy in (why.remedy or "")


def test_prepare_says_what_a_template_cannot_change() -> None:
    planned = prepare.preparations(wire({"GET /": root(), CAPS: caps(value_double="float")}), INDEX, False)
    assert isinstance(planned, list)
    assert "keeps value_double (float)" in planned[0].purpose
