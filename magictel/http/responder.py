"""Who gave a reply: the backend itself, or what is in front of it (a proxy, a load balancer, a login page).

Read from shapes: headers that only such software sets, and the few bodies that it writes itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from magictel.http.wire import Reply

_READ = 20_000


class Kind(StrEnum):
    """What gave a reply, as far as it can be told."""

    BACKEND = "the backend"
    PROXY = "a proxy"
    BALANCER = "a load balancer"
    NETWORK = "a content network"
    GATEWAY = "an API gateway"
    LOGIN = "a login page"
    GRPC = "a gRPC service"
    PAGE = "a web server"


@dataclass(frozen=True, slots=True)
class Front:
    """Who answered: a kind, and a product where it named itself. As text: `nginx, a proxy`."""

    kind: Kind
    product: str = ""

    @property
    def named(self) -> bool:
        """True where it is known to be something else than the backend."""
        return self.kind is not Kind.BACKEND

    def __str__(self) -> str:
        return f"{self.product}, {self.kind}" if self.product else str(self.kind)


_SERVERS: tuple[tuple[str, Kind, str], ...] = (
    ("nginx", Kind.PROXY, "nginx"),
    ("openresty", Kind.PROXY, "openresty"),
    ("envoy", Kind.PROXY, "Envoy"),
    ("haproxy", Kind.PROXY, "HAProxy"),
    ("traefik", Kind.PROXY, "Traefik"),
    ("caddy", Kind.PROXY, "Caddy"),
    ("apache", Kind.PROXY, "Apache"),
    ("squid", Kind.PROXY, "Squid"),
    ("varnish", Kind.PROXY, "Varnish"),
    ("microsoft-iis", Kind.PROXY, "IIS"),
    ("awselb", Kind.BALANCER, "AWS ELB"),
    ("microsoft-azure-application-gateway", Kind.BALANCER, "Azure Application Gateway"),
    ("google frontend", Kind.BALANCER, "Google Frontend"),
    ("gws", Kind.BALANCER, "Google Frontend"),
    ("gse", Kind.BALANCER, "Google Frontend"),
    ("bigip", Kind.BALANCER, "BIG-IP"),
    ("big-ip", Kind.BALANCER, "BIG-IP"),
    ("cloudflare", Kind.NETWORK, "Cloudflare"),
    ("cloudfront", Kind.NETWORK, "CloudFront"),
    ("akamai", Kind.NETWORK, "Akamai"),
    ("kong", Kind.GATEWAY, "Kong"),
    ("apigee", Kind.GATEWAY, "Apigee"),
    ("zscaler", Kind.PROXY, "Zscaler"),
    ("vegur", Kind.BALANCER, "Heroku's router"),
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
"""Of these, who leave the backend's own Server header alone: where it names them, they answered themselves, in JSON as well."""
_VIA = (("google", "google frontend"), ("cloudfront", "cloudfront"), ("heroku", "vegur"))
"""How `Via` names those whose Server header is another word."""
_HEADERS: tuple[tuple[str, Kind, str], ...] = (
    ("cf-ray", Kind.NETWORK, "Cloudflare"),
    ("x-amz-cf-id", Kind.NETWORK, "CloudFront"),
    ("x-azure-ref", Kind.NETWORK, "Azure Front Door"),
    ("x-amz-apigw-id", Kind.GATEWAY, "AWS API Gateway"),
    ("x-amzn-errortype", Kind.GATEWAY, "AWS"),
    ("x-kong-response-latency", Kind.GATEWAY, "Kong"),
    ("x-squid-error", Kind.PROXY, "Squid"),
    ("x-envoy-upstream-service-time", Kind.BACKEND, ""),
)
_BODIES: tuple[tuple[str, Kind, str], ...] = (
    ("upstream connect error or disconnect/reset before headers", Kind.PROXY, "Envoy"),
    ("no healthy upstream", Kind.PROXY, "Envoy"),
    ("rbac: access denied", Kind.PROXY, "Envoy"),
    ("upstream request timeout", Kind.PROXY, "Envoy"),
    ("no server is available to handle this request", Kind.PROXY, "HAProxy"),
    ("default backend - 404", Kind.PROXY, "Kubernetes ingress"),
    ("no route matched with those values", Kind.GATEWAY, "Kong"),
    ("endpoint request timed out", Kind.GATEWAY, "AWS API Gateway"),
    ("<center>nginx", Kind.PROXY, "nginx"),
    ("<center>openresty", Kind.PROXY, "openresty"),
    ("<hr><address>apache", Kind.PROXY, "Apache"),
    ("error code: 1", Kind.NETWORK, "Cloudflare"),
    ("varnish cache server", Kind.PROXY, "Varnish"),
)
_HAPROXY = re.compile(r"<html><body><h1>\d{3} [^<]+</h1>\n[^<]+\n</body></html>\s*")
"""The whole of every page that HAProxy makes (its http_msg.c), whatever the status."""
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
"""Where a redirect leads that wants somebody to log in: by the protocols' own words, and by what such hosts are called."""


def front_of(reply: Reply) -> Front:
    """Who gave the reply."""
    kind = reply.content_type
    if "grpc-status" in reply.headers or kind.startswith("application/grpc"):
        return Front(Kind.GRPC)
    text = reply.text[:_READ]
    page = reply.looks_like_html
    if page and _LOGIN.search(text):
        return Front(Kind.LOGIN)
    if _LOGIN_AT.search(reply.headers.get("location", "")):
        return Front(Kind.LOGIN)
    value = reply.json()
    if isinstance(value, Mapping) and not reply.ok:
        if "__type" in value:  # AWS's JSON protocol
            return Front(Kind.GATEWAY, "AWS")
        if value.get("kind") == "Status" and "apiVersion" in value:
            return Front(Kind.GATEWAY, "Kubernetes")
    told = _named_server(reply.headers.get("server", "").lower())
    named = next((one for one in _HEADERS if one[0] in reply.headers and one[1] is not Kind.BACKEND), None)
    body = next((one for one in _BODIES if one[0] in text[:2_000].lower()), None)
    if body or named:
        _, found, product = body or named or ("", Kind.PAGE, "")
        return Front(found, product)
    if _HAPROXY.fullmatch(text):
        return Front(Kind.PROXY, "HAProxy")
    structured = not page and value is not None
    # a proxy passes the backend's own JSON on under its own Server header
    if told and (page or not structured or told[0] in _OWN_SERVER):
        return Front(told[1], told[2])
    passed = _named_server(_via(reply)) if page else None  # no backend of metrics answers with a page
    if passed:
        return Front(passed[1], passed[2])
    away = 300 <= reply.status < 400 and "://" in reply.headers.get("location", "")
    return Front(Kind.PAGE) if page or away else Front(Kind.BACKEND)


def _named_server(named: str) -> tuple[str, Kind, str] | None:
    return next((one for one in _SERVERS if one[0] in named), None)


def _via(reply: Reply) -> str:
    via = reply.headers.get("via", "").lower()
    return " ".join([via, *(server for said, server in _VIA if said in via)])
