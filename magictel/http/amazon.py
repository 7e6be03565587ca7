"""What Amazon's services answer to a request that carries no signature (SigV4). magictel signs none."""

from __future__ import annotations

import re

from magictel.http.wire import Reply

SIGN = "put a signing proxy (SigV4) in front of it and use the proxy's address; magictel does not sign requests"
_UNSIGNED = re.compile(
    r"missing ?authentication ?token|incomplete ?signature|not a valid key=value pair|"
    r"authorization header requires '(?:credential|signature|signedheaders)' parameter|"
    r"user: anonymous\b[^\"\n]{0,60}\b\w+:\w+",
    re.IGNORECASE,
)
_STATUSES = frozenset({400, 401, 403})
_ECHO = re.compile(r"\s*Authorization=.*", re.DOTALL)
"""Amazon says the Authorization header back, credentials included."""


def unsigned(reply: Reply) -> bool:
    """True where one of Amazon's services refuses a request because it is not signed.

    API Gateway says the same words to a path or a method that it does not know, so its own answer proves nothing.
    """
    if reply.status not in _STATUSES or "x-amz-apigw-id" in reply.headers:
        return False
    return bool(_UNSIGNED.search(f"{reply.headers.get('x-amzn-errortype', '')} {reply.text[:2_000]}"))


def without_echo(words: str) -> str:
    """Amazon's sentence without the Authorization header that it repeats."""
    return _ECHO.sub("", words)


def unsigned_message(words: str) -> str:
    """Return the sentence for such a refusal, with Amazon's own words."""
    return f"Amazon requires signed requests (SigV4): {without_echo(words)}"
