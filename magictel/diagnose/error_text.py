"""What other programs' logs say of a failed exchange, read back into the exception that it was: `symptoms.classify` gives it its code.

Rules go by types, errno names, OpenSSL's and other TLS libraries' reasons, not by whole sentences: the same failure is worded by
httpx, requests, Go, Java, Node, curl and gRPC each in its way. Order matters: a wrapped cause says more than its wrapper.
"""

from __future__ import annotations

import ast
import errno
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from magictel.diagnose.error_patterns import ALERTS, HANDSHAKE, NAME, PEER, REFUSED, SETTINGS, VERIFY
from magictel.errors import Phase, WireError
from magictel.net.dns import LookUpTimeout
from magictel.net.proxy import Proxy, ProxyRefused
from magictel.secrets.redactor import Redactor
from magictel.transports.errors import Progress, classify
from magictel.transports.http_errors import BadEncoding, HeaderTooLarge, NotHttp, Truncated

_SETTINGS_FRAME = bytes.fromhex("000006040000000000000500004000")
_REASON = re.compile(
    r"\[SSL: ([A-Z0-9_]+)\]|\b((?:TLSV1\d?|SSLV3)_ALERT_[A-Z_]+|WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL)\b"
)
_BROKEN_OFF = re.compile(
    r"SSL_connect: .*(reset|closed|eof)|before secure TLS|terminated the handshake|EOF occurred in violation|SSLZeroReturn|"
    r"non-properly terminated",
    re.IGNORECASE,
)
"""The peer ended the connection while the handshake went on."""
UNNAMED = Proxy("proxy", 0, "the log")
"""A proxy that a log speaks of."""
_QUOTED = re.compile(r"""b?(["'])((?:\\.|(?!\1).){1,400})\1""")

Made = tuple[BaseException, Phase]


@dataclass(frozen=True, slots=True)
class _Rule:
    says: re.Pattern[str]
    make: Callable[[], Made]


def _rule(says: str, phase: Phase, make: Callable[[], BaseException]) -> _Rule:
    return _Rule(re.compile(says, re.IGNORECASE), lambda: (make(), phase))


def _os(number: int) -> Callable[[], OSError]:
    return lambda: OSError(number, os.strerror(number))  # Python makes the right class of it


