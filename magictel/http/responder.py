"""Detection of the responder: the backend itself, or a proxy, load balancer or login page in front of it.

Based on headers that only such software sets, and on the few bodies that it writes itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from magictel.http.wire import Reply

_READ = 20_000


class ResponderKind(StrEnum):
    """The type of software that sent a reply."""

    BACKEND = "the backend"
    PROXY = "a proxy"
    BALANCER = "a load balancer"
    NETWORK = "a content network"
    GATEWAY = "an API gateway"
    LOGIN = "a login page"
    GRPC = "a gRPC service"
    PAGE = "a web server"


class Responder(msgspec.Struct, frozen=True):
    """The sender of a reply: its type, and its product if known. As text: `nginx, a proxy`."""

    kind: ResponderKind
    product: str = ""

    @property
    def named(self) -> bool:
        """Return whether it is known not to be the backend."""
        return self.kind is not ResponderKind.BACKEND

    def __str__(self) -> str:
        return f"{self.product}, {self.kind}" if self.product else str(self.kind)


_SERVERS: tuple[tuple[str, ResponderKind, str], ...] = (
    ("nginx", ResponderKind.PROXY, "nginx"),
    ("openresty", ResponderKind.PROXY, "openresty"),
    ("envoy", ResponderKind.PROXY, "Envoy"),
    ("haproxy", ResponderKind.PROXY, "HAProxy"),
    ("traefik", ResponderKind.PROXY, "Traefik"),
    ("caddy", ResponderKind.PROXY, "Caddy"),
    ("apache", ResponderKind.PROXY, "Apache"),
    ("squid", ResponderKind.PROXY, "Squid"),
    ("varnish", ResponderKind.PROXY, "Varnish"),
    ("microsoft-iis", ResponderKind.PROXY, "IIS"),
    ("awselb", ResponderKind.BALANCER, "AWS ELB"),
    ("microsoft-azure-application-gateway", ResponderKind.BALANCER, "Azure Application Gateway"),
    ("google frontend", ResponderKind.BALANCER, "Google Frontend"),
    ("gws", ResponderKind.BALANCER, "Google Frontend"),
    ("gse", ResponderKind.BALANCER, "Google Frontend"),
    ("bigip", ResponderKind.BALANCER, "BIG-IP"),
    ("big-ip", ResponderKind.BALANCER, "BIG-IP"),
    ("cloudflare", ResponderKind.NETWORK, "Cloudflare"),
    ("cloudfront", ResponderKind.NETWORK, "CloudFront"),
    ("akamai", ResponderKind.NETWORK, "Akamai"),
    ("kong", ResponderKind.GATEWAY, "Kong"),
    ("apigee", ResponderKind.GATEWAY, "Apigee"),
    ("zscaler", ResponderKind.PROXY, "Zscaler"),
    ("vegur", ResponderKind.BALANCER, "Heroku's router"),
)
_OWN_SERVER = frozenset(
    {
        "awselb",
        "kong",
        "apigee",
        "akamai",
        "cloudfront",
        "squid",
        "varnish",
        "zscaler",
        "microsoft-azure-application-gateway",
    }
)
"""Servers that keep the backend's own Server header: if it names them, they answered themselves, even with JSON."""
_VIA = (("google", "google frontend"), ("cloudfront", "cloudfront"), ("heroku", "vegur"))
"""Names in `Via` of servers with another Server header."""
_HEADERS: tuple[tuple[str, ResponderKind, str], ...] = (
    ("cf-ray", ResponderKind.NETWORK, "Cloudflare"),
    ("x-amz-cf-id", ResponderKind.NETWORK, "CloudFront"),
    ("x-azure-ref", ResponderKind.NETWORK, "Azure Front Door"),
    ("x-amz-apigw-id", ResponderKind.GATEWAY, "AWS API Gateway"),
    ("x-amzn-errortype", ResponderKind.GATEWAY, "AWS"),
    ("x-kong-response-latency", ResponderKind.GATEWAY, "Kong"),
    ("x-squid-error", ResponderKind.PROXY, "Squid"),
    ("x-envoy-upstream-service-time", ResponderKind.BACKEND, ""),
)
_BODIES: tuple[tuple[str, ResponderKind, str], ...] = (
    ("upstream connect error or disconnect/reset before headers", ResponderKind.PROXY, "Envoy"),
    ("no healthy upstream", ResponderKind.PROXY, "Envoy"),
    ("rbac: access denied", ResponderKind.PROXY, "Envoy"),
    ("upstream request timeout", ResponderKind.PROXY, "Envoy"),
    ("no server is available to handle this request", ResponderKind.PROXY, "HAProxy"),
    ("default backend - 404", ResponderKind.PROXY, "Kubernetes ingress"),
    ("no route matched with those values", ResponderKind.GATEWAY, "Kong"),
    ("endpoint request timed out", ResponderKind.GATEWAY, "AWS API Gateway"),
    ("<center>nginx", ResponderKind.PROXY, "nginx"),
    ("<center>openresty", ResponderKind.PROXY, "openresty"),
    ("<hr><address>apache", ResponderKind.PROXY, "Apache"),
    ("error code: 1", ResponderKind.NETWORK, "Cloudflare"),
    ("varnish cache server", ResponderKind.PROXY, "Varnish"),
)
_HAPROXY = re.compile(r"<html><body><h1>\d{3} [^<]+</h1>\n[^<]+\n</body></html>\s*")
"""The complete page that HAProxy writes (its http_msg.c), for any status."""
_LOGIN = re.compile(
    r"type=[\"']?password|samlrequest|name=[\"']?samlresponse|oauth2/authorize|openid-connect|/login\b|"
    r"\b(sign|log)[ -]?in\b|single sign-on",
    re.IGNORECASE,
)
_LOGIN_AT = re.compile(
    r"\b(?:log|sign)[-_]?[io]n\b|oauth|openid|\bsaml|[?&]samlrequest=|\bsso\b|/adfs/|\bwsignin|/cas/|/realms/|/authorize\b|"
    r"//(?:accounts|auth|idp|sts)\.",
    re.IGNORECASE,
)
"""Redirect targets of logins: words of the protocols, and common names of such hosts."""


