"""Faults that show the same face: from one answer or one line of a log alone they cannot be told apart.

The ladder's second probe decides between them; a diagnosis names them as alternatives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another fault that would look like this: its code, and what speaks for it or tells it apart."""

    code: str
    why: str


_TLS_PORT = Alternative(
    "http.tls-port", "http:// to a port that speaks TLS is reset or closed; the ladder asks once more with TLS"
)
_ES_TLS_PORT = Alternative(
    "es.tls.http-on-https-port", "Elasticsearch 8 and later speak TLS by default, and close plain http without a word"
)
_NOT_HTTP = Alternative(
    "http.not-http", "a server of another protocol does the same; the ladder listens for what it says"
)
_RESET = Alternative("net.tcp.reset", "a restart or a proxy's limit resets connections as well")
_CLOSED = Alternative("net.http.closed", "a server that restarts closes connections in this way")
_EMPTY_SECRET = Alternative(
    "config.secret.empty", "an empty variable sends empty credentials: magictel config show TARGET --origin"
)
_LOOK_ALIKES: Mapping[str, tuple[Alternative, ...]] = {
    "net.tcp.reset": (_TLS_PORT, _ES_TLS_PORT, _NOT_HTTP, _CLOSED),
    "net.http.closed": (_ES_TLS_PORT, _TLS_PORT, _NOT_HTTP, _RESET),
    "http.tls-port": (_ES_TLS_PORT,),
    "net.tcp.refused": (
        Alternative(
            "http.proxy.down", "a proxy that is down says the same words: look for HTTPS_PROXY and the proxy setting"
        ),
        Alternative("config.url.bad-port", "a port over 65535 wraps around in some clients: magictel config check"),
    ),
    "http.proxy.down": (Alternative("net.tcp.refused", "without a proxy, nothing listens at the backend's address"),),
    "net.dns.not-found": (
        Alternative("config.url.unexpanded-variable", "a ${VAR} that was never replaced is asked for as a name"),
    ),
    "config.url.unexpanded-variable": (Alternative("net.dns.not-found", "the name itself may not exist"),),
    "net.tcp.timeout": (
        Alternative("net.http.read-timeout", "some clients say the same of an answer that does not come"),
    ),
    "net.http.read-timeout": (
        Alternative("net.tcp.timeout", "some clients say the same of a connection that is not taken"),
    ),
    "tls.plaintext-server": (
        Alternative("tls.handshake-timeout", "a TLS server that is overloaded lets a handshake time out as well"),
    ),
    "tls.handshake-timeout": (
        Alternative(
            "tls.plaintext-server",
            "a server without TLS waits for the rest of a request: the ladder asks in plain http",
        ),
    ),
    "tls.handshake": (
        Alternative(
            "tls.client-cert-required",
            "up to TLS 1.2 a server that wants a client certificate says no more than this: the ladder listens whether it asks for one",
        ),
        Alternative("tls.protocol-version", "some servers word a version that is too old like this"),
    ),
    "tls.client-cert-required": (
        Alternative("tls.client-cert-rejected", "with a client certificate set, it is that one which is refused"),
    ),
    "tls.client-cert-rejected": (
        Alternative("tls.client-cert-required", "without a client certificate, one is demanded"),
    ),
    "config.url.no-scheme": (
        Alternative("config.url.whitespace", "white space before http:// hides it: magictel config check"),
    ),
    "http.grpc-port": (_NOT_HTTP,),
    "http.not-http": (Alternative("http.grpc-port", "a gRPC port answers in HTTP/2 at once"),),
    "prom.rw.loss-labels": (
        Alternative("vm.loss.labels", "VictoriaMetrics answers 204 and leaves out series with more than 40 labels"),
        Alternative("vm.read.latency", "VictoriaMetrics hides points younger than 30 seconds from queries"),
    ),
    "vm.loss.labels": (
        Alternative("vm.read.latency", "VictoriaMetrics hides points younger than 30 seconds from queries"),
        Alternative("prom.rw.loss-labels", "Prometheus drops series with invalid labels behind the same 204"),
    ),
    "vm.read.latency": (
        Alternative("vm.loss.labels", "the series may have been left out: too many labels, or too long ones"),
        Alternative("prom.rw.loss-labels", "the series may have been dropped for invalid labels"),
    ),
    "es.read.not-yet-visible": (Alternative("verify.lost", "if it does not show later either, it was lost"),),
    "os.auth.unauthorized": (_EMPTY_SECRET,),
    "es.auth.missing": (_EMPTY_SECRET,),
    "es.auth.refused": (_EMPTY_SECRET,),
    "http.unauthorized": (
        _EMPTY_SECRET,
        Alternative("os.auth.unauthorized", "OpenSearch says 401 in plain text or without a word, as others do"),
    ),
    "http.forbidden": (_EMPTY_SECRET,),
    "mimir.token": (_EMPTY_SECRET,),
}
_OWN = {
    "es": ("elasticsearch",),
    "os": ("opensearch", "elasticsearch"),
    "prom": ("prometheus-remote-write",),
    "mimir": ("prometheus-remote-write",),
    "vm": ("prometheus-remote-write",),
}
"""Whose codes begin so; the others concern any backend."""


def belongs_to(code: str | None, exporter: str) -> bool:
    """True for a code that only exporters of its family give, this one among them."""
    family = (code or "").partition(".")[0]
    return family in _OWN or family == exporter


def look_alikes(code: str | None, exporter: str, known: Collection[Alternative] = ()) -> tuple[Alternative, ...]:
    """What else may be behind the face of `code` at this exporter: `known` first, each code once, never `code` itself."""
    found: dict[str, Alternative] = {}
    for one in (*known, *_LOOK_ALIKES.get(code or "", ())):
        owners = _OWN.get(one.code.partition(".")[0])
        if one.code != code and (owners is None or exporter in owners or one in known):
            found.setdefault(one.code, one)
    return tuple(found.values())
