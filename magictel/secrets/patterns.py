"""Mask unknown secrets, those that are in no setting: by the names before them in log lines, and by the prefixes of well-known tokens.

A word of prose is not a secret and stays. Known secrets are masked by their values: see `redactor`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from magictel.secrets.secret import MASK

_PREFIXES = (
    *(
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "glrt-",
        "gldt-",
        "glptt-",
        "glsa_",
        "glc_",
        "xox",
    ),
    *(
        "AKIA",
        "ASIA",
        "NRAK-",
        "NRII-",
        "NRAL",
        "ddapp_",
        "eyJ",
        "sk-",
        "AIza",
        "ya29.",
        "hf_",
        "gsk_",
        "xai-",
        "pplx-",
        "r8_",
        "nvapi-",
        "_live_",
    ),
    *(
        "_test_",
        "whsec_",
        "SG.",
        "npm_",
        "pypi-",
        "_v1_",
        "shp",
        "dckr_pat_",
        "hvs.",
        "hvb.",
        "hvr.",
        "dapi",
        "lin_api_",
    ),
    *("PMAK-", "AGE-SECRET-KEY-1", ":AA", "sq0", "xapp-", "ATATT3", "8Q~", "key-", "SK", "figd_", "sntry", "EAA"),
    *("PRIVATE KEY-----", "hooks.slack.com/services/", "/api/webhooks/"),
)
_TOKEN = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))(?:"
    r"(?:gh[pousr]_|github_pat_|gl(?:pat|rt|dt|ptt)-|glsa_|xox[a-z]-)(?=[a-z_-]{0,64}[0-9A-Z])[A-Za-z0-9_-]{16,}"
    r"|sk-(?:ant|proj|svcacct|admin|or-v1)-(?=[a-z_-]{0,64}[0-9A-Z])[A-Za-z0-9_-]{24,}"
    r"|(?:sk-|lin_api_|r8_|hf_|npm_)(?=[a-z]{0,64}[0-9A-Z])[A-Za-z0-9]{28,}|(?:gsk_|xai-|pplx-)[A-Za-z0-9]{40,}"
    r"|(?:sk|rk)_(?:live|test)_(?=[a-z]{0,64}[0-9A-Z])[A-Za-z0-9]{16,}|(?:glc_|whsec_|sntry[su]_)[A-Za-z0-9+/=_-]{32,}"
    r"|(?:dckr_pat_|sq0(?:atp|csp|idp)-|hv[sbr]\.|ya29\.|figd_)(?=[a-z_-]{0,64}[0-9A-Z])[A-Za-z0-9_-]{20,}"
    r"|(?:nvapi-|pypi-)[A-Za-z0-9_-]{50,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|xapp-\d-[A-Z0-9]{8,}-\d+-[a-z0-9]{16,}"
    r"|(?:NRII-|ddapp_)(?=[a-z_-]{0,64}[0-9A-Z])[A-Za-z0-9_-]{16,}|(?:[a-z]{2}\d\dxx)?[0-9a-f]{26,40}NRAL(?![A-Za-z0-9])"
    r"|(?:AKIA|ASIA|NRAK-)[A-Z0-9]{16,}|AIza[A-Za-z0-9_-]{35}"
    r"|do[opr]_v1_[0-9a-f]{64}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|dapi[0-9a-f]{32}|key-[0-9a-f]{32}|SK[0-9a-f]{32}"
    r"|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|AGE-SECRET-KEY-1[0-9A-Z]{58}|\d{8,10}:AA[A-Za-z0-9_-]{33}"
    r"|ATATT3[A-Za-z0-9_=-]{60,}|[A-Za-z0-9]{3}8Q~[A-Za-z0-9_~.-]{31,}|EAA[A-Za-z0-9]{80,}"
    r"|(?<![_-])eyJ[A-Za-z0-9_-]{13,}\.eyJ[A-Za-z0-9_.-]*)"
    r"|-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:.*?-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----|.*)"
    r"|(?<=hooks\.slack\.com/services/)T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}|(?<=/api/webhooks/)\d{16,}/[A-Za-z0-9_-]{32,}"
)
"""Tokens of well-known services, JSON Web Tokens, private keys and webhooks; a random one has a digit or a capital letter.

One begins where a word begins, or after an escape (`\\n`, `%3D`): `highs_of_the_last_24_hours` contains none.
"""
_KEYED = re.compile(
    r"(?P<head>(?<![A-Za-z0-9])(?P<key>authorization|(?:api|app|application|license|licence|insert|user)[-_]?key|password|passwd|secret|"
    r"(?:access|refresh|bearer|auth)?[-_]?token)\b"
    r"(?P<sign>['\"]?\s*[:=]\s*[bu]?['\"]?)(?:(?:basic|bearer|apikey|api-token)\s+)?)(?P<value>[^\s'\",@\[{]{6,})",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?P<head>\b(?:ApiKey|Bearer|Basic)\s+)(?P<value>[^\s'\",@\[{]{6,})", re.IGNORECASE)
_SCHEMES = ("basic", "bearer", "apikey", "api-token")
_IN_URL = re.compile(r"(?P<head>://[^/\s:@]*:)[^/\s]+(?=@)")
_WORD = re.compile(r"(?:[A-Za-z]?[a-z]+|[A-Z]+(?:_[A-Z]+)*)[.;:!?)\]]*")
"""A word of a sentence, or a constant as parsers print it (`END_OBJECT`)."""
_CHALLENGE = re.compile(r"(?:realm|charset|error|scope)=", re.IGNORECASE)
_PASSWORD = re.compile(r"password|passwd|secret|key", re.IGNORECASE)
_PROSE_AFTER_PASSWORD = re.compile(
    r"(?:incorrect|invalid|expired|missing|wrong|required|denied|mismatch|unknown|cannot|must|should|needed|unset|"
    r"failed|failure|rejected|unable|authentication|authorization|unauthorized|forbidden|please|unexpected|supplied|specified)\b",
    re.IGNORECASE,
)
"""Words that may follow `password:` in a sentence."""


def may_have_token(text: str) -> bool:
    """Return whether a text has what tokens begin with: much cheaper than the pattern."""
    return any(prefix in text for prefix in _PREFIXES)


def without_tokens(text: str, replace: Callable[[str], str] = lambda token: MASK) -> str:
    """Return the text with well-known types of tokens replaced, by `***`."""
    return _token().sub(lambda match: replace(match[0]), text) if may_have_token(text) else text


@cache
def _token() -> re.Pattern[str]:
    return re.compile(_TOKEN, re.DOTALL)  # at first use: a command that shows none is quicker


def masked(text: str) -> str:
    """Return the text with passwords, keys and tokens replaced by `***`."""
    text = _KEYED.sub(_keyed, text)
    text = _SCHEME.sub(lambda match: _shown(match, _is_word(match["value"])), text)
    return without_tokens(_IN_URL.sub(lambda match: f"{match['head']}***", text))


def _keyed(match: re.Match[str]) -> str:
    value, sign = match["value"], match["sign"]
    if value.startswith("***") or value.lower() in _SCHEMES:  # `Authorization = "Api-Token …"`
        return match[0]
    prose = sign == ": " and _is_word(value)
    if prose and _PASSWORD.search(match["key"]):  # a password may be a word as well
        prose = _PROSE_AFTER_PASSWORD.match(value) is not None
    return _shown(match, prose)


def _is_word(value: str) -> bool:
    return _WORD.fullmatch(value) is not None or _CHALLENGE.match(value) is not None


def _shown(match: re.Match[str], whole: bool) -> str:
    return match[0] if whole else f"{match['head']}***"