def responder_of(reply: Reply) -> Responder:
    """Return the responder of a reply."""
    kind = reply.content_type
    if "grpc-status" in reply.headers or kind.startswith("application/grpc"):
        return Responder(ResponderKind.GRPC)
    text = reply.text[:_READ]
    page = reply.looks_like_html
    if page and _LOGIN.search(text):
        return Responder(ResponderKind.LOGIN)
    if _LOGIN_AT.search(reply.headers.get("location", "")):
        return Responder(ResponderKind.LOGIN)
    value = reply.json()
    if isinstance(value, Mapping) and not reply.ok:
        if "__type" in value:  # AWS's JSON protocol
            return Responder(ResponderKind.GATEWAY, "AWS")
        if value.get("kind") == "Status" and "apiVersion" in value:
            return Responder(ResponderKind.GATEWAY, "Kubernetes")
    named_by_server = _named_server(reply.headers.get("server", "").lower())
    named = next((row for row in _HEADERS if row[0] in reply.headers and row[1] is not ResponderKind.BACKEND), None)
    body = next((row for row in _BODIES if row[0] in text[:2_000].lower()), None)
    if body or named:
        _, responder_kind, product = body or named or ("", ResponderKind.PAGE, "")
        return Responder(responder_kind, product)
    if _HAPROXY.fullmatch(text):
        return Responder(ResponderKind.PROXY, "HAProxy")
    structured = not page and value is not None
    # a proxy passes the backend's own JSON on under its own Server header
    if named_by_server and (page or not structured or named_by_server[0] in _OWN_SERVER):
        return Responder(named_by_server[1], named_by_server[2])
    passed = _named_server(_via(reply)) if page else None  # no metrics backend answers with a web page
    if passed:
        return Responder(passed[1], passed[2])
    away = 300 <= reply.status < 400 and "://" in reply.headers.get("location", "")
    return Responder(ResponderKind.PAGE) if page or away else Responder(ResponderKind.BACKEND)


def _named_server(named: str) -> tuple[str, ResponderKind, str] | None:
    return next((row for row in _SERVERS if row[0] in named), None)


def _via(reply: Reply) -> str:
    via = reply.headers.get("via", "").lower()
    return " ".join([via, *(server for name, server in _VIA if name in via)])
