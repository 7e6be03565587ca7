"""Probes of the rungs below write: product, credentials, health, clock."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from magictel.clock import Clock
from magictel.exporters.elasticsearch.errors import Cause, cause_of, read, unauthenticated
from magictel.exporters.elasticsearch.version import Product, ask_product, product_of
from magictel.http.amazon import SIGN, unsigned, unsigned_message
from magictel.http.reply_words import words_of
from magictel.http.wire import Reply, Wire
from magictel.ladder.clock import clock, time_of
from magictel.ladder.credentials import SentCredentials, unauthorized
from magictel.ladder.http import answered, unavailable
from magictel.model.finding import Finding, Rung

_OLDEST = (7,)
_NO_HANDLER = frozenset({400, 404, 405})
"""Statuses of a version without the API: real engines answer 400 and 405, a proxy 404."""


def http(wire: Wire, opensearch: bool, now: float) -> Finding:
    """Check that Elasticsearch or OpenSearch answers. Its own 401 or 403 passes: the next rung checks the credentials."""
    reply = answered(wire)
    if isinstance(reply, Finding):
        return _plain_http(reply, opensearch)
    product = product_of(reply)
    if product is not None:
        if not product.opensearch and product.version and product.version < _OLDEST:
            return Finding.failed(
                Rung.HTTP,
                "es.product.too-old",
                f"{product} is older than 7.0",
                "upgrade the cluster",
                product=str(product),
            )
        if product.opensearch != opensearch:
            return _other_product(wire, product)
        cluster = f", cluster {product.cluster}" if product.cluster else ""
        return Finding.passed(
            Rung.HTTP, f"{product}{cluster}", product=product.name, version=product.number, status=reply.status
        )
    seen = {"status": reply.status, "first_bytes": wire.first_bytes(reply), "content_type": reply.content_type}
    if reply.status in (401, 403) and (_own_error(reply) or _plain_refusal(reply)):
        words = f"as {_name(opensearch)} does" if _own_error(reply) else "and asks for credentials or rights"
        return Finding.passed(Rung.HTTP, f"answers {reply.status} {words}", **seen)
    cause = _cause(reply)
    if wire.endpoint.path.strip("/") and (_is_index(reply) or "index_not_found_exception" in cause.types):
        return _index_in_url(wire, opensearch, seen)
    trouble = read(reply.status, cause) if cause != Cause() else None
    if trouble is not None:
        return trouble.finding(Rung.HTTP, **seen)
    busy = unavailable(reply, wire, now, _name(opensearch))
    if busy is not None:
        return busy
    if reply.ok and reply.headers.get("x-elastic-product") == "Elasticsearch":
        if wire.endpoint.path.strip("/"):
            return _index_in_url(wire, opensearch, seen)
        return Finding.passed(Rung.HTTP, "Elasticsearch, by its header; the version is unknown", **seen)
    if reply.json() is None and reply.body.strip():
        return Finding.failed(
            Rung.HTTP,
            "http.not-a-backend",
            f"{wire.endpoint.origin} answers {reply.status}, and not in JSON as {_name(opensearch)} does",
            "check host, port and path: another service listens there",
            **seen,
        )
    return Finding.failed(
        Rung.HTTP,
        "es.product.unknown",
        f"{wire.endpoint.origin} answers {reply.status}, and its body names neither Elasticsearch nor OpenSearch",
        "check host, port and path; a proxy must pass GET / through unchanged",
        **seen,
    )


def _other_product(wire: Wire, product: Product) -> Finding:
    other = "opensearch" if product.opensearch else "elasticsearch"
    return Finding.failed(
        Rung.HTTP,
        "es.product.other",
        f"{wire.endpoint.origin} is {product}, and this exporter is for {_name(not product.opensearch)}",
        f"use the exporter {other}: magictel check {other} --set url={wire.endpoint}",
        product=product.name,
        version=product.number,
    )


def _is_index(reply: Reply) -> bool:
    """True for the answer to `GET /INDEX`: what the index is, under its name."""
    body = reply.json()
    if not reply.ok or not isinstance(body, dict) or not body:
        return False
    return all(
        isinstance(index, dict) and {"aliases", "mappings", "settings"} <= index.keys() for index in body.values()
    )


def _index_in_url(wire: Wire, opensearch: bool, seen: dict[str, Any]) -> Finding:
    first = wire.endpoint.path.strip("/").partition("/")[0]
    index = "" if first.startswith("_") else f" --set index={first}"
    names = "is one of the cluster's APIs" if not index else "names an index"
    return Finding.failed(
        Rung.HTTP,
        "es.url.path",
        f"the path {wire.endpoint.path} of the URL {names}, and the URL must be the cluster's own address",
        f"magictel check {_name(opensearch).lower()} --set url={wire.endpoint.origin}{index}",
        **seen,
    )


def _plain_http(finding: Finding, opensearch: bool) -> Finding:
    """Elasticsearch closes a plain request to its TLS port without a reply; others reset it or answer 400."""
    if opensearch or finding.code != "http.tls-port" or finding.evidence.get("failure") != "net.http.closed":
        return finding
    return replace(
        finding, code="es.tls.http-on-https-port", message=f"{finding.message}: security is on by default there"
    )


def auth(wire: Wire, opensearch: bool, given: SentCredentials) -> Finding:
    """Check the credentials, and show whose they are."""
    product = ask_product(wire, opensearch)
    path = "/_plugins/_security/authinfo" if product.opensearch else "/_security/_authenticate"
    reply = wire.get(path)
    sent = f"with {given.option}" if given.option else "without credentials"
    if reply.status == 200 and isinstance(reply.json(), dict):
        return Finding.passed(Rung.AUTH, f"{_who(reply.json())}, {sent}", security="on", **_evidence(reply.json()))
    if reply.status == 401:
        return refused(wire, reply, product.opensearch, given)
    if reply.status in _NO_HANDLER:
        ignored = f"; {given.option} is sent but ignored" if given.option else ""
        return Finding.passed(
            Rung.AUTH, f"security is disabled: anyone may write{ignored}", security="off", status=reply.status
        )
    response = wire.first_bytes(reply)
    if unsigned(reply):
        return Finding.failed(
            Rung.AUTH, "os.aws.unsigned", unsigned_message(words_of(reply)), SIGN, status=reply.status
        )
    if reply.status == 403:
        return Finding.warned(
            Rung.AUTH,
            "es.auth.unknown",
            f"403: the credentials may not ask which user they belong to: {response}",
            None,
            status=reply.status,
        )
    return Finding.warned(
        Rung.AUTH, "es.auth.unknown", f"{reply.status} to {path}: {response}", None, status=reply.status
    )


def refused(wire: Wire, reply: Reply, opensearch: bool, given: SentCredentials) -> Finding:
    """Return the finding for a 401."""
    cause = _cause(reply)
    if cause == Cause() or opensearch:  # Elasticsearch's own names an error
        code = "os.auth.unauthorized" if opensearch else "http.unauthorized"
        return unauthorized(reply, wire, given, code=code)
    return unauthenticated(cause).finding(Rung.AUTH, status=401)


def health(wire: Wire) -> Finding:
    """Check the cluster's health. A key that may only write is not allowed to ask, which is a warning."""
    limit = max(1, int(wire.timeout * 800))
    reply = wire.get(f"/_cluster/health?master_timeout={limit}ms&timeout={limit}ms")
    body = reply.json()
    if isinstance(body, dict) and body.get("status") in ("green", "yellow", "red"):
        return _health(body)
    cause = _cause(reply)
    response = wire.first_bytes(reply)
    if reply.status == 410:
        return Finding.skipped(
            Rung.HEALTH, "a serverless project has no cluster health", "es.health.serverless", status=410
        )
    if reply.status in (401, 403):
        return Finding.warned(
            Rung.HEALTH,
            "es.authz.monitor",
            "the credentials may not ask for the cluster's health; writing does not need it",
            "grant the cluster privilege monitor, or skip the check: --skip es.authz.monitor",
            status=reply.status,
            said=response,
        )
    trouble = read(reply.status, cause) if cause != Cause() else None
    if trouble is not None and reply.status >= 429:
        return trouble.finding(Rung.HEALTH, status=reply.status)
    if reply.status in _NO_HANDLER:
        return Finding.skipped(
            Rung.HEALTH,
            "this service has no cluster health",
            "es.health.serverless",
            status=reply.status,
            said=response,
        )
    return Finding.failed(
        Rung.HEALTH,
        "es.health.unreadable",
        f"{reply.status} to _cluster/health: {response or 'nothing'}",
        "try GET _cluster/health?pretty yourself; a proxy in front of the cluster may not pass it through",
        status=reply.status,
    )


