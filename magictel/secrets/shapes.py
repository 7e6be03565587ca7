"""Shapes of sensitive values in attributes: names of secrets, tokens, credentials in URLs, card numbers, e-mail addresses.

A shape is recognised only where it is surely one: `gen_ai.token.type` is no secret's name, and a number without a card's checksum
no card. Only the secret part of a text is replaced: `https://user:***@host/path`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from magictel.secrets.patterns import may_have_token, without_tokens

NAMES, TOKENS, URLS, CARDS, EMAILS = SHAPES = ("names", "tokens", "urls", "cards", "emails")
Replace = Callable[[str], str]
"""Returns what replaces a secret."""

_WORDS = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"
_SECRET_WORDS = (
    r"(?:^| )(?:password|passwd|passphrase|pwd|secret|authorization|cookies?|credentials?|jwt|x?apikey|accesstoken|refreshtoken"
    r"|authtoken|secretkey|privatekey|accesskey|(?:access|refresh|auth|bearer|session|id|csrf|xsrf|security|api|private) token"
    r"|(?:api|private|secret|access|account|encryption|signing|shared|license) key)$"
)
"""The last words of a name."""
_LOGIN = r"(://[^/\s:@?#]*:)([^/\s?#]+)(?=@)"
_TOKEN_AS_LOGIN = r"(://)([A-Za-z0-9_-]{20,})(?=@)"
_PASSWORD = r"(?i)(\b(?:client[-_]?secret|secret|password|passwd|pwd|accountkey|sharedaccesskey)=)([^\s&;,'\"]{4,})"
_PARAMETER = (
    r"(?i)(\b(?:api[-_]?key|(?:access|auth|refresh|session)[-_]?token|token|sig|signature"
    r"|x-amz-(?:signature|credential|security-token)|x-goog-signature)=)([^\s&;,'\"]{8,})"
)
"""A parameter of a URL, or a part of a connection string; `token=input` has no secret."""
_SCHEME = r"(?i)(\b(?:Bearer|Token|ApiKey)\s+)([A-Za-z0-9._~+/-]{16,}=*)"
_BASIC = r"(?i)(\bBasic\s+)([A-Za-z0-9+/]{6,}={0,2})"
_CARD = r"(?<!\w)(?<!\w[.+-])(?:\d{14,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{4,5})(?!\w|[.-]\w)"
_ISSUER = (
    r"4(?:\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|65\d\d|64[4-9]\d)\d{12}|3(?:[68]\d|0[0-5])\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
"""Numbers of Visa, Mastercard, American Express, Discover, Diners, JCB and UnionPay."""
_EMAIL = r"(?<![\w.+/:%-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![\w@:/-])"
# Texts, compiled by `re` at first use: a command that encodes nothing is quicker.
SMALLEST_CARD = 10**13
"""A smaller whole number is no card's."""


@lru_cache(10_000)
def is_secret_name(name: str) -> bool:
    """Return whether an attribute with this name has a secret: `http.request.header.authorization`, `db.password`, `xApiKey`."""
    words = " ".join(re.findall(_WORDS, name)).lower()
    return re.search(_SECRET_WORDS, words) is not None


class Masking:
    """Replaces the sensitive parts of texts: of these shapes, and what matches one of the `patterns`."""

    def __init__(self, shapes: Sequence[str], patterns: Sequence[str], replace: Replace) -> None:
        self._replace = replace
        self._rules = [(shape, *_RULES[shape]) for shape in shapes if shape in _RULES]
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def __call__(self, text: str) -> tuple[str, str]:
        """Return the text without sensitive parts, and the shape of the first one (`pattern`: one of the user's; empty: none)."""
        shape = ""
        for pattern in self._patterns:
            text, count = pattern.subn(lambda match: self._replace(match[0]), text)
            shape = shape or ("pattern" if count else "")
        for name, may_have, rule in self._rules:
            if may_have(text) and (replaced := rule(text, self._replace)) != text:
                text, shape = replaced, shape or name
        return text, shape

    def is_clean(self, values: Iterable[Any]) -> bool:
        """Return whether no value has a sensitive part: searched together, which is much cheaper. False also where that is not certain."""
        texts = [value for value in values if type(value) is str]
        others = [value for value in values if type(value) is not str]
        if others and not all(type(value) in (bool, type(None)) or _is_small(value) for value in others):
            return False
        if self._patterns and texts:
            return False
        joined = "\n".join(texts)
        return not any(may_have(joined) for _, may_have, _ in self._rules)


def _is_small(value: Any) -> bool:
    """Return whether neither a number nor an equal one of the other type can be a card's: what is clean is looked up by equality."""
    return type(value) in (int, float) and value <= SMALLEST_CARD


def _may_have_login(text: str) -> bool:
    return may_have_token(text) or any(scheme in text.lower() for scheme in ("bearer", "basic", "token ", "apikey"))


def _tokens(text: str, replace: Replace) -> str:
    text = without_tokens(text, replace)
    return _replaced(_BASIC, _replaced(_SCHEME, text, replace, _is_random), replace, _is_login)


def _may_have_address(text: str) -> bool:
    return "://" in text or "=" in text


def _urls(text: str, replace: Replace) -> str:
    text = _replaced(_PASSWORD, text, replace)
    text = _replaced(_PARAMETER, text, replace, _is_random)
    return _replaced(_TOKEN_AS_LOGIN, _replaced(_LOGIN, text, replace), replace, _is_random)


def _may_have_card(text: str) -> bool:
    return re.search(r"\d{4}[ -]?\d{4}", text) is not None


def _cards(text: str, replace: Replace) -> str:
    return re.sub(_CARD, lambda match: replace(match[0]) if _is_card(match[0]) else match[0], text)


def _emails(text: str, replace: Replace) -> str:
    return re.sub(_EMAIL, lambda match: replace(match[0]), text)


def _may_have_email(text: str) -> bool:
    return "@" in text


def _replaced(pattern: str, text: str, replace: Replace, is_secret: Callable[[str], bool] = bool) -> str:
    """Return the text with the second group replaced wherever it is secret."""
    return re.sub(pattern, lambda match: match[1] + replace(match[2]) if is_secret(match[2]) else match[0], text)


def _is_random(text: str) -> bool:
    """Return whether a text is no word or words: it mixes digits or capitals with other letters."""
    inner = text[1:]
    return any(map(str.isdigit, text)) or (any(map(str.isupper, inner)) and any(map(str.islower, inner)))


def _is_login(text: str) -> bool:
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    return ":" in decoded and decoded.isprintable()


def _is_card(text: str) -> bool:
    """Return whether a number is an issuer's and has the checksum of cards (Luhn)."""
    digits = re.sub(r"[ -]", "", text)
    if not re.fullmatch(_ISSUER, digits) or len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        total += digit if place % 2 == 0 else sum(divmod(2 * digit, 10))
    return total % 10 == 0


_RULES: Mapping[str, tuple[Callable[[str], bool], Callable[[str, Replace], str]]] = {
    TOKENS: (_may_have_login, _tokens),
    URLS: (_may_have_address, _urls),
    CARDS: (_may_have_card, _cards),
    EMAILS: (_may_have_email, _emails),
}
"""For each shape, whether a text may have one, which is cheap, and what replaces them."""