_RULES: tuple[_Rule, ...] = (
    _rule(r"handshake .*timed out|(TLS|SSL) handshake time ?-?out|handshake timeout", "tls", TimeoutError),
    _rule(r"\blookup \S+( on \S+)?: .*i/o timeout", "dns", lambda: LookUpTimeout("")),
    _rule(
        r"temporary failure in name resolution|EAI_AGAIN|server misbehaving|gaierror.*-3\b",
        "dns",
        lambda: socket.gaierror(socket.EAI_AGAIN, ""),
    ),
    _rule(
        r"gaierror|name or service not known|nodename nor servname|no such host|getaddrinfo|ENOTFOUND|UnknownHost|"
        r"NameResolutionError|domain name not found|could not resolve|failed to resolve|"
        r"UnresolvedAddress|No such host is known|no address associated|NXDOMAIN|"
        r"name does not resolve|resolution (failed|failure)",
        "dns",
        lambda: socket.gaierror(socket.EAI_NONAME, ""),
    ),
    _rule(
        r"\bquery[A-Z]\w* E[A-Z]{4,}|no records found for|name resolver error",
        "dns",
        lambda: socket.gaierror(socket.EAI_AGAIN, ""),
    ),
    _rule(
        r"REFUSED_STREAM|RST_STREAM|\bstream error\b|HTTP/?2 (stream|framing|error)|HTTP2 framing|\bHttp2, Error|GOAWAY|"
        r"ENHANCE_YOUR_CALM",
        "read",
        _os(errno.ECONNRESET),
    ),
    _rule(
        r"prematurely closed|PrematureClos|Premature\w*Closure|unexpected end of stream|IncompleteMessage",
        "read",
        EOFError,
    ),
    _rule(
        r"without sending complete message|IncompleteRead|ChunkedEncoding|InvalidChunk|premature (end|close)|"
        r"unexpected EOF|payload is not completed|transfer closed with|TruncatedChunk|unexpected end of \w+ input|ended prematurely|"
        r"ERR_(CONTENT_LENGTH_MISMATCH|STREAM_PREMATURE)",
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
        r"HPE_INVALID|Parse Error: Expected HTTP|HTTP/0\.9|failed parsing HTTP|reading server preface|http2: frame too large",
        "read",
        lambda: NotHttp(""),
    ),
    _rule(
        r"\b(connection|actively|connect\w*:?) refused|ConnectionRefused|refused (the |our |to )?connect|ECONNREFUSED|\berrno 111\b|"
        r"WinError 10061|No connection could be made|Connect call failed",
        "tcp",
        _os(errno.ECONNREFUSED),
    ),
    _rule(r"network (is )?unreachable|ENETUNREACH|WinError 1005[01]", "tcp", _os(errno.ENETUNREACH)),
    _rule(r"cannot assign requested address|EADDRNOTAVAIL", "tcp", _os(errno.EADDRNOTAVAIL)),
    _rule(
        r"no route to host|host (is )?(unreachable|down)|EHOSTUNREACH|EHOSTDOWN|WinError 10065",
        "tcp",
        _os(errno.EHOSTUNREACH),
    ),
    _rule(r"\b(EMFILE|ENFILE)\b|too many open files", "tcp", _os(errno.EMFILE)),
    _rule(r"connect.*(operation not permitted|\bEPERM\b|\berrno 1\b)", "tcp", _os(errno.EPERM)),
    _rule(
        r"ConnectTimeout|connect(ion)?:?( attempt| operation)? timed out|connect(ion)? time ?-?out|ETIMEDOUT|\berrno 110\b|"
        r"dial (tcp|udp).* i/o timeout|failed to connect .* timed? ?out|WinError 10060|"
        r"connect error: deadline|waiting for connection|HTTPConnectTimeout",
        "tcp",
        TimeoutError,
    ),
    _rule(r"WriteTimeout|write (operation )?timed out|write.*: i/o timeout", "write", TimeoutError),
    _rule(
        r"reset by peer|ECONNRESET|connection ?reset|\berrno (104|32)\b|WinError 1005[34]|forcibly closed|broken pipe|EPIPE|"
        r"connection aborted|ECONNABORTED|stream (was )?reset",
        "read",
        _os(errno.ECONNRESET),
    ),
    _rule(
        r"disconnected without sending|RemoteDisconnected|closed connection without|empty reply|socket hang up|"
        r"NoHttpResponse|failed to respond|closed (the|idle) connection|connection (was |is )?closed|ServerDisconnected|"
        r"other side closed|use of closed|UND_ERR_SOCKET|\bEOF\b",
        "read",
        EOFError,
    ),
    _rule(r"time[d ]? ?-?out|deadline ?exceeded|DEADLINE_EXCEEDED", "read", TimeoutError),
)
_PROXY = re.compile(r"\bproxy|tunnel", re.IGNORECASE)
_PROXY_STATUS = re.compile(
    r"\b(407|[45]\d\d(?= from proxy))\b|(?:tunnel|proxy)\D{0,60}\b(?<!port=)([45]\d\d)\b", re.IGNORECASE
)


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
    for says, code in SETTINGS:
        if re.search(says, text, re.IGNORECASE):
            return Unsent(code)
    progress = Progress(peer_in(text) or peer, client_certificate=client_certificate)
    failure = _proxy(text, progress) or _tls(text, progress) or _first_bytes(text, progress) or _general(text, progress)
    return None if failure is None else classify(failure, progress, redact or Redactor())


