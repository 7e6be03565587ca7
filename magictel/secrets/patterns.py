"""Mask unknown secrets, those that are in no setting: by the names before them in log lines, and by the prefixes of well-known tokens.

A word of prose is not a secret and stays. Known secrets are masked by their values: see `redactor`.
"""

from __future__ import annotations

import re

from magictel.secrets.secret import MASK

_PREFIXES = (
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "glsa_", "xox"),
    *("AKIA", "ASIA", "NRAK-", "eyJ"),
)
_TOKEN = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))(?:"
    r"(?:gh[pousr]_|github_pat_|glpat-|glsa_|xox[a-z]-)(?=[a-z_-]{0,64}[0-9A-Z])[A-Za-z0-9_-]{16,}"
    r"|(?:AKIA|ASIA|NRAK-)[A-Z0-9]{16,}"
    r"|(?<![_-])eyJ[A-Za-z0-9_-]{13,}\.eyJ[A-Za-z0-9_.-]*)"
)
"""Tokens of GitHub, GitLab, Grafana, Slack, AWS and New Relic, and JSON Web Tokens; a random one has a digit or a capital letter.

One begins where a word begins, or after an escape (`\\n`, `%3D`): `highs_of_the_last_24_hours` contains none.
"""
_KEYED = re.compile(
    r"(?P<head>\b(?P<key>authorization|api[-_]?key|password|passwd|secret|(?:access|refresh|bearer|auth)?[-_]?token)\b"
    r"(?P<sign>['\"]?\s*[:=]\s*[bu]?['\"]?)(?:(?:basic|bearer|apikey|api-token)\s+)?)(?P<value>[^\s'\",@\[{]{6,})",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?P<head>\b(?:ApiKey|Bearer|Basic)\s+)(?P<value>[^\s'\",@\[{]{6,})", re.IGNORECASE)
_IN_URL = re.compile(r"(?P<head>://[^/\s:@]*:)[^/\s@]+(?=@)")
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


def without_tokens(text: str) -> str:
    """Return the text with well-known types of tokens replaced by `***`."""
    if any(prefix in text for prefix in _PREFIXES):  # much cheaper than the pattern
        return _TOKEN.sub(MASK, text)
    return text


def masked(text: str) -> str:
    """Return the text with passwords, keys and tokens replaced by `***`."""
    text = _KEYED.sub(_keyed, text)
    text = _SCHEME.sub(lambda match: _shown(match, _is_word(match["value"])), text)
    return without_tokens(_IN_URL.sub(lambda match: f"{match['head']}***", text))


def _keyed(match: re.Match[str]) -> str:
    value, sign = match["value"], match["sign"]
    if value.startswith("***"):
        return match[0]
    prose = sign == ": " and _is_word(value)
    if prose and _PASSWORD.search(match["key"]):  # a password may be a word as well
        prose = _PROSE_AFTER_PASSWORD.match(value) is not None
    return _shown(match, prose)


def _is_word(value: str) -> bool:
    return _WORD.fullmatch(value) is not None or _CHALLENGE.match(value) is not None


def _shown(match: re.Match[str], whole: bool) -> str:
    return match[0] if whole else f"{match['head']}***"
