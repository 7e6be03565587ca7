"""Validation of a backend's address before any request: the errors of httpx and of resolvers are misleading.

Port 99999 wraps to another port, `${VAR}` looks like a DNS failure, an IPv6 address without brackets like a bad port (measured).
"""

from __future__ import annotations

import contextlib
import re
import urllib.parse
from collections.abc import Callable

import msgspec

from magictel.errors import SettingsError
from magictel.net.endpoint import Endpoint
from magictel.secrets.secret import MASK, Secret, revealed

_DEFAULT_PORTS = {"http": 80, "https": 443}
_USERINFO = re.compile(r"^([^:/?#@]*://)?.*@", re.DOTALL)  # up to the last @: a password may contain unescaped / ? #
_QUERY = re.compile(r"([?#]).*", re.DOTALL)
_VARIABLE = re.compile(r"\$\{?[A-Za-z_][A-Za-z0-9_]*[^}/:]*\}?|%[A-Z_][A-Z0-9_]*%|\{\{.*?\}\}")


_Bad = Callable[[str, str, str], SettingsError]
"""Returns the error for a code, a reason and a remedy."""


class Address(msgspec.Struct, frozen=True):
    """An endpoint without credentials, which may be printed, and the credentials from its URL."""

    endpoint: Endpoint
    username: str | None = None
    password: Secret | None = None


def parse_endpoint(
    url: str,
    *,
    field: str = "url",
    origin: str | None = None,
    schemes: tuple[str, ...] = ("http", "https"),
    default_port: int | None = None,
) -> Address:
    """Parse and check a URL. Raise `SettingsError` with code, the field's name and the value without its credentials.

    The default port is that of the scheme (80, 443), or `default_port`. A query or fragment is rejected: the exporter adds paths.
    """

    def bad(code: str, why: str, remedy: str) -> SettingsError:
        return SettingsError(code, f"{field}: {why}", remedy, origin=origin)

    url = revealed(url)
    shown = printable(url)
    if not url.strip():
        raise bad("config.url.empty", "the address is empty", f"set {field} to something like http://localhost:9200")
    if url != url.strip() or re.search(r"\s", url):
        without = re.sub(r"\s", "", shown)
        raise bad("config.url.whitespace", f"{shown!r} contains white space", f"use {without}")
    variable = _VARIABLE.search(shown)
    if variable:
        name = variable.group().strip("${}%")
        raise bad(
            "config.url.unexpanded-variable",
            f"{variable.group()} in {shown} was not expanded: no variable {name or 'with that name'} is set",
            f"export {name}=…" if name else "replace it with its value",
        )
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme:
        raise bad(
            "config.url.no-scheme",
            f"{shown} does not say {' or '.join(s + '://' for s in schemes)}",
            f"write {schemes[0]}://{shown.lstrip('/')}",
        )
    scheme = scheme.lower()
    if scheme not in schemes:
        raise bad(
            "config.url.bad-scheme",
            f"{scheme}:// is not supported, only {' and '.join(s + '://' for s in schemes)}",
            f"write {schemes[0]}://{printable(rest)}",
        )
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, location = authority.rpartition("@")
    path = rest[len(authority) :]
    if not at and "@" in path and not re.fullmatch(r"[^:]*(:[0-9]*)?|\[.*\](:[0-9]*)?", authority):
        raise bad(
            "config.url.userinfo",
            f"the user or password in {shown} contains one of / ? #",
            "write these as %2F %3F %23, or use the options username and password",
        )
    host, port = _host_and_port(location, shown, scheme, default_port, bad)
    if "?" in path or "#" in path:
        raise bad("config.url.query", f"{shown} has a query or a fragment", "end the address after its path")
    if path and not path.isascii():
        path = urllib.parse.quote(path, safe="/%")
    endpoint = Endpoint(scheme, host, port, path.rstrip("/"))
    if not at:
        return Address(endpoint)
    username, _, password = userinfo.partition(":")
    return Address(
        endpoint, urllib.parse.unquote(username), Secret(urllib.parse.unquote(password)) if password else None
    )


def printable(url: str) -> str:
    """Return a URL, valid or not, without its credentials and its query, which may contain keys."""
    return _QUERY.sub(r"\1…", _USERINFO.sub(rf"\g<1>{MASK}@", url))


def _host_and_port(location: str, shown: str, scheme: str, default_port: int | None, bad: _Bad) -> tuple[str, int]:
    if location.startswith("["):
        host, bracket, rest = location[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise bad("config.url.bad-port", f"the brackets in {shown} do not close", "for example http://[::1]:9200")
        digits = rest[1:]
    elif location.count(":") > 1:
        raise bad(
            "config.url.bad-port",
            f"{shown} has an IPv6 address without brackets, so its port is ambiguous",
            "for example http://[::1]:9200",
        )
    else:
        host, _, digits = location.partition(":")
    if not host:
        raise bad("config.url.no-host", f"{shown} names no host", f"for example {scheme}://localhost:9200")
    with contextlib.suppress(UnicodeError):  # a name that has no ASCII form is refused below
        host = host if host.isascii() else host.encode("idna").decode()
    if not re.fullmatch(r"[A-Za-z0-9._~:%-]+", host):
        raise bad("config.url.bad-host", f"{shown} has no valid host name", "check the host name")
    if not digits:
        return host, default_port or _DEFAULT_PORTS.get(scheme, 0)
    remedy = "use a port between 1 and 65535"
    if not digits.isascii() or not digits.isdigit():
        raise bad("config.url.bad-port", f"the port {digits!r} is not a number", remedy)
    if not 1 <= int(digits) <= 65535:
        raise bad("config.url.bad-port", f"the port {digits} is not between 1 and 65535", remedy)
    return host, int(digits)