def time(wire: Wire, now_clock: Clock, window: tuple[float, float]) -> Finding:
    """Compare the clocks. Elasticsearch sends no Date before a fix of 2026-08: then `_cat/health` has the time."""
    reply = wire.get("/")
    there = time_of(reply)
    if there is None:
        reply = wire.get("/_cat/health?h=epoch")
        text = reply.text.strip()
        there = float(text) if reply.ok and text.isdigit() else None
    return clock(there, now_clock.now() - reply.seconds / 2, window)


def _health(body: dict[str, Any]) -> Finding:
    nodes = body.get("number_of_data_nodes")
    evidence = {
        key: body[key]
        for key in (
            "cluster_name",
            "status",
            "number_of_nodes",
            "number_of_data_nodes",
            "unassigned_shards",
            "timed_out",
        )
        if key in body
    }
    if body.get("timed_out"):
        return Finding.failed(
            Rung.HEALTH, "es.health.timed-out", "the cluster did not report its health in time",
            "check its load: GET _cluster/pending_tasks", **evidence,
        )  # fmt: skip
    match body["status"]:
        case "green":
            return Finding.passed(Rung.HEALTH, "green", **evidence)
        case "yellow" if nodes == 1:
            return Finding.passed(Rung.HEALTH, "yellow, as is normal with one data node", **evidence)
        case "yellow":
            return Finding.warned(
                Rung.HEALTH, "es.health.yellow", f"yellow: {body.get('unassigned_shards')} copies of shards have no node",
                "GET _cluster/allocation/explain says why", **evidence,
            )  # fmt: skip
    return Finding.failed(
        Rung.HEALTH, "es.health.red", f"red: {body.get('unassigned_shards')} shards have no node, some data cannot be reached",
        "GET _cluster/allocation/explain says why", **evidence,
    )  # fmt: skip


