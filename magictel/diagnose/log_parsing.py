"""Parse a log line: a status, the quoted reply after it, the JSON in it."""

from __future__ import annotations

import http
import json
import re
from collections.abc import Mapping
from contextlib import suppress

from magictel.text import unquoted

_STATUS = (
    re.compile(
        r"\b(?:HTTP(?:/\d(?:\.\d)?)?|HTTPError|status(?:[ _]?code)?|statusCode|code|response|returned|answered|responded|got)\b"
        r"\W{0,4}(?:with|status|code|of|is|was|\W){0,4}([2-5]\d\d)\b(?!\.\d)",
        re.IGNORECASE,
    ),
    re.compile(r"^\W*([3-5]\d\d)\b(?![.:]\d)"),
    re.compile(r"(?:Error|Exception)\(\W{0,3}(?:status=)?([3-5]\d\d)\b"),
    re.compile(r"[\[(](?:status=)?([45]\d\d)[\])]"),
    re.compile(r"\w: ([45]\d\d)(?=[;,:] )"),
)
_PHRASES = re.compile(
    r"\b([3-5]\d\d):? \(?(?:"
    + "|".join(re.escape(status.phrase) for status in http.HTTPStatus if status >= 300)
    + r")\b",
    re.IGNORECASE,
)
_ALONE = re.compile(
    r"\b(?:(?P<s401>unauthori[sz]ed|authentication failed)|"
    r"(?P<s403>forbidden|access denied|authorization failed|(?<!Errno 13\] )permission denied)|"
    r"(?P<s429>too many requests|rate limit(?:ed| exceeded))|"
    r"(?P<s413>(?:request entity|payload|content) too large|(?:message|request|body|payload) (?:too long|larger than))|"
    r"(?P<s502>bad gateway)|(?P<s504>gateway time-?out)|"
    r"(?P<s503>service unavailable)|(?P<s405>method not allowed)|(?P<s404>not found)|(?P<s500>internal server error))\b",
    re.IGNORECASE,
)
"""Statuses by their phrase, for lines without a number."""
_GRPC: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""gRPC's statuses as HTTP's: google/rpc/code.proto."""
_GRPC_NUMBERS = dict(zip((3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), _GRPC.values(), strict=True))
_GRPC_NAMED = re.compile(
    r"\b("
    + "|".join((*_GRPC, *(f"(?<=code = ){''.join(part.title() for part in name.split('_'))}" for name in _GRPC)))
    + r")\b"
)
"""Their names in capitals, and as Go writes them: `rpc error: code = PermissionDenied`."""
TUNNEL = re.compile(
    r"(?:unsuccessful|connect) tunnel|tunneling socket|tunnel connection|proxyconnect|ProxyError|from proxy",
    re.IGNORECASE,
)
PAGE = re.compile(r"<(?:!doctype )?html\b", re.IGNORECASE)
_WAIT = re.compile(
    r"(?:retry[-_ ]?after|throttled?|try again in|retry in)\W{0,4}(\d{1,6}(?:\.\d{1,6})?) ?(ms|s\b|sec|$|\W)",
    re.IGNORECASE,
)
_LONE = re.compile(
    r"(?<![\w.,:/#=+-])[45]\d\d(?![\w/%]|[.,:-]\d| ?(?:[num\u00b5]?s|[kmgt]i?b|bytes|b)\b)", re.IGNORECASE
)
_KNOWN = frozenset(status.value for status in http.HTTPStatus if status >= 400)
_LOGGERS = frozenset({"level", "severity", "caller", "logger", "ts", "time", "@timestamp", "log.level"})
_ERRORS = ("err", "error", "exception", "error.message", "message", "msg")
_WORDS_AROUND = re.compile(
    r"\b(?:https?(?:/\d(?:\.\d)?)?|status|code|error|server|returned|response|answered|with|got|failed)\b|\W",
    re.IGNORECASE,
)

_MARKS = ":,;.-'\""
_ARGUMENT = re.compile(r"^\W*\w+=(?=['\"])")
_CALL = re.compile(r"(?<![\w.])[\w.]+\(\W*$")  # tried only where a word begins: elsewhere a long word costs its square
"""What surrounds the words in a Python repr: `Response(status=403, text='…')`, `HTTPError(401, 'Unauthorized')`."""


def status_in(text: str) -> int | None:
    """Return the status that a text reports, or None."""
    text = text[:20_000]
    for pattern in (*_STATUS, _PHRASES):
        match = pattern.search(text)
        if match:
            return int(match.group(1))
    return None


def lone_number(text: str) -> int | None:
    """Return the only number in a text that could be a status and has no unit or other context, or None."""
    numbers = {int(number) for number in _LONE.findall(text[:20_000])}
    return numbers.pop() if len(numbers) == 1 and numbers <= _KNOWN else None


def wait_in(text: str) -> str | None:
    """Return the seconds to wait that a text names, as a value of Retry-After, or None."""
    match = _WAIT.search(text[:20_000])
    if match is None:
        return None
    return f"{float(match[1]) / 1000:g}" if match[2].lower() == "ms" else match[1]


def named_status(text: str) -> int | None:
    """Return the status that a text names by an HTTP phrase or a gRPC status, or None."""
    alone = _ALONE.search(text)
    if alone is not None and alone.lastgroup == "s413":  # whatever status a gRPC service puts around it
        return 413
    named = _GRPC_NAMED.search(text)
    if named is not None:
        return next(
            status for name, status in _GRPC.items() if name.replace("_", "") == named[1].replace("_", "").upper()
        )
    return int(alone.lastgroup[1:]) if alone is not None and alone.lastgroup is not None else None


def status_within(body: str) -> int | None:
    """Return the status inside a JSON error, or None.

    `{"code": 14, "message": …}` (gRPC's), `{"error": {"code": 429}}`, `{"status": 503}`.
    """
    with suppress(ValueError, RecursionError):
        value = json.loads(body)
        for source in (value, value.get("error") if isinstance(value, dict) else None):
            if not isinstance(source, dict):
                continue
            numbers = [source.get(key) for key in ("status", "code", "statusCode", "status_code", "httpStatusCode")]
            for number in numbers:
                if isinstance(number, int) and 400 <= number < 600:
                    return number
            if isinstance(source.get("code"), int) and "message" in source:
                return _GRPC_NUMBERS.get(source["code"])
    return None


def body_after(text: str, status: int) -> str:
    """Return the body that a log quotes after the status."""
    page = PAGE.search(text)
    if page is not None:
        return text[page.start() :]
    inside = value_in(text)
    if inside:
        return inside
    before, _, rest = text.partition(str(status))
    for phrase in (http_status.phrase for http_status in http.HTTPStatus if http_status == status):
        rest = re.sub(rf"^\W*{re.escape(phrase)}", "", rest, flags=re.IGNORECASE)
    words = unquoted(_ARGUMENT.sub("", rest), _MARKS)
    before = unquoted(_CALL.sub("", before), _MARKS)
    return words or ("" if not _WORDS_AROUND.sub("", before) else before)


def unwrapped(text: str) -> str:
    """Return the error inside a JSON log line, or the text itself, without a logger's backslash quoting."""
    if text.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            line = json.loads(text)
            if isinstance(line, dict) and _LOGGERS & {str(key).lower() for key in line}:
                text = next((line[key] for key in _ERRORS if isinstance(line.get(key), str) and line[key]), text)
    quoted = re.search(r'"((?:<|\{\\")(?:\\.|[^"\\]){2,})"', text)  # "<html>…", "{\"code\":…"
    if quoted is not None:
        with suppress(ValueError):
            inside = str(json.loads(f'"{quoted[1]}"'))
            text = f"{text[: quoted.start()]}{inside}{text[quoted.end() :]}"
    return text


def value_in(text: str) -> str:
    """Return the first JSON object or list in a text, or an empty text."""
    decoder = json.JSONDecoder()
    for number, start in enumerate(re.finditer(r"[{\[](?=\s*[\[{\"])", text)):
        if number > 20:
            break
        with suppress(ValueError, RecursionError):
            _, end = decoder.raw_decode(text, start.start())
            return text[start.start() : end]
    return ""
