# ruff: noqa: E501 # answers are as long as they are
"""What stands before backends, and backends of no exporter of ours: sixty answers in their own words, each with a class that is safe."""

from __future__ import annotations

import pytest

from magictel.diagnose.diagnose import diagnose
from magictel.diagnose.diagnosis import STANDS_WITH, Pasted
from tests.diagnose.scripted import EXPORTERS, answering, at_the_edge, climbed, exporter_at, raw

HTML = {"content-type": "text/html"}
TEXT = {"content-type": "text/plain"}
JSON = {"content-type": "application/json"}
XML = {"content-type": "application/xml"}
SAFE, NO, SPLIT = {"backoff", "after-header", "slow"}, {"no"}, {"split"}
ANY = SAFE | NO
"""Nobody can say: a client's own time-out, a throttling that hides behind a 400."""
EXPORTER = {name: exporter_at(name, "http://localhost:9200") for name in EXPORTERS}

ANSWERS: list[tuple[str, int, dict[str, str], str, set[str]]] = [
    (
        "S3 slow down",
        503,
        XML,
        '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message><RequestId>x</RequestId></Error>',
        SAFE,
    ),
    (
        "S3 denied",
        403,
        XML,
        '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
        NO,
    ),
    (
        "S3 XML unlabelled",
        403,
        {},
        '<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature does not match</Message></Error>',
        NO,
    ),
    (
        "Azure XML busy",
        503,
        XML,
        '\ufeff<?xml version="1.0"?><Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>',
        SAFE,
    ),
    (
        "AWS query XML throttled",
        400,
        XML,
        "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>",
        ANY,
    ),
    ("Istio RBAC", 403, TEXT | {"server": "istio-envoy"}, "RBAC: access denied", NO),
    ("Istio local rate", 429, TEXT | {"server": "istio-envoy"}, "local_rate_limited", SAFE),
    ("Envoy json", 503, JSON | {"server": "envoy"}, '{"message":"no healthy upstream"}', SAFE),
    ("Envoy 404", 404, {"server": "envoy"}, "", NO),
    (
        "haproxy 403",
        403,
        HTML,
        "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>",
        NO,
    ),
    (
        "haproxy 408",
        408,
        HTML,
        "<html><body><h1>408 Request Time-out</h1>\nYour browser didn't send a complete request in time.\n</body></html>",
        SAFE,
    ),
    (
        "haproxy 504",
        504,
        HTML,
        "<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n</body></html>",
        SAFE,
    ),
    (
        "kong 503",
        503,
        JSON | {"server": "kong/3.4"},
        '{"message":"failure to get a peer from the ring-balancer"}',
        SAFE,
    ),
    (
        "kong 429",
        429,
        JSON | {"server": "kong/3.4", "ratelimit-reset": "12"},
        '{"message":"API rate limit exceeded"}',
        SAFE,
    ),
    (
        "kong 401",
        401,
        JSON | {"server": "kong/3.4", "www-authenticate": 'Key realm="kong"'},
        '{"message":"No API key found in request"}',
        NO,
    ),
    ("traefik 504", 504, TEXT, "Gateway Timeout", SAFE),
    ("traefik 503", 503, TEXT, "no available server", SAFE),
    ("traefik 429", 429, TEXT, "Too Many Requests", SAFE),
    ("nginx 499", 499, HTML | {"server": "nginx"}, "<html>", ANY),
    (
        "nginx 495",
        400,
        HTML | {"server": "nginx"},
        "<html><head><title>400 The SSL certificate error</title></head><body><center><h1>400 Bad Request</h1></center><center>The SSL certificate error</center><hr><center>nginx</center></body></html>",
        NO,
    ),
    (
        "cloudfront WAF",
        403,
        HTML | {"server": "CloudFront"},
        "<HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD><BODY>Request blocked.</BODY></HTML>",
        NO,
    ),
    (
        "cloudflare 1015",
        429,
        HTML | {"server": "cloudflare", "cf-ray": "x", "retry-after": "30"},
        "<html><title>Access denied | used Cloudflare to restrict access</title>error 1015",
        SAFE,
    ),
    ("cloudflare 524", 524, {"server": "cloudflare", "cf-ray": "x"}, "error code: 524", SAFE),
    ("cloudflare 530", 530, {"server": "cloudflare", "cf-ray": "x"}, "error code: 1033", SAFE),
    ("alb 502", 502, HTML | {"server": "awselb/2.0"}, "<html><head><title>502 Bad Gateway</title></head></html>", SAFE),
    ("alb 464", 464, {"server": "awselb/2.0"}, "", NO),
    (
        "apigw token",
        403,
        JSON | {"x-amzn-errortype": "MissingAuthenticationTokenException"},
        '{"message":"Missing Authentication Token"}',
        NO,
    ),
    ("apigw expired", 403, JSON, '{"message":"The security token included in the request is expired"}', NO),
    ("apigw 429", 429, JSON, '{"message":"Too Many Requests"}', SAFE),
    (
        "apim 429",
        429,
        JSON | {"retry-after": "9"},
        '{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 9 seconds." }',
        SAFE,
    ),
    ("apim 401", 401, JSON, '{ "statusCode": 401, "message": "Access denied due to missing subscription key." }', NO),
    (
        "gcp html 404",
        404,
        HTML,
        "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title><p>The requested URL <code>/x</code> was not found",
        NO,
    ),
    ("gcp 503", 503, HTML | {"server": "Google Frontend"}, "<html><title>503 Server Error</title>", SAFE),
    (
        "captive portal page",
        200,
        HTML,
        '<html><head><meta http-equiv="refresh" content="0; url=http://portal/"></head><body>Welcome to Hotel WiFi</body></html>',
        NO,
    ),
    ("captive 302", 302, {"location": "http://10.0.0.1/portal?orig=x"}, "", NO),
    ("sso 303", 303, {"location": "https://idp.example/saml2?SAMLRequest=abc"}, "", NO),
    ("sso 307", 307, {"location": "https://login.microsoftonline.com/x/oauth2/v2.0/authorize"}, "", NO),
    (
        "cf access",
        302,
        {"location": "https://team.cloudflareaccess.com/cdn-cgi/access/login/x", "server": "cloudflare", "cf-ray": "x"},
        "",
        NO,
    ),
    ("iap 401", 401, HTML, "Invalid IAP credentials: empty token", NO),
    ("http to https 301", 301, {"location": "https://es:9200/", "server": "nginx"}, "", NO),
    (
        "spa index",
        200,
        HTML,
        '<!doctype html><html><head><title>Grafana</title></head><body><div id="reactRoot"></div>',
        NO,
    ),
    (
        "openshift route",
        503,
        HTML,
        "<html><head></head><body><div><h1>Application is not available</h1><p>The application is currently not serving requests at this endpoint.</p>",
        SAFE,
    ),
    ("heroku", 503, HTML, "<!DOCTYPE html><html><head><title>Application error</title></head>", SAFE),
    (
        "loki 429",
        429,
        TEXT,
        "Ingestion rate limit exceeded for user x (limit: 4194304 bytes/sec) while attempting to ingest 1000 lines",
        SAFE,
    ),
    ("loki 400 old", 400, TEXT, "entry for stream '{a=\"b\"}' has timestamp too old: 2024", NO),
    ("loki 500", 500, TEXT, "at least 2 live replicas required, could only find 1", SAFE),
    ("grafana cloud 401", 401, JSON, '{"status":"error","error":"authentication error: invalid token"}', NO),
    ("tempo trace too big", 413, TEXT, "request body too large", SPLIT),
    ("splunk 403", 403, JSON, '{"text":"Invalid token","code":4}', NO),
    ("splunk 400 no data", 400, JSON, '{"text":"No data","code":5}', NO),
    (
        "honeycomb list",
        200,
        JSON,
        '[{"status":202},{"status":429,"error":"request dropped due to rate limiting"}]',
        ANY,
    ),
    ("clickhouse", 500, TEXT, "Code: 241. DB::Exception: Memory limit (total) exceeded", SAFE),
    ("graphite-ish 400", 400, TEXT, "bad request", NO),
    ("akamai", 403, HTML | {"server": "AkamaiGHost"}, "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD>", NO),
    (
        "squid 503",
        503,
        HTML | {"server": "squid/5.7", "x-squid-error": "ERR_CONNECT_FAIL 111"},
        "<html><head><title>ERROR: The requested URL could not be retrieved</title>",
        SAFE,
    ),
    ("zscaler block", 403, HTML, "<html><head><title>Internet Security by Zscaler</title></head>", NO),
    ("spring", 500, JSON, '{"timestamp":"2026","status":500,"error":"Internal Server Error","path":"/x"}', SAFE),
    (
        "aspnet problem",
        400,
        {"content-type": "application/problem+json"},
        '{"type":"https://tools","title":"One or more validation errors occurred.","status":400,"errors":{"x":["bad"]}}',
        NO,
    ),
    (
        "k8s api",
        403,
        JSON,
        '{"kind":"Status","apiVersion":"v1","status":"Failure","message":"services \\"es\\" is forbidden","reason":"Forbidden","code":403}',
        NO,
    ),
    ("php warn 200", 200, HTML, "<br /><b>Fatal error</b>: Uncaught", NO),
]