def _cause(reply: Reply) -> Cause:
    body = reply.json()
    return cause_of(body.get("error")) if isinstance(body, dict) else Cause()


def _own_error(reply: Reply) -> bool:
    """True for an error in the form of Elasticsearch and OpenSearch."""
    body = reply.json()
    return isinstance(body, dict) and "error" in body and ("status" in body or isinstance(body["error"], str))


def _plain_refusal(reply: Reply) -> bool:
    """OpenSearch's security plugin: a 401 in plain text or with no body at all; Amazon's is `{"Message": …}`."""
    body = reply.json()
    if isinstance(body, dict):
        return "Message" in body or "message" in body
    return not reply.looks_like_html


def _who(body: dict[str, Any]) -> str:
    name = body.get("username") or body.get("user_name") or body.get("user") or "unknown"
    key = body.get("api_key")
    if isinstance(key, dict):
        return f"API key {key.get('name') or key.get('id')} of {name}"
    return f"user {name}"


def _evidence(body: dict[str, Any]) -> dict[str, Any]:
    wanted = ("username", "user_name", "roles", "backend_roles", "authentication_type")
    return {key: body[key] for key in wanted if key in body}


def _name(opensearch: bool) -> str:
    return "OpenSearch" if opensearch else "Elasticsearch"
