"""Classification of failed exchanges: exception types, errno, TLS reasons and the received bytes become a `WireError`.

Different faults can look the same here (a reset: TLS port, no HTTP, restart); `ladder.http` sends a second request.
"""

from __future__ import annotations

import errno
import socket

import msgspec

from magictel.catalogue.banners import banner_in
from magictel.errors import Phase, WireError
from magictel.net.dns import LookUpTimeout
from magictel.net.proxy import Proxy, ProxyRefused
from magictel.net.tls_errors import TlsFault, fault, known_fault
from magictel.secrets.redactor import Redactor
from magictel.transports.http_errors import (
    BadEncoding,
    HeaderTooLarge,
    NotHttp,
    ProtocolError,
    ReplyTooLarge,
    Truncated,
)

_SETTINGS_FRAME = 4  # RFC 9113 §6.5: the first frame an HTTP/2 server sends
_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ESHUTDOWN}
_CUT = "check the proxy's time limit, and whether the server restarted"
_SLOW = "raise timeout, or check the load of the backend and of any proxy in front of it"
_RESTARTED = "check whether it restarted, speaks another protocol on this port, or rejects the request"
_BETWEEN = "check the proxies and gateways in between: one compresses wrongly or truncates the body"
_ANOTHER = "check the host, port and path: another service or a login proxy answers there"
_NO_DESCRIPTORS = "this process has reached its limit of open files and sockets: ulimit -n"
_FORBIDDEN_HERE = "a firewall or security policy of this machine forbids it, not the backend: check its rules"
_OF_THIS_MACHINE = {
    errno.EMFILE: _NO_DESCRIPTORS,
    errno.ENFILE: _NO_DESCRIPTORS,
    errno.EPERM: _FORBIDDEN_HERE,
    errno.EACCES: _FORBIDDEN_HERE,
    errno.EADDRNOTAVAIL: "no local port is free: ss -s shows the number of closing connections",
}
_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}


class ExchangeProgress(msgspec.Struct):
    """The progress of an exchange. `phase` is the current step; `sent` and `received` count its bytes."""

    peer: str
    proxy: Proxy | None = None
    phase: Phase = "dns"
    sent: int = 0
    received: int = 0
    first_bytes: bytes = b""
    client_certificate: bool = False
    limit: float = 0.0
    asks: bool = False
    """The request only reads (GET, HEAD): a retry duplicates nothing."""
    broken: OSError | None = None
    """The write failed; a read shows whether a reply or an alert has already arrived."""

    @property
    def asked(self) -> str:
        """Return the peer of this phase: the backend, or the proxy in front of it."""
        if self.proxy is not None and self.phase in ("dns", "tcp", "proxy"):
            return f"the proxy {self.proxy} (from {self.proxy.source})"
        return self.peer


def classify(failure: BaseException, progress: ExchangeProgress, redact: Redactor) -> WireError:
    """Return the `WireError` of a failure: code, message, remedy, phase, and whether the request may have arrived."""
    code, message, remedy = _read(failure, progress)
    evidence: dict[str, object] = {"peer": progress.asked, "phase": progress.phase}
    if progress.first_bytes:
        evidence["first_bytes"] = redact(_shown(progress.first_bytes))
    if isinstance(failure, OSError) and failure.errno:
        evidence["errno"] = errno.errorcode.get(failure.errno, str(failure.errno))
    if isinstance(failure, ProxyRefused):
        evidence["status"] = failure.status
    if progress.proxy is not None:
        evidence["proxy"] = str(progress.proxy)
    return WireError(
        code,
        redact(message),
        remedy,
        phase=progress.phase,
        maybe_delivered=progress.phase in ("write", "read") and progress.sent > 0 and not code.startswith("tls."),
        evidence=evidence,
    )