@pytest.mark.parametrize("name", EXPORTER)
@pytest.mark.parametrize(
    ("status", "headers", "body", "retry"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_the_class_is_safe_and_the_sentence_readable(
    status: int, headers: dict[str, str], body: str, retry: set[str], name: str
) -> None:
    diagnosis = diagnose(EXPORTER[name], Pasted(status, headers, body.encode()))
    never = name == "otlp" and status not in (429, 502, 503, 504)  # by its specification
    retry = {*retry, "backoff"} if at_the_edge(name, status, body) else retry
    assert diagnosis.retry in ({*retry, "no"} if never else retry), diagnosis
    assert diagnosis.outcome in STANDS_WITH[diagnosis.retry]
    assert diagnosis.outcome != "delivered"
    assert diagnosis.remedy
    assert not any(mark in diagnosis.message for mark in ("<", '{"')), diagnosis.message


WORDS = [
    ("S3 slow down", "SlowDown: Please reduce your request rate."),
    ("Azure XML busy", "ServerBusy: The server is busy."),
    ("AWS query XML throttled", "Throttling: Rate exceeded"),
    ("splunk 403", "Invalid token"),
    ("kong 401", "No API key found in request"),
    ("grafana cloud 401", "authentication error: invalid token"),
]


@pytest.mark.parametrize(("name", "words"), WORDS, ids=[case[0] for case in WORDS])
def test_the_answer_s_own_sentence_is_told(name: str, words: str) -> None:
    _, status, headers, body, _ = next(row for row in ANSWERS if row[0] == name)
    assert words in diagnose(EXPORTER["elasticsearch"], Pasted(status, headers, body.encode())).message


@pytest.mark.parametrize(
    "name", ["S3 slow down", "kong 503", "traefik 503", "haproxy 504", "Istio local rate", "heroku"]
)
def test_the_ladder_gives_the_code_that_diagnose_gives(name: str) -> None:
    _, status, headers, body, _ = next(row for row in ANSWERS if row[0] == name)
    diagnosis = diagnose(EXPORTER["elasticsearch"], Pasted(status, headers, body.encode()))
    with answering("elasticsearch", {"": raw(status, headers, body.encode())}) as url:
        first, _ = climbed(exporter_at("elasticsearch", url))
    assert first == diagnosis.code
