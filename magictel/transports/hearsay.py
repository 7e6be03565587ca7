"""What other programs' logs say of a failed exchange, read back into the exception that it was: `symptoms.classify` gives it its code.

Rules go by types, errno names, OpenSSL's and other TLS libraries' reasons, not by whole sentences: the same failure is worded by
httpx, requests, Go, Java, Node, curl and gRPC each in its way. Order matters: a wrapped cause says more than its wrapper.
"""

from __future__ import annotations

import ast
import errno
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from magictel.errors import Phase, WireError
from magictel.proxy import Proxy, ProxyRefused
from magictel.secrets import Redactor
from magictel.transports.protocol import BadEncoding, HeaderTooLarge, NotHttp, Truncated
from magictel.transports.symptoms import Progress, classify

_SETTINGS_FRAME = bytes.fromhex("000006040000000000000500004000")
_SETTINGS: tuple[tuple[str, str], ...] = (
    (r"header value must be str or bytes, not .*NoneType|invalid header value.*\bNone\b", "config.secret.empty"),
    (
        r"illegal header value|invalid (leading whitespace|return character|header (value|content))",
        "config.secret.whitespace",
    ),
    (r"\bUnicodeEncodeError\b|codec can't encode character|ERR_INVALID_CHAR", "config.secret.non-ascii"),
    (
        r"//[^\s/\"']*(\$\{|\$?%7B)|\$\{\w+\}.*(resolve|not known|no such host|getaddrinfo)",
        "config.url.unexpanded-variable",
    ),
    (
        r"invalid port|nonnumeric port|port (could not be cast|out of range)|ERR_SOCKET_BAD_PORT|too many colons in address",
        "config.url.bad-port",
    ),
    (
        (
            r"is missing an 'https?://'|MissingSchema|no scheme supplied|unsupported protocol scheme \"\"|no protocol:|"
            r"first path segment in URL cannot contain colon"
        ),
        "config.url.no-scheme",
    ),
    (r"unsupported protocol|InvalidSchema|no connection adapters|ERR_INVALID_PROTOCOL", "config.url.bad-scheme"),
)
"""Failures before any request: what the settings hold cannot be used."""