def _read(failure: BaseException, progress: ExchangeProgress) -> tuple[str, str, str | None]:
    who = progress.asked
    proxied = progress.proxy is not None and progress.phase in ("dns", "tcp", "proxy")
    if isinstance(failure, ProxyRefused):
        return _proxy_refused(failure, progress)
    if isinstance(failure, socket.gaierror | LookUpTimeout):
        return _unresolved(failure, who, progress)
    if proxied and (
        isinstance(failure, EOFError | ProtocolError) or (progress.phase == "proxy" and _is_reset(failure))
    ):
        return _proxy_refused(ProxyRefused(0), progress)
    if proxied and isinstance(failure, OSError):
        return (
            "http.proxy.down",
            f"{who} is unreachable: {_why(failure, progress)}; the request did not reach the backend",
            "start the proxy, or exclude this host with NO_PROXY or the proxy setting",
        )
    if progress.received and not progress.first_bytes.startswith(b"HTTP/"[: len(progress.first_bytes)]):
        return _not_http(who, progress)  # whether it ended with a reset, a close or a timeout
    if isinstance(failure, TimeoutError):
        return _timed_out(who, progress)
    tls = fault(failure, client_certificate=progress.client_certificate)
    if tls is not None and not (tls.code == "tls.closed" and progress.phase in ("write", "read")):
        return _tls(tls, who)
    match failure:
        case NotHttp():
            return _not_http(who, progress)
        case Truncated():
            if progress.asks:
                return "http.truncated", f"{who} sent a truncated response: {failure}", _CUT
            return (
                "http.truncated",
                f"{who} sent a truncated response: {failure}; it may have processed the request",
                f"{_CUT}; a retry may duplicate",
            )
        case BadEncoding():
            return "http.bad-encoding", f"{who} sent a body that does not match its Content-Encoding", _BETWEEN
        case HeaderTooLarge():
            return "http.header-too-large", f"{who} sent more than 64 KiB of headers", _ANOTHER
        case ReplyTooLarge():
            return "http.reply-too-large", f"{who} sent a body over {failure.limit // 1024 // 1024} MiB", _ANOTHER
        case EOFError():
            return _closed(who)
        case OSError():
            return _os_error(failure, who, progress)
    return "http.protocol", f"{who}: {type(failure).__name__} during the exchange", _RESTARTED


def _proxy_refused(failure: ProxyRefused, progress: ExchangeProgress) -> tuple[str, str, str | None]:
    who = f"the proxy {progress.proxy} (from {progress.proxy.source})" if progress.proxy else progress.asked
    if failure.status == 407:
        return (
            "http.proxy.auth",
            f"{who} requires credentials (407)",
            "put them into the proxy's URL as http://user:password@host:port, or exclude this host with NO_PROXY",
        )
    return (
        "http.proxy.refused",
        f"{who} does not connect to {progress.peer}: it answered {failure.status or 'with something other than HTTP'}",
        "ask the proxy's owner to allow this host and port, or exclude the host with NO_PROXY",
    )


def _unresolved(failure: OSError, who: str, progress: ExchangeProgress) -> tuple[str, str, str | None]:
    if progress.proxy is not None:
        return (
            "http.proxy.down",
            f"{who}: its name does not resolve; the request did not reach the backend",
            "check the proxy's URL",
        )
    host = progress.peer.rpartition(":")[0].rpartition("//")[2]
    if isinstance(failure, LookUpTimeout):
        return (
            "net.dns.timeout",
            f"the DNS lookup of {host} timed out after {progress.limit:.1f} s",
            f"getent hosts {host}",
        )
    if failure.errno == socket.EAI_AGAIN:
        why = "no resolver answers"
    else:
        why = "no such host"
    return "net.dns.not-found", f"{host} does not resolve: {why}", f"getent hosts {host}"


