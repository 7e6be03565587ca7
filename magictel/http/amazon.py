"""Replies of Amazon's services to unsigned requests (SigV4); magictel does not sign requests."""

from __future__ import annotations

import re

from magictel.http.wire import Reply

SIGN = "use the address of a signing proxy (SigV4); magictel does not sign requests"
_UNSIGNED = re.compile(
    r"missing ?authentication ?token|incomplete ?signature|not a valid key=value pair|"
    r"authorization header requires '(?:credential|signature|signedheaders)' parameter|"
    r"user: anonymous\b[^\"\n]{0,60}\b\w+:\w+",
    re.IGNORECASE,
)
_STATUSES = frozenset({400, 401, 403})
_ECHO = re.compile(r"\s*Authorization=.*", re.DOTALL)
"""Amazon echoes the Authorization header including credentials."""


def unsigned(reply: Reply) -> bool:
    """Return whether an Amazon service rejects a request because it is not signed.

    API Gateway uses the same message for an unknown path or method, so its own reply proves nothing.
    """
    if reply.status not in _STATUSES or "x-amz-apigw-id" in reply.headers:
        return False
    return bool(_UNSIGNED.search(f"{reply.headers.get('x-amzn-errortype', '')} {reply.text[:2_000]}"))


def without_echo(words: str) -> str:
    """Return Amazon's message without the echoed Authorization header."""
    return _ECHO.sub("", words)


def unsigned_message(words: str) -> str:
    """Return the message for such a rejection, with Amazon's own message."""
    return f"Amazon requires signed requests (SigV4): {without_echo(words)}"