def peer_in(text: str) -> str | None:
    """The other side as a log names it: an address without credentials, or `//NAME:` of a name that does not resolve; or None."""
    name = NAME.search(text)
    if name is not None and name["name"].lower() != "host":
        return f"//{name['name']}:"
    found = PEER.search(text)
    if found is None:
        return None
    if found["host"]:
        return f"{found['host']}:{found['port']}"
    told = found["to"] or found["dialled"] or found["named"]
    if told:
        return str(told)
    scheme, _, rest = found["url"].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}".rstrip(":.")


def _proxy(text: str, progress: Progress) -> BaseException | None:
    if not _PROXY.search(text):
        return None
    told = _PROXY_STATUS.search(text)
    if told is None and re.search(r"proxy authentication required|unsuccessful tunnel", text, re.IGNORECASE):
        progress.proxy, progress.phase = UNNAMED, "proxy"
        return ProxyRefused(407 if "authentication" in text.lower() else 0)
    if told is None and not re.search(
        r"proxyconnect|ProxyError|(connect to|resolve) proxy|proxy .*refused", text, re.IGNORECASE
    ):
        return None
    progress.proxy = UNNAMED
    progress.phase = "proxy"
    if told is not None:
        return ProxyRefused(int(told.group(1) or told.group(2)))
    progress.phase = "tcp"
    return ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")


def _tls(text: str, progress: Progress) -> BaseException | None:
    named = _REASON.search(text)
    flat = re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", text)
    reason = (named.group(1) or named.group(2)) if named else ""
    if reason in ("", "CERTIFICATE_VERIFY_FAILED"):
        for says, number in VERIFY:
            if re.search(says, text, re.IGNORECASE):
                refused = ssl.SSLCertVerificationError(1, "")
                refused.verify_code = number
                why = REFUSED.search(text)
                refused.verify_message = why["why"].strip() if why else ""
                progress.phase = "tls"
                return refused
        reason = next((one for says, one in ALERTS if re.search(says, flat, re.IGNORECASE)), "")
    if not reason and _BROKEN_OFF.search(text):
        progress.phase = "tls"
        return ssl.SSLEOFError(8, "")
    if not reason and (general := HANDSHAKE.search(flat)) is not None:
        words = str(general["why"] or "handshake failure")
        reason = re.sub(r"\W+", "_", words.strip()).upper()
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


_NUMBERED = re.compile(r"\b(?:errno|os error)[ :=]{0,2}(\d{1,3})\b", re.IGNORECASE)
_SYMBOL = re.compile(r"\b(E[A-Z0-9]{2,14})\b")
_NETWORK = frozenset(
    number
    for number, symbol in errno.errorcode.items()
    if symbol.startswith(("ECONN", "EHOST", "ENET", "EADDR", "ENOTCONN", "ETIMEDOUT", "EPROTO"))
)
"""What a file or a terminal never meets."""
_WORDED = {os.strerror(number).lower(): number for number in sorted(errno.errorcode, reverse=True)}


def system_error(text: str) -> OSError | None:
    """The operating system's error that a text names: by its symbol, its number or its words; None: none, or one of a network."""
    number = _system_number(text)
    return None if number is None or number in _NETWORK else OSError(number, os.strerror(number))


def _system_number(text: str) -> int | None:
    for symbol in _SYMBOL.findall(text):
        if symbol != "EOF" and (number := getattr(errno, symbol, None)) is not None:
            return int(number)
    numbered = _NUMBERED.search(text)
    if numbered is not None and int(numbered[1]) in errno.errorcode:
        return int(numbered[1])
    said = text.lower()
    found = max((words for words in _WORDED if words in said), key=len, default=None)
    return None if found is None else _WORDED[found]


def _unescaped(quoted: str) -> bytes:
    try:
        value = ast.literal_eval('"' + quoted.replace('"', '\\"') + '"')
        return str(value).encode("latin-1", "replace")
    except (ValueError, SyntaxError):
        return quoted.encode("latin-1", "replace")
