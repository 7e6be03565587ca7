"""Recognise the failure in another program's log line by the patterns in the catalogue's pages.

Patterns match types, errno names and reasons of TLS libraries, not whole sentences: httpx, requests, Go, Java, Node, curl and
gRPC word the same failure differently. Pages are tried by rank: a wrapped cause is more specific than its wrapper.
"""

from __future__ import annotations

import errno
import functools
import os
import re
from collections.abc import Callable

from magictel.catalogue.pages import error_patterns

_WORDS = re.compile(r"_|(?<=[a-z])(?=[A-Z])")
_PEER = re.compile(
    r"->(?P<to>[\w.\[\]:-]+:\d{1,5})\b|\bdial (?:tcp|udp)\d? (?P<dialled>[\w.\[\]:-]+:\d{1,5})|"
    r"\bhost='(?P<host>[\w.-]+)', port=(?P<port>\d{1,5})|"
    r"\b(?:post|get|put|head|url|to|on|from|of|request)\b[\s:=\"'(]{0,4}(?P<url>https?://(?:[^\s/@'\"]*@)?[\w.\[\]:-]+)|"
    r"\b(?:E[A-Z]{4,}|connect(?:ing|ed)? to(?: host)?|host) (?P<named>[\w.-]+:\d{1,5})\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?:\blookup(?! address\b)|ENOTFOUND|EAI_AGAIN|resolve(?: host)?:?|UnknownHostException:|query[A-Z]\w* E[A-Z]+) '?"
    r"(?P<name>[a-z][\w.-]*)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\b(?:errno|os error)[ :=]{0,2}(\d{1,3})\b", re.IGNORECASE)
_SYMBOL = re.compile(r"\b(E[A-Z0-9]{2,14})\b")
_NETWORK = frozenset(
    number
    for number, symbol in errno.errorcode.items()
    if symbol.startswith(("ECONN", "EHOST", "ENET", "EADDR", "ENOTCONN", "ETIMEDOUT", "EPROTO"))
)
"""Errors that cannot happen with a file or a terminal."""
_WORDED = {os.strerror(number).lower(): number for number in sorted(errno.errorcode, reverse=True)}


def code_in(text: str, concerns: Callable[[str], bool] = lambda code: True) -> str | None:
    """Return the code of the failure without a complete reply that a text reports, or None. `concerns`: whether a code is considered."""
    spaced = f"{text}\n{_WORDS.sub(' ', text)}"  # TLSV1_ALERT_UNKNOWN_CA and UnknownCa read as words too
    return next((code for code, pattern in _patterns() if pattern.search(spaced) and concerns(code)), None)


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (code, re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE))
        for code, patterns in error_patterns()
    )


def peer_in(text: str) -> str | None:
    """Return the peer that a log names (an address without credentials, or a name that does not resolve), or None."""
    name = _NAME.search(text)
    if name is not None and name["name"].lower() != "host":
        return name["name"]
    peer = _PEER.search(text)
    if peer is None:
        return None
    if peer["host"]:
        return f"{peer['host']}:{peer['port']}"
    if named := peer["to"] or peer["dialled"] or peer["named"]:
        return str(named)
    scheme, _, rest = peer["url"].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}".rstrip(":.")


def system_error(text: str, *, of_network: bool) -> OSError | None:
    """Return the operating system's error that a text names by symbol, number or words, or None. `of_network`: network errors count."""
    number = _system_number(text)
    return None if number is None or (number in _NETWORK and not of_network) else OSError(number, os.strerror(number))


def _system_number(text: str) -> int | None:
    for symbol in _SYMBOL.findall(text):
        if symbol != "EOF" and (number := getattr(errno, symbol, None)) is not None:
            return int(number)
    numbered = _NUMBERED.search(text)
    if numbered is not None and int(numbered[1]) in errno.errorcode:
        return int(numbered[1])
    lower = text.lower()
    words = max((words for words in _WORDED if words in lower), key=len, default=None)
    return None if words is None else _WORDED[words]
