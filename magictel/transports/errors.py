"""What a failed exchange means: exception types, errno, TLS reasons and the bytes seen so far become one `WireError`.

Two rows of the fault catalogue can look alike from here (a reset: TLS port, no HTTP, restart); `ladder.http` asks a second time.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

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
_CUT = "a proxy's time limit or a restart of the server may have done it"
_SLOW = "raise timeout, or look at the backend's load and at what stands before it"
_RESTARTED = "it restarted, speaks another protocol on this port, or refuses what was sent"
_BETWEEN = "look at what stands between: a proxy or gateway that compresses wrongly, or cuts the body"
_ANOTHER = "check host, port and path: another service or a login proxy answers there"
_NO_DESCRIPTORS = "this process has as many files and sockets open as it may: ulimit -n"
_FORBIDDEN_HERE = "a firewall or security policy of this machine forbids it, not the backend: look at its rules"
_OF_THIS_MACHINE = {
    errno.EMFILE: _NO_DESCRIPTORS,
    errno.ENFILE: _NO_DESCRIPTORS,
    errno.EPERM: _FORBIDDEN_HERE,
    errno.EACCES: _FORBIDDEN_HERE,
    errno.EADDRNOTAVAIL: "no local port or address is left for it: ss -s shows how many connections wait to end",
}
_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}


@dataclass(slots=True)
class Progress:
    """How far one exchange got. `phase` is what was being done; `sent` and `received` count bytes of the exchange itself."""

    peer: str
    proxy: Proxy | None = None
    phase: Phase = "dns"
    sent: int = 0
    received: int = 0
    first_bytes: bytes = b""
    client_certificate: bool = False
    limit: float = 0.0
    asks: bool = False
    """The request only asks (GET, HEAD): nothing is carried out by it, and a repeat duplicates nothing."""
    broken: OSError | None = None
    """The write failed; whether an answer or an alert was there already, the read tells."""

    @property
    def asked(self) -> str:
        """Who is being talked to in this phase: the backend, or the proxy before it."""
        if self.proxy is not None and self.phase in ("dns", "tcp", "proxy"):
            return f"the proxy {self.proxy} (from {self.proxy.source})"
        return self.peer


def classify(failure: BaseException, progress: Progress, redact: Redactor) -> WireError:
    """The `WireError` of a failure: its code, a sentence, what to do, the phase, and whether the request may have arrived."""
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


def _read(failure: BaseException, progress: Progress) -> tuple[str, str, str | None]:
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
            f"{who} cannot be reached: {_why(failure, progress)}; the backend was not asked",
            "start the proxy, or leave it out for this host with NO_PROXY or the proxy setting",
        )
    if progress.received and not progress.first_bytes.startswith(b"HTTP/"[: len(progress.first_bytes)]):
        return _not_http(who, progress)  # however it ended: reset, closed, silence
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
                return "http.truncated", f"{who} cut its answer short: {failure}", _CUT
            return (
                "http.truncated",
                f"{who} cut its answer short: {failure}; whether the request was carried out is unknown",
                f"{_CUT}; a repeat may duplicate",
            )
        case BadEncoding():
            return "http.bad-encoding", f"{who} sent a body that is not what its Content-Encoding says", _BETWEEN
        case HeaderTooLarge():
            return "http.header-too-large", f"{who} sent more than 64 KiB of headers", _ANOTHER
        case ReplyTooLarge():
            return "http.reply-too-large", f"{who} sent a body over {failure.limit // 1024 // 1024} MiB", _ANOTHER
        case EOFError():
            return _closed(who)
        case OSError():
            return _os_error(failure, who, progress)
    return "http.protocol", f"{who}: {type(failure).__name__} in the middle of the exchange", _RESTARTED


def _proxy_refused(failure: ProxyRefused, progress: Progress) -> tuple[str, str, str | None]:
    who = f"the proxy {progress.proxy} (from {progress.proxy.source})" if progress.proxy else progress.asked
    if failure.status == 407:
        return (
            "http.proxy.auth",
            f"{who} wants credentials (407)",
            "write them into the proxy's URL as http://user:password@host:port, or except this host with NO_PROXY",
        )
    return (
        "http.proxy.refused",
        f"{who} does not connect to {progress.peer}: it answered {failure.status or 'nothing that is HTTP'}",
        "ask the proxy's owner to allow this host and port, or except it with NO_PROXY",
    )


def _unresolved(failure: OSError, who: str, progress: Progress) -> tuple[str, str, str | None]:
    if progress.proxy is not None:
        return (
            "http.proxy.down",
            f"{who}: its name does not resolve here; the backend was not asked",
            "check the proxy's URL",
        )
    host = progress.peer.rpartition(":")[0].rpartition("//")[2]
    if isinstance(failure, LookUpTimeout):
        return (
            "net.dns.timeout",
            f"no resolver answered for {host} within {progress.limit:.1f} s",
            f"getent hosts {host}",
        )
    if failure.errno == socket.EAI_AGAIN:
        why = "no resolver answers"
    else:
        why = "there is no such name here"
    return "net.dns.not-found", f"{host} does not resolve: {why}", f"getent hosts {host}"


def _timed_out(who: str, progress: Progress) -> tuple[str, str, str | None]:
    seconds = f"within {progress.limit:.1f} s" if progress.limit else "in time"
    if progress.phase == "tls":
        found = known_fault("tls.handshake-timeout")
        return found.code, f"{who}: {found.message}", found.remedy
    if progress.phase in ("dns", "tcp", "proxy"):
        return (
            "net.tcp.timeout",
            f"{who} did not take the connection {seconds}",
            "a firewall may drop the packets, or the address is wrong: try from another host",
        )
    if progress.phase == "write":
        if progress.asks:
            return "net.http.write-timeout", f"{who} stopped taking the request {seconds}", _SLOW
        return (
            "net.http.write-timeout",
            f"{who} stopped taking the request {seconds}; whether it was carried out is unknown",
            "raise timeout, or send smaller batches; a repeat may duplicate",
        )
    if progress.asks:
        return "net.http.read-timeout", f"{who} took the request and did not answer {seconds}", _SLOW
    return (
        "net.http.read-timeout",
        f"{who} took the request and did not answer {seconds}; whether it was carried out is unknown",
        "raise timeout, or send smaller batches; a repeat may duplicate",
    )


def _tls(found: TlsFault, who: str) -> tuple[str, str, str | None]:
    return found.code, f"{who}: {found.message}", found.remedy


def _not_http(who: str, progress: Progress) -> tuple[str, str, str | None]:
    first = progress.first_bytes
    if first[:2] == b"\x15\x03":  # a TLS alert record: RFC 8446 §5.1
        return "http.tls-port", f"{who} speaks TLS, and the address says http://", "use https:// in the address"
    if len(first) >= 9 and first[3] == _SETTINGS_FRAME and first[5:9] == b"\0\0\0\0" and first[0] == 0:
        return (
            "http.grpc-port",
            f"{who} is a gRPC port (it speaks HTTP/2 at once)",
            "use the backend's HTTP port; for OTLP that is 4318, not 4317",
        )
    if b"This is not an HTTP port" in first:
        return (
            "es.http.wrong-port",
            f"{who} is the port on which the nodes talk to each other, not the one for clients",
            "use the HTTP port, 9200 unless it was changed",
        )
    shown = _shown(first)
    return (
        "http.not-http",
        f"{who} does not speak HTTP{f': it said {shown!r}' if shown else ''}",
        "check host and port: another service listens there",
    )


def _os_error(failure: OSError, who: str, progress: Progress) -> tuple[str, str, str | None]:
    if failure.errno == errno.ECONNREFUSED:
        return (
            "net.tcp.refused",
            f"{who} refuses the connection: nothing listens there",
            "start the backend or check the port; inside a container, localhost is the container itself",
        )
    if _is_reset(failure) and progress.phase == "tcp":
        return "net.tcp.reset", f"{who} took the connection and reset it at once", _RESTARTED
    if failure.errno in _OF_THIS_MACHINE:
        return (
            "net.tcp.unreachable",
            f"no connection to {who} could be made from here: {_why(failure, progress)}",
            _OF_THIS_MACHINE[failure.errno],
        )
    if progress.phase in ("dns", "tcp") or failure.errno in _UNREACHABLE:
        return (
            "net.tcp.unreachable",
            f"{who} cannot be reached: {_why(failure, progress)}",
            "check the address and the route to it",
        )
    if progress.phase == "tls":
        found = known_fault("tls.closed")
        return _tls(found, who)
    if _is_reset(failure):
        return (
            "net.tcp.reset",
            f"{who} reset the connection {'before the answer was complete' if progress.received else 'instead of answering'}",
            _RESTARTED,
        )
    return _closed(who)


def _closed(who: str) -> tuple[str, str, str | None]:
    return (
        "net.http.closed",
        f"{who} closed the connection without an answer",
        _RESTARTED,
    )


def _is_reset(failure: BaseException) -> bool:
    return isinstance(failure, ConnectionError) or (isinstance(failure, OSError) and failure.errno in _RESET)


def _why(failure: OSError, progress: Progress) -> str:
    if isinstance(failure, TimeoutError):
        return f"no answer within {progress.limit:.1f} s"
    return (failure.strerror or type(failure).__name__).lower()


def _shown(first: bytes) -> str:
    """Bytes for people, on one line."""
    text = first[:80].decode("latin-1")
    return "".join(character if character.isprintable() else "." for character in text).strip()
