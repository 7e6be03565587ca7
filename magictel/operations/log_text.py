"""What a line of a log holds: a status, the answer that is quoted behind it, the JSON in it."""

from __future__ import annotations

import http
import json
import re
from contextlib import suppress

_STATUS = (
    re.compile(
        r"\b(?:HTTP(?:/\d(?:\.\d)?)?|HTTPError|status(?:[ _]?code)?|statusCode|code|response|returned|answered|responded|got)\b"
        r"\W{0,4}(?:with|status|code|of|is|was|\W){0,4}([2-5]\d\d)\b(?!\.\d)",
        re.IGNORECASE,
    ),
    re.compile(r"^\W*([3-5]\d\d)\b(?![.:]\d)"),
    re.compile(r"(?:Error|Exception)\(\W{0,3}(?:status=)?([3-5]\d\d)\b"),
    re.compile(r"[\[(](?:status=)?([45]\d\d)[\])]"),
)
_PHRASES = re.compile(
    r"\b([3-5]\d\d):? (?:" + "|".join(re.escape(one.phrase) for one in http.HTTPStatus if one >= 300) + r")\b",
    re.IGNORECASE,
)
ALONE = re.compile(
    r"\b(?:(?P<s401>unauthori[sz]ed)|(?P<s403>forbidden|access denied)|(?P<s429>too many requests|rate limit(?:ed| exceeded))|"
    r"(?P<s413>(?:request entity|payload|content) too large)|(?P<s502>bad gateway)|(?P<s504>gateway time-?out)|"
    r"(?P<s503>service unavailable)|(?P<s405>method not allowed)|(?P<s404>not found)|(?P<s500>internal server error))\b",
    re.IGNORECASE,
)
"""Statuses by their phrase, where the number is not told."""
TUNNEL = re.compile(r"tunnel connection|proxyconnect|ProxyError", re.IGNORECASE)
PAGE = re.compile(r"<(?:!doctype )?html\b", re.IGNORECASE)
_WORDS_AROUND = re.compile(
    r"\b(?:https?(?:/\d(?:\.\d)?)?|status|code|error|server|returned|response|answered|with|got|failed)\b|\W",
    re.IGNORECASE,
)


def status_in(text: str) -> int | None:
    """The status that a text tells, or None."""
    text = text[:20_000]
    for pattern in (*_STATUS, _PHRASES):
        found = pattern.search(text)
        if found:
            return int(found.group(1))
    return None


def body_after(text: str, status: int) -> str:
    """What a log quotes with the status: the answer's body, as far as one can tell."""
    page = PAGE.search(text)
    if page is not None:
        return text[page.start() :]
    inside = value_in(text)
    if inside:
        return inside
    before, _, rest = text.partition(str(status))
    for phrase in (one.phrase for one in http.HTTPStatus if one == status):
        rest = re.sub(rf"^\W*{re.escape(phrase)}", "", rest, flags=re.IGNORECASE)
    told = rest.strip(" :,-)]>\t\n")
    return told or ("" if not _WORDS_AROUND.sub("", before) else before)


def value_in(text: str) -> str:
    """The first JSON object or list that stands in a text, or nothing."""
    decoder = json.JSONDecoder()
    for number, start in enumerate(re.finditer(r"[{\[](?=\s*[\[{\"])", text)):
        if number > 20:
            break
        with suppress(ValueError, RecursionError):
            _, end = decoder.raw_decode(text, start.start())
            return text[start.start() : end]
    return ""