def _timed_out(who: str, progress: ExchangeProgress) -> tuple[str, str, str | None]:
    seconds = f"within {progress.limit:.1f} s" if progress.limit else "in time"
    if progress.phase == "tls":
        tls_fault = known_fault("tls.handshake-timeout")
        return tls_fault.code, f"{who}: {tls_fault.message}", tls_fault.remedy
    if progress.phase in ("dns", "tcp", "proxy"):
        return (
            "net.tcp.timeout",
            f"{who} did not accept the connection {seconds}",
            "check the address and firewalls, which may drop packets: try from another host",
        )
    if progress.phase == "write":
        if progress.asks:
            return "net.http.write-timeout", f"{who} did not read the whole request {seconds}", _SLOW
        return (
            "net.http.write-timeout",
            f"{who} did not read the whole request {seconds}; it may have processed a part",
            "raise timeout, or send smaller batches; a retry may duplicate",
        )
    if progress.asks:
        return "net.http.read-timeout", f"{who} accepted the request but did not answer {seconds}", _SLOW
    return (
        "net.http.read-timeout",
        f"{who} accepted the request but did not answer {seconds}; it may have processed the request",
        "raise timeout, or send smaller batches; a retry may duplicate",
    )


def _tls(tls_fault: TlsFault, who: str) -> tuple[str, str, str | None]:
    return tls_fault.code, f"{who}: {tls_fault.message}", tls_fault.remedy


def _not_http(who: str, progress: ExchangeProgress) -> tuple[str, str, str | None]:
    first = progress.first_bytes
    if first[:2] == b"\x15\x03":  # a TLS alert record: RFC 8446 §5.1
        return "http.tls-port", f"{who} speaks TLS, but the address says http://", "use https:// in the address"
    if len(first) >= 9 and first[3] == _SETTINGS_FRAME and first[5:9] == b"\0\0\0\0" and first[0] == 0:
        return (
            "http.grpc-port",
            f"{who} is a gRPC port (it speaks HTTP/2)",
            "use the backend's HTTP port; for OTLP that is 4318, not 4317",
        )
    banner = banner_in(first.decode("latin-1"))
    if banner is not None:
        return banner.code, f"{who} {banner.sentence}", banner.remedy
    shown = _shown(first)
    return (
        "http.not-http",
        f"{who} does not speak HTTP{f': it sent {shown!r}' if shown else ''}",
        "check the host and port: another service listens there",
    )


def _os_error(failure: OSError, who: str, progress: ExchangeProgress) -> tuple[str, str, str | None]:
    if failure.errno == errno.ECONNREFUSED:
        return (
            "net.tcp.refused",
            f"{who} refused the connection: nothing is listening there",
            "start the backend or check the port; inside a container, localhost is the container itself",
        )
    if _is_reset(failure) and progress.phase == "tcp":
        return "net.tcp.reset", f"{who} accepted the connection and reset it at once", _RESTARTED
    if failure.errno in _OF_THIS_MACHINE:
        return (
            "net.tcp.unreachable",
            f"this machine cannot connect to {who}: {_why(failure, progress)}",
            _OF_THIS_MACHINE[failure.errno],
        )
    if progress.phase in ("dns", "tcp") or failure.errno in _UNREACHABLE:
        return (
            "net.tcp.unreachable",
            f"{who} is unreachable: {_why(failure, progress)}",
            "check the address and the route to it",
        )
    if progress.phase == "tls":
        tls_fault = known_fault("tls.closed")
        return _tls(tls_fault, who)
    if _is_reset(failure):
        return (
            "net.tcp.reset",
            f"{who} reset the connection {'before the response was complete' if progress.received else 'before it answered'}",
            _RESTARTED,
        )
    return _closed(who)


def _closed(who: str) -> tuple[str, str, str | None]:
    return (
        "net.http.closed",
        f"{who} closed the connection without a response",
        _RESTARTED,
    )


def _is_reset(failure: BaseException) -> bool:
    return isinstance(failure, ConnectionError) or (isinstance(failure, OSError) and failure.errno in _RESET)


def _why(failure: OSError, progress: ExchangeProgress) -> str:
    if isinstance(failure, TimeoutError):
        return f"no response within {progress.limit:.1f} s"
    return (failure.strerror or type(failure).__name__).lower()


def _shown(first: bytes) -> str:
    """Return bytes as readable text on a single line."""
    text = first[:80].decode("latin-1")
    return "".join(character if character.isprintable() else "." for character in text).strip()