_VERIFY: tuple[tuple[str, int], ...] = (  # OpenSSL's x509_vfy.h
    (
        r"not yet valid(?! *: *current time .* is after)|is before [0-9]{4}-|CertificateNotYetValid|CERT_NOT_YET_VALID|NotBefore:",
        9,
    ),
    (r"certificate (has )?expired|CERT_HAS_EXPIRED|has expired or is not yet valid|CertificateExpired|NotAfter:", 10),
    (
        (
            r"host ?name .*mismatch|(ip address|host ?name) mismatch|certificate is (not )?valid for|doesn't match|"
            r"ALTNAME_INVALID|no (subject )?alternative|no name matching|does not match target host|cannot validate certificate for"
        ),
        62,
    ),
    (r"self[- _]signed certificate(?! in certificate chain)|DEPTH_ZERO_SELF_SIGNED", 18),
    (
        (
            r"unable to get (local )?issuer|unknown authority|PKIX path|unable to find valid certification path|"
            r"SELF_SIGNED_CERT_IN_CHAIN|self[- _]signed certificate in certificate chain|UNABLE_TO_(GET|VERIFY)|unable to verify the first"
        ),
        20,
    ),
    (r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSLCertVerification", 1),
)
_ALERTS: tuple[tuple[str, str], ...] = (
    (r"alert certificate required|tls: certificate required", "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    (r"(alert|error: tls:) unknown (ca|certificate authority)", "TLSV1_ALERT_UNKNOWN_CA"),
    (r"(alert|error: tls:) (bad certificate)", "SSLV3_ALERT_BAD_CERTIFICATE"),
    (r"(alert|error: tls:) (unknown certificate|certificate unknown)", "SSLV3_ALERT_CERTIFICATE_UNKNOWN"),
    (r"(alert|error: tls:) (expired certificate|certificate expired)", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    (
        r"alert protocol version|protocol version not supported|unsupported protocol version|EPROTO.*version",
        "TLSV1_ALERT_PROTOCOL_VERSION",
    ),
    (
        (
            r"first record does not look like a TLS handshake|not an SSL/TLS record|plaintext connection\?|wrong version number|"
            r"server gave HTTP response to HTTPS client|packet length too long"
        ),
        "WRONG_VERSION_NUMBER",
    ),
    (r"handshake failure", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
)
_REASON = re.compile(
    r"\[SSL: ([A-Z0-9_]+)\]|\b((?:TLSV1\d?|SSLV3)_ALERT_[A-Z_]+|WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL)\b"
)
_QUOTED = re.compile(r"""b?(["'])((?:\\.|(?!\1).){1,400})\1""")

Made = tuple[BaseException, Phase]


@dataclass(frozen=True, slots=True)
class _Rule:
    says: re.Pattern[str]
    make: Callable[[], Made]


def _rule(says: str, phase: Phase, make: Callable[[], BaseException]) -> _Rule:
    return _Rule(re.compile(says, re.IGNORECASE), lambda: (make(), phase))


def _os(number: int) -> Callable[[], OSError]:
    return lambda: OSError(number, "")  # Python makes the right class of it


_RULES: tuple[_Rule, ...] = (
    _rule(r"handshake .*timed out|(TLS|SSL) handshake time ?-?out|handshake timeout", "tls", TimeoutError),
    _rule(
        r"temporary failure in name resolution|EAI_AGAIN|server misbehaving|gaierror.*-3\b",
        "dns",
        lambda: socket.gaierror(socket.EAI_AGAIN, ""),
    ),
    _rule(
        r"gaierror|name or service not known|nodename nor servname|no such host|getaddrinfo|ENOTFOUND|UnknownHost|"
        r"NameResolutionError|domain name not found|could not resolve|failed to resolve|no address associated|NXDOMAIN|"
        r"name does not resolve",
        "dns",
        lambda: socket.gaierror(socket.EAI_NONAME, ""),
    ),
    _rule(
        r"without sending complete message|IncompleteRead|ChunkedEncoding|InvalidChunk|premature (end|close)|unexpected EOF|"
        r"payload is not completed|transfer closed with|TruncatedChunk|ERR_(CONTENT_LENGTH_MISMATCH|STREAM_PREMATURE)",
        "read",
        lambda: Truncated("in the body"),
    ),
    _rule(
        r"DecodingError|ContentDecoding|while decompressing|incorrect header check|gzip: invalid|not a gzipped|"
        r"Z_DATA_ERROR|unrecognized content encoding|ZipException",
        "read",
        lambda: BadEncoding(""),
    ),
    _rule(
        r"receive buffer too long|headers? .*too (large|long)|LineTooLong|got more than \d+ (headers|bytes)|HPE_HEADER_OVERFLOW",
        "read",
        lambda: HeaderTooLarge(""),
    ),
    _rule(
        r"illegal (request|status) line|BadStatusLine|malformed HTTP|not a valid HTTP|invalid HTTP (response|version|status)|"
        r"HPE_INVALID|Parse Error: Expected HTTP|HTTP/0\.9|failed parsing HTTP",
        "read",
        lambda: NotHttp(""),
    ),
    _rule(
        r"refused|ECONNREFUSED|\berrno 111\b|WinError 10061|No connection could be made", "tcp", _os(errno.ECONNREFUSED)
    ),
    _rule(
        r"no route to host|network (is )?unreachable|host (is )?(unreachable|down)|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|"
        r"cannot assign requested address|EADDRNOTAVAIL|WinError 1005[01]|WinError 10065",
        "tcp",
        _os(errno.EHOSTUNREACH),
    ),
    _rule(
        r"ConnectTimeout|connect(ion)?( attempt)? timed out|connect time ?-?out|ETIMEDOUT|\berrno 110\b|"
        r"dial (tcp|udp).* i/o timeout|failed to connect .* timed? ?out|WinError 10060|HTTPConnectTimeout",
        "tcp",
        TimeoutError,
    ),
    _rule(r"WriteTimeout|write (operation )?timed out|write.*: i/o timeout", "write", TimeoutError),
    _rule(
        r"reset by peer|ECONNRESET|connection ?reset|\berrno (104|32)\b|WinError 1005[34]|forcibly closed|broken pipe|EPIPE|"
        r"connection aborted|ECONNABORTED|stream (was )?reset|GOAWAY",
        "read",
        _os(errno.ECONNRESET),
    ),
    _rule(
        r"disconnected without sending|RemoteDisconnected|closed connection without|empty reply|socket hang up|"
        r"NoHttpResponse|failed to respond|closed (the|idle) connection|connection (was )?closed|ServerDisconnected|\bEOF\b",
        "read",
        EOFError,
    ),
    _rule(r"time[d ]? ?-?out|deadline ?exceeded|DEADLINE_EXCEEDED", "read", TimeoutError),
)
_PROXY = re.compile(r"\bproxy|tunnel", re.IGNORECASE)
_PROXY_STATUS = re.compile(r"\b(407)\b|(?:tunnel|proxy)\D{0,60}\b([45]\d\d)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A failure before any request: the code of what the settings hold."""

    code: str


def recognise(
    text: str, peer: str, *, client_certificate: bool = False, redact: Redactor | None = None
) -> Unsent | WireError | None:
    """The failure that a log's text tells of, as this transport would have met it at `peer`; None: it tells of none.

    `client_certificate`: one is set here, so a refused certificate is that one.
    """
    for says, code in _SETTINGS:
        if re.search(says, text, re.IGNORECASE):
            return Unsent(code)
    progress = Progress(peer, client_certificate=client_certificate)
    failure = _proxy(text, progress) or _tls(text, progress) or _first_bytes(text, progress) or _general(text, progress)
    return None if failure is None else classify(failure, progress, redact or Redactor())


def _proxy(text: str, progress: Progress) -> BaseException | None:
    if not _PROXY.search(text):
        return None
    told = _PROXY_STATUS.search(text)
    if told is None and not re.search(
        r"proxyconnect|ProxyError|unable to connect to proxy|proxy .*refused", text, re.IGNORECASE
    ):
        return None
    progress.proxy = Proxy("proxy", 0, "the log")
    progress.phase = "proxy"
    if told is not None:
        return ProxyRefused(int(told.group(1) or told.group(2)))
    progress.phase = "tcp"
    return ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")


def _tls(text: str, progress: Progress) -> BaseException | None:
    named = _REASON.search(text)
    reason = (named.group(1) or named.group(2)) if named else ""
    if reason in ("", "CERTIFICATE_VERIFY_FAILED"):
        for says, number in _VERIFY:
            if re.search(says, text, re.IGNORECASE):
                refused = ssl.SSLCertVerificationError(1, "")
                refused.verify_code = number
                refused.verify_message = ""
                progress.phase = "tls"
                return refused
        flat = text.replace("_", " ")
        reason = next((one for says, one in _ALERTS if re.search(says, flat, re.IGNORECASE)), "")
    if not reason:
        return None
    progress.phase = "tls"
    if reason != "SSLV3_ALERT_BAD_CERTIFICATE":  # the one that is also said where none came
        progress.client_certificate = True
    failure = ssl.SSLError(1, "")
    failure.reason = reason
    return failure


def _first_bytes(text: str, progress: Progress) -> BaseException | None:
    """What a server said in place of HTTP, where the log quotes it."""
    if "This is not an HTTP port" in text:
        quoted = b"This is not an HTTP port"
    elif re.search(r"Expected SETTINGS frame", text):
        return None
    elif re.search(r"malformed HTTP|BadStatusLine|illegal (status|request) line|invalid HTTP", text, re.IGNORECASE):
        found = _QUOTED.search(text)
        quoted = _unescaped(found.group(2)) if found else b""
        if not quoted and re.search(r"illegal request line", text, re.IGNORECASE):
            quoted = _SETTINGS_FRAME  # h11 takes the frame for a request
    else:
        return None
    if not quoted:
        return None
    progress.phase = "read"
    progress.first_bytes = quoted
    progress.received = len(quoted)
    return NotHttp("")


def _general(text: str, progress: Progress) -> BaseException | None:
    for rule in _RULES:
        if rule.says.search(text):
            failure, phase = rule.make()
            progress.phase = phase
            progress.sent = 1 if phase == "read" else 0
            return failure
    return None


def _unescaped(quoted: str) -> bytes:
    try:
        value = ast.literal_eval('"' + quoted.replace('"', '\\"') + '"')
        return str(value).encode("latin-1", "replace")
    except (ValueError, SyntaxError):
        return quoted.encode("latin-1", "replace")
