"""Needles: the spellings in which a known secret may stand in a text, as the redactor searches for them."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Iterator

import msgspec

from magictel.secrets.secret import Secret
from magictel.secrets.spellings import bare, decodings, lower

SHORTEST = 4
"""Characters of a secret that is masked: shorter ones would mask half of every text."""
SHORTEST_CUT = 6
"""Characters of a secret that is recognised where a text is truncated."""
_SHORTEST_ECHO = 8
_SHORTEST_NAME = 6
_ORDINARY = re.compile(r"[^\W\d_]{1,15}|\d{1,11}")
"""A word or a number that may be ordinary text."""
_SCHEME = re.compile(r"(?:basic|bearer|apikey|token|digest|negotiate|splunk)\s+(\S.*)", re.IGNORECASE | re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")


class Needle(msgspec.Struct, frozen=True, dict=True):
    """A secret in one spelling. `strong`: no ordinary word, so it is masked in replies too; `word`: match whole words only.

    `whole`: its beginning is not secret, as in `user:password`.
    """

    text: str
    strong: bool
    word: bool = False
    base64: bool = False
    whole: bool = False

    @functools.cached_property
    def wanted(self) -> str:
        """Return the text to search for: a strong secret in lower case, because it matches in any case, another one as it is."""
        return lower(self.text) if self.strong else self.text

    @functools.cached_property
    def head(self) -> str:
        """Return the beginning of `wanted`: a text without it contains neither the secret nor a truncated one."""
        return self.wanted[:SHORTEST_CUT]

    @functools.cached_property
    def bare(self) -> str:
        """Return the secret without spaces, or an empty text if it is so short that it could match other words by chance."""
        short = bare(self.wanted) if self.strong else ""
        return short if len(short) >= _SHORTEST_ECHO else ""


def needles_of(secrets: Iterable[Secret | str | None], plain: tuple[str, ...]) -> set[Needle]:
    """Return the spellings of these secrets. `plain`: texts that are not secret and that a backend may return."""
    values = {secret.reveal() if isinstance(secret, Secret) else secret for secret in secrets}
    given = {value.strip() for value in values if value}
    needles: set[Needle] = set()
    for value in given:
        scheme = _SCHEME.fullmatch(value)
        credential = scheme.group(1) if scheme else value
        name, key = _halves(credential)
        login = key in given or (scheme is not None and value[:5].lower() == "basic")
        for text in {value, credential, key, f"{name}:{key}" if key else ""}:
            needles |= _spelled(text, plain, whole=login and text != key)
        if len(name) >= _SHORTEST_NAME and not login and name not in plain:
            needles.add(Needle(name, strong=False, word=True))
    return needles


def _halves(credential: str) -> tuple[str, str]:
    """Return the two parts of `id:key`, plain or in base64, or empty texts if it is not such a pair."""
    text = credential
    if ":" not in text and _BASE64.fullmatch(text):
        try:
            raw = base64.b64decode(text.translate({45: 43, 95: 47}).rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
            text = raw.decode()
        except (binascii.Error, ValueError):
            return "", ""
        if not text.isprintable():
            return "", ""
    name, colon, key = text.partition(":")
    return (name, key) if colon else ("", "")


def _spelled(value: str, plain: tuple[str, ...], *, whole: bool) -> set[Needle]:
    if len(value) < SHORTEST:
        return set()
    ordinary = _ORDINARY.fullmatch(value) is not None
    strong = not ordinary and len(value) >= _SHORTEST_ECHO and not any(value in text for text in plain)
    needles = {Needle(text, strong, ordinary, whole=whole) for text in decodings(value) if len(text) >= SHORTEST}
    raw = value.encode("utf-8", "surrogateescape")
    for text in _in_base64(raw):
        strong = len(text) >= _SHORTEST_ECHO
        needles.add(Needle(text, strong, base64=True, whole=whole))
        needles.add(Needle(text.replace("+", "-").replace("/", "_"), strong, base64=True, whole=whole))
    if len(raw) >= SHORTEST_CUT:  # a shorter one may be a number
        needles.add(Needle(raw.hex(), strong=True, whole=whole))
    return needles


def _in_base64(raw: bytes) -> Iterator[str]:
    """Yield the base64 of a secret, alone and within a longer text, where preceding text shifts it."""
    yield base64.b64encode(raw).decode().rstrip("=")
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        first = (0, 2, 3)[before]
        last = (before + len(raw)) * 8 // 6
        if last - first >= SHORTEST_CUT:
            yield whole[first:last]
