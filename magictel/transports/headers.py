"""Headers: those of every request, the validation of values, and a reply's headers as text."""

from __future__ import annotations

from magictel.errors import WireError
from magictel.http.wire import Request

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_FORBIDDEN = ("\r", "\n", "\0")


def travelling(request: Request, host: bytes) -> list[tuple[bytes, bytes]]:
    """Return the request's headers as sent, including those of every request."""
    given = [(name.encode("ascii"), value.encode("ascii")) for name, value in request.headers.items()]
    names = {name.lower() for name, _ in given}
    headers = [] if b"host" in names else [(b"Host", host)]
    if b"accept" not in names:
        headers.append((b"Accept", b"*/*"))
    headers += given
    if (request.body or request.method in _WITH_BODY) and b"content-length" not in names:
        headers.append((b"Content-Length", b"%d" % len(request.body)))
    return headers


def folded(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return a reply's headers as text with lower-case names; join repeated ones with a comma (RFC 9110 §5.3)."""
    folded: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        folded[name] = f"{folded[name]}, {value}" if name in folded else value
    return folded


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def must_travel(request: Request) -> None:
    """Raise `WireError` for an invalid header; it names the header and never shows the value."""
    for name, value in request.headers.items():
        if value.isascii() and value.isprintable() and name.isprintable():
            continue
        if any(character in value or character in name for character in _FORBIDDEN):
            raise WireError(
                "config.secret.whitespace", f"the value of the header {name} contains a line break", phase="write"
            )
        if not value.isascii():
            position = next(index for index, character in enumerate(value) if not character.isascii())
            raise WireError(
                "config.secret.non-ascii",
                f"character {position + 1} of the header {name} is not ASCII",
                "copy the value again from its source",
                phase="write",
            )
    url = request.url
    if not url.isascii() or any(character in url for character in _FORBIDDEN):
        raise WireError("config.url.bad-path", "the path contains an invalid character", phase="write")
