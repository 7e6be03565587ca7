"""Answers and texts in no row: other backends' errors, gateways, load balancers, login pages. A sentence and a safe class for each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictel.catalogue.pages import explain
from magictel.diagnose.diagnose import diagnose
from magictel.diagnose.diagnosis import STANDS_WITH, Diagnosis, During, Pasted
from magictel.exporters.console import ConsoleExporter
from magictel.plugin.exporter import Exporter
from tests.diagnose.scripted import EXPORTERS, at_the_edge, exporter_at

HTML = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/json"}
TEXT = {"content-type": "text/plain"}
EXPORTER: dict[str, Exporter[Any]] = {name: exporter_at(name, "http://localhost:9200") for name in EXPORTERS}

Answer = tuple[int, dict[str, str], str]


def page(title: str, more: str = "", **headers: str) -> tuple[dict[str, str], str]:
    return {**HTML, **headers}, f"<html><head><title>{title}</title></head><body>{more}</body></html>"


def nginx(status: int, title: str) -> Answer:
    body = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center>nginx</center>\r\n</body>"
    return status, {**HTML, "server": "nginx/1.27"}, body


SAFE = {"backoff", "after-header"}
FAMILIES: list[tuple[str, Answer, set[str], str]] = [
    ("nginx 502", nginx(502, "Bad Gateway"), SAFE, "nginx"),
    ("nginx 504", nginx(504, "Gateway Time-out"), SAFE, "nginx"),
    ("nginx 403", nginx(403, "Forbidden"), {"no"}, "nginx"),
    ("nginx 413", nginx(413, "Request Entity Too Large"), {"split"}, "nginx"),
    ("nginx 429", nginx(429, "Too Many Requests"), SAFE, "nginx"),
    ("nginx 400 to its TLS port", (400, HTML, "<html>The plain HTTP request was sent to HTTPS port"), {"no"}, "HTTPS"),
    ("go to its TLS port", (400, {}, "Client sent an HTTP request to an HTTPS server.\n"), {"no"}, "HTTPS"),
    (
        "envoy, nobody behind",
        (
            503,
            {**TEXT, "server": "envoy"},
            "upstream connect error or disconnect/reset before headers. reset reason: x",
        ),
        SAFE,
        "Envoy",
    ),
    ("envoy, unhealthy", (503, {**TEXT, "server": "istio-envoy"}, "no healthy upstream"), SAFE, "Envoy"),
    ("envoy, slow", (504, {**TEXT, "server": "envoy"}, "upstream request timeout"), SAFE, "Envoy"),
    ("envoy's rate limit", (429, {"server": "envoy", "x-envoy-ratelimited": "true"}, ""), SAFE, "throttled"),
    (
        "haproxy",
        (503, HTML, "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request."),
        SAFE,
        "HAProxy",
    ),
    ("traefik, no route", (404, TEXT, "404 page not found\n"), {"no"}, "page not found"),
    ("traefik", (502, TEXT, "Bad Gateway"), SAFE, "Bad Gateway"),
    ("ingress without a backend", (404, TEXT, "default backend - 404"), {"no"}, "ingress"),
    ("AWS ALB 503", (503, *page("503 Service Temporarily Unavailable", server="awselb/2.0")), SAFE, "ELB"),
    ("AWS ALB 460", (460, {"server": "awselb/2.0"}, ""), {"no"}, "460"),
    ("AWS ALB 561", (561, {"server": "awselb/2.0"}, ""), SAFE, "ELB"),
    ("AWS API gateway", (403, {**JSON, "x-amz-apigw-id": "a"}, '{"message":"Forbidden"}'), {"no"}, "Forbidden"),
    ("AWS API gateway slow", (504, JSON, '{"message": "Endpoint request timed out"}'), SAFE, "timed out"),
    ("AWS throttling", (400, JSON, '{"__type":"ThrottlingException","message":"Rate exceeded"}'), SAFE, "Rate"),
    ("Google's balancer", (502, *page("502 Server Error", server="Google Frontend")), SAFE, "Google"),
    ("Azure gateway", (502, *page("502", server="Microsoft-Azure-Application-Gateway/v2")), SAFE, "Azure"),
    ("Cloudflare 522", (522, {"server": "cloudflare", "cf-ray": "8-X"}, "error code: 522"), SAFE, "Cloudflare"),
    ("Cloudflare 1020", (403, *page("Access denied | Cloudflare", server="cloudflare")), {"no"}, "Cloudflare"),
    ("Cloudflare's challenge", (503, *page("Just a moment...", server="cloudflare")), SAFE, "Cloudflare"),
    ("Kong", (404, JSON, '{"message":"no Route matched with those values"}'), {"no"}, "Kong"),
    ("Okta's login", (200, *page("Sign In", '<form><input type="password">')), {"no"}, "login page"),
    ("to a login", (302, {"location": "https://sso.example/oauth2/authorize?x=1"}, ""), {"no"}, "login page"),
    ("Keycloak", (200, *page("Log in to realm", '<input name="p" type=password>')), {"no"}, "login page"),
    ("maintenance", (503, *page("We'll be back soon", **{"retry-after": "600"})), SAFE, "back soon"),
    ("captive portal", (511, *page("Network login")), {"no"}, "511"),
    ("proxy's credentials", (407, {"server": "squid"}, ""), {"no"}, "407"),
    ("gRPC over HTTP", (200, {"content-type": "application/grpc", "grpc-status": "14"}, ""), {"no"}, "gRPC"),
    ("gRPC-web", (200, {"content-type": "application/grpc-web+proto", "grpc-status": "16"}, ""), {"no"}, "gRPC"),
    ("New Relic", (403, JSON, "{}"), {"no"}, "403"),
    ("Datadog", (403, JSON, '{"status":"error","code":403,"errors":["Forbidden"]}'), {"no"}, "Forbidden"),
    ("Influx", (422, JSON, '{"code":"unprocessable entity","message":"field type conflict"}'), {"no"}, "conflict"),
    ("Influx 503", (503, JSON, '{"code":"unavailable","message":"engine closed"}'), SAFE, "engine closed"),
    ("Splunk HEC", (400, JSON, '{"text":"Invalid data format","code":6}'), {"no"}, "400"),
    ("Splunk busy", (503, JSON, '{"text":"Server is busy","code":9}'), SAFE, "503"),
    ("RFC 9457", (409, JSON, '{"type":"about:blank","title":"Conflict","detail":"too old"}'), {"no"}, "too old"),
    ("Collector", (503, JSON, '{"code":14,"message":"data refused due to high memory usage"}'), SAFE, "memory"),
    ("Google API", (429, JSON, '{"error":{"code":429,"message":"Quota exceeded"}}'), SAFE, "Quota"),
    ("quota with its end", (429, {"x-ratelimit-reset": "7"}, ""), SAFE, "throttled"),
    ("403 that names a time", (403, {**JSON, "retry-after": "30"}, '{"message":"secondary rate limit"}'), SAFE, "rate"),
    ("enhance your calm", (420, {}, ""), SAFE, "throttled"),
    ("disk full", (507, TEXT, "insufficient storage"), SAFE, "insufficient"),
    ("never", (501, TEXT, "not implemented"), {"no"}, "not implemented"),
    ("XML", (403, {"content-type": "application/xml"}, "<Error><Code>AccessDenied</Code></Error>"), {"no"}, "Denied"),
    ("an empty 500", (500, {}, ""), SAFE, "with an empty body"),
    ("an empty 400", (400, {}, ""), {"no"}, "with an empty body"),
    ("teapot", (418, TEXT, "short and stout"), {"no"}, "stout"),
    ("binary", (500, {"content-type": "application/x-protobuf"}, "\x00\x12\x07bad"), SAFE, "bad"),
    ("no status of HTTP", (999, {}, ""), {"no"}, "999"),
]


def asked(exporter: Exporter[Any], pasted: Pasted) -> Diagnosis:
    diagnosis = diagnose(exporter, pasted)
    assert diagnosis.outcome in STANDS_WITH[diagnosis.retry], diagnosis
    if diagnosis.code is not None:
        assert explain(diagnosis.code) is not None, diagnosis
        assert diagnosis.remedy, diagnosis
        assert diagnosis.code not in [alternative.code for alternative in diagnosis.alternatives]
    assert all(explain(alternative.code) for alternative in diagnosis.alternatives)
    assert diagnosis.message.strip()
    assert len(diagnosis.message) <= 500
    assert "\n" not in diagnosis.message
    return diagnosis


@pytest.mark.parametrize("exporter", EXPORTER.values(), ids=EXPORTER.keys())
@pytest.mark.parametrize(
    ("answer", "classes", "words"), [family[1:] for family in FAMILIES], ids=[family[0] for family in FAMILIES]
)
def test_an_answer_in_no_row_gets_a_sentence_and_a_safe_class(
    answer: Answer, classes: set[str], words: str, exporter: Exporter[Any]
) -> None:
    status, headers, body = answer
    diagnosis = asked(exporter, Pasted(status, headers, body.encode()))
    never = exporter.name == "otlp" and status not in (429, 502, 503, 504)  # by its specification
    classes = {*classes, "backoff"} if at_the_edge(exporter.name, status, body) else classes
    assert diagnosis.retry in ({*classes, "no"} if never else classes), diagnosis
    assert diagnosis.outcome != "delivered"
    own_words = exporter.name == "opensearch" and status == 401
    own_words = own_words or (exporter.name == "newrelic" and status == 400 and not body)
    if not own_words:
        assert words.lower() in diagnosis.message.lower(), diagnosis
    if "retry-after" in headers and not never:
        assert diagnosis.after == float(headers["retry-after"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"statusCode": 503, "message": "down"}', 503),
        ('{"status": "error", "error": "no such tenant"}', 200),
        ('{"success": false, "message": "bad key"}', 200),
        ('{"errors": ["metric refused"]}', 200),
    ],
)
def test_a_failure_inside_a_2xx_is_not_delivered(body: str, status: int) -> None:
    diagnosis = asked(EXPORTER["prometheus-remote-write"], Pasted(200, JSON, body.encode()))
    assert diagnosis.outcome == ("unavailable" if status >= 500 else "rejected")
    assert "reports a failure" in diagnosis.message


TEXTS: list[tuple[str, str]] = [
    ("dial tcp 10.0.0.1:9200: connect: connection refused", "net.tcp.refused"),
    ("java.net.ConnectException: Connection refused (Connection refused)", "net.tcp.refused"),
    ("Error: connect ECONNREFUSED 127.0.0.1:9200", "net.tcp.refused"),
    (
        "curl: (7) Failed to connect to localhost port 9200 after 0 ms: Couldn't connect: Connection refused",
        "net.tcp.refused",
    ),
    ('Post "http://x/api/v1/write": dial tcp: lookup x on 10.0.0.2:53: no such host', "net.dns.not-found"),
    ("java.net.UnknownHostException: es.example.net", "net.dns.not-found"),
    ("Error: getaddrinfo EAI_AGAIN es", "net.dns.not-found"),
    ("requests.exceptions.ConnectTimeout: HTTPSConnectionPool(host='x', port=443): timed out", "net.tcp.timeout"),
    ("dial tcp 10.0.0.1:443: i/o timeout", "net.tcp.timeout"),
    ("java.net.SocketTimeoutException: Read timed out", "net.http.read-timeout"),
    ("context deadline exceeded (Client.Timeout exceeded while awaiting headers)", "net.http.read-timeout"),
    ("read tcp 10.0.0.3:5->10.0.0.1:443: read: connection reset by peer", "net.tcp.reset"),
    ("Error: socket hang up", "net.http.closed"),
    ("curl: (52) Empty reply from server", "net.http.closed"),
    ("connect: no route to host", "net.tcp.unreachable"),
    ("x509: certificate signed by unknown authority", "tls.unknown-ca"),
    ("PKIX path building failed: unable to find valid certification path to requested target", "tls.unknown-ca"),
    ("Error: self signed certificate in certificate chain (SELF_SIGNED_CERT_IN_CHAIN)", "tls.unknown-ca"),
    ("DEPTH_ZERO_SELF_SIGNED_CERT", "tls.self-signed"),
    (
        "x509: certificate has expired or is not yet valid: current time 2026-11-25T04:00:00Z is after 2026-01-01T00:00:00Z",
        "tls.expired",
    ),
    ("tls: failed to verify certificate: x509: certificate has expired or is not yet valid", "tls.expired"),
    (
        "x509: certificate has expired or is not yet valid: current time 2026-11-25T04:00:00Z is before 2027-01-01T00:00:00Z",
        "tls.not-yet-valid",
    ),
    ("x509: certificate is valid for es.example.net, not localhost", "tls.hostname-mismatch"),
    ("java.security.cert.CertificateException: No name matching es found", "tls.hostname-mismatch"),
    ("tls: first record does not look like a TLS handshake", "tls.plaintext-server"),
    ("http: server gave HTTP response to HTTPS client", "tls.plaintext-server"),
    ("remote error: tls: certificate required", "tls.client-cert-required"),
    ("remote error: tls: protocol version not supported", "tls.protocol-version"),
    ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1000)", "tls.handshake"),
    (
        'net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\x00\\x00\\x06\\x04\\x00\\x00\\x00\\x00\\x00\\x00\\x05"',
        "http.grpc-port",
    ),
    ("http.client.BadStatusLine: b'SSH-2.0-OpenSSH_9.2'", "http.not-http"),
    ("http.client.RemoteDisconnected: Remote end closed connection without response", "net.http.closed"),
    ("proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused", "http.proxy.down"),
    ("OSError: Tunnel connection failed: 403 Forbidden", "http.proxy.refused"),
    ("Tunnel connection failed: 407 Proxy Authentication Required", "http.proxy.auth"),
    ("http.client.IncompleteRead(12 bytes read, 488 more expected)", "http.truncated"),
    ("OSError: [Errno 101] Network is unreachable", "net.tcp.unreachable"),
    ('parse "http://host:abc": invalid port ":abc" after host', "config.url.bad-port"),
    ('Post "es:9200/_bulk": unsupported protocol scheme ""', "config.url.no-scheme"),
]
LONG = "failed to parse field [a] of type [long]"
BACKEND_TEXTS: list[tuple[str, str, str]] = [
    ("elasticsearch", "ApiError(429, 'circuit_breaking_exception', '[parent] Data too large')", "es.write.breaker"),
    (
        "elasticsearch",
        "AuthenticationException(401, 'security_exception', 'missing authentication credentials')",
        "es.auth.missing",
    ),
    (
        "elasticsearch",
        (
            "BulkIndexError: ('1 document(s) failed', [{'create': {'_index': 'm', 'status': 400, "
            f"'error': {{'type': 'document_parsing_exception', 'reason': '{LONG}'}}}}}}])"
        ),
        "es.write.mapping-type",
    ),
    (
        "elasticsearch",
        f'Cannot index event (status=400): {{"type":"mapper_parsing_exception","reason":"{LONG}"}}, dropping',
        "es.write.mapping-type",
    ),
    (
        "elasticsearch",
        "cluster_block_exception: index [m] blocked by: [TOO_MANY_REQUESTS/12/disk usage];",
        "es.write.flood-stage",
    ),
    ("elasticsearch", "unable to authenticate user [u] for REST request [/_bulk]", "es.auth.bad-password"),
    (
        "elasticsearch",
        "security_exception: unable to authenticate user [u] for REST request [/]",
        "es.auth.bad-password",
    ),
    ("elasticsearch", "ERROR es: [401] unable to authenticate user [u]", "es.auth.bad-password"),
    ("elasticsearch", "missing authentication credentials for REST request [/_bulk]", "es.auth.missing"),
    ("elasticsearch", "unable to find apikey with id VuaCfGcBCdbkQm", "es.auth.api-key-unknown"),
    ("elasticsearch", "[429] es_rejected_execution_exception: rejected execution", "es.write.queue-full"),
    ("opensearch", "TransportError(503, 'cluster_manager_not_discovered_exception', '')", "es.health.no-master"),
    ("opensearch", "AuthenticationException(401, 'Unauthorized')", "os.auth.unauthorized"),
    (
        "prometheus-remote-write",
        "server returned HTTP status 400 Bad Request: out of order sample",
        "prom.rw.out-of-order",
    ),
    (
        "prometheus-remote-write",
        "HTTP status 429 Too Many Requests: (err-mimir-tenant-max-ingestion-rate)",
        "mimir.rate",
    ),
    (
        "prometheus-remote-write",
        "Exporting failed. remote write returned HTTP status 401 Unauthorized: no org id",
        "mimir.org-id",
    ),
    (
        "prometheus-remote-write",
        "HTTP status 404 Not Found; err = <nil>: remote write receiver needs to be enabled",
        "prom.rw.disabled",
    ),
    ("prometheus-remote-write", "503 Service Unavailable", "http.server-error"),
]


@pytest.mark.parametrize(("text", "code"), TEXTS, ids=[code + " " + text[:30] for text, code in TEXTS])
def test_a_line_of_any_client_s_log_is_recognised(text: str, code: str) -> None:
    for exporter in EXPORTER.values():
        assert asked(exporter, Pasted(text=text)).code == code


@pytest.mark.parametrize(
    ("name", "text", "code"), BACKEND_TEXTS, ids=[f"{case[2]} {case[1][:20]}" for case in BACKEND_TEXTS]
)
def test_a_backend_s_own_words_are_found_in_a_line_of_a_log(name: str, text: str, code: str) -> None:
    assert asked(EXPORTER[name], Pasted(text=text)).code == code


def test_an_exporter_that_speaks_no_http_reads_texts_all_the_same() -> None:
    assert asked(ConsoleExporter(), Pasted(text="Connection refused")).code == "net.tcp.refused"
    assert asked(ConsoleExporter(), Pasted(text="something odd")).code == "diagnose.unrecognised"
    assert asked(ConsoleExporter(), Pasted(status=503, body=b"x")).code is not None


@pytest.mark.parametrize(
    "text",
    [
        "Illegal header value b'ApiKey c2VjcmV0c2VjcmV0\\n'",
        "odd failure with Authorization: Bearer c2VjcmV0c2VjcmV0",
        "odd failure of http://elastic:c2VjcmV0c2VjcmV0@es:9200/",
        "odd failure: password=c2VjcmV0c2VjcmV0",
        "HTTP 418: api_key: c2VjcmV0c2VjcmV0",
    ],
)
def test_a_secret_that_was_pasted_is_not_shown_again(text: str) -> None:
    for exporter in EXPORTER.values():
        assert "c2VjcmV0" not in repr(asked(exporter, Pasted(text=text)))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "errors",
                    "message",
                    "status",
                    "type",
                    "reason",
                    "items",
                    "create",
                    "data",
                    "result",
                    "hits",
                    "version",
                    "x",
                ]
            ),
            inside,
            max_size=4,
        )
    ),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-type", "server", "retry-after", "location", "grpc-status", "x-ratelimit-reset", "x-elastic-product"]
    ),
    st.sampled_from(
        [
            "text/html",
            "application/json",
            "application/grpc",
            "nginx",
            "envoy",
            "5",
            "-1",
            "nan",
            "Fri, 99 Foo",
            "",
            "1e400",
        ]
    ),
    max_size=4,
)
DURING: st.SearchStrategy[During | None] = st.sampled_from([None, "auth", "health", "write", "read"])


@given(st.sampled_from(sorted(EXPORTER)), st.integers(100, 999), HEADERS, BODIES, DURING)
def test_no_answer_raises_and_none_but_a_2xx_is_delivered(
    name: str, status: int, headers: dict[str, str], body: bytes, during: During | None
) -> None:
    diagnosis = asked(EXPORTER[name], Pasted(status, headers, body, during=during))
    if diagnosis.outcome == "delivered" and diagnosis.retry not in ("treat-as-success", "poll"):
        assert 200 <= status < 300, diagnosis
    assert diagnosis.after is None or 0 <= diagnosis.after < float("inf")


@given(st.sampled_from(sorted(EXPORTER)), st.text(max_size=300) | JSON_VALUES.map(json.dumps))
def test_no_text_raises(name: str, text: str) -> None:
    asked(EXPORTER[name], Pasted(text=text))
    asked(EXPORTER[name], Pasted(body=text.encode("utf-8", "surrogatepass")))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 50_000, "{" * 5_000, "a" * 1_000_000, "\x00" * 1000, "error " * 50_000]
)
def test_a_text_that_is_made_to_hurt_is_read_in_time(text: str) -> None:
    for exporter in EXPORTER.values():
        asked(exporter, Pasted(text=text))
        asked(exporter, Pasted(status=500, body=text.encode()))
