"""A backend's address as a user writes it, checked before the network: what httpx and resolvers say of a bad one misleads.

Port 99999 wraps to another port, `${VAR}` shows as a DNS failure, an IPv6 address without brackets as a bad port (measured).
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

from magictel.errors import SettingsError
from magictel.net.endpoint import Endpoint
from magictel.secrets.secret import MASK, Secret, revealed

_DEFAULT_PORTS = {"http": 80, "https": 443}
_USERINFO = re.compile(r"^([^:/?#@]*://)?.*@", re.DOTALL)  # up to the last @: a password may hold / ? # unescaped
_QUERY = re.compile(r"([?#]).*", re.DOTALL)
_VARIABLE = re.compile(r"\$\{?[A-Za-z_][A-Za-z0-9_]*[^}/:]*\}?|%[A-Z_][A-Z0-9_]*%|\{\{.*?\}\}")


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint, and the credentials that stood in its URL: taken out, so that the endpoint may be printed."""

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
    """Parse and check a URL; raises `SettingsError` with code, the field's name and the value without its credentials.

    Without a port it is the scheme's (80, 443), or `default_port`. A query or fragment is refused: paths are the exporter's.
    """

    def bad(code: str, why: str, remedy: str) -> SettingsError:
        return SettingsError(code, f"{field}: {why}", remedy, origin=origin)

    url = revealed(url)
    shown = printable(url)
    if not url.strip():
        raise bad("config.url.empty", "the address is empty", f"set {field} to something like http://localhost:9200")
    if url != url.strip() or re.search(r"\s", url):
        without = re.sub(r"\s", "", shown)
        raise bad("config.url.whitespace", f"there is white space in {shown!r}", f"write {without}")
    variable = _VARIABLE.search(shown)
    if variable:
        name = variable.group().strip("${}%")
        raise bad(
            "config.url.unexpanded-variable",
            f"{variable.group()} in {shown} was never replaced: no variable {name or 'of that name'} is set",
            f"export {name}=…" if name else "replace it by its value",
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
            f"{scheme}:// is not spoken here, only {' and '.join(s + '://' for s in schemes)}",
            f"write {schemes[0]}://{printable(rest)}",
        )
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, location = authority.rpartition("@")
    path = rest[len(authority) :]
    if not at and "@" in path and not re.fullmatch(r"[^:]*(:[0-9]*)?|\[.*\](:[0-9]*)?", authority):
        raise bad(
            "config.url.userinfo",
            f"the user or password in {shown} holds one of / ? #",
            "write these as %2F %3F %23, or set username and password by themselves",
        )
    host, port = _host_and_port(location, shown, scheme, default_port, bad)
    if "?" in path or "#" in path:
        raise bad("config.url.query", f"{shown} has a query or a fragment", "write the address up to its path only")
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
    """A URL, good or bad, without the credentials in it and without its query, where keys are."""
    return _QUERY.sub(r"\1…", _USERINFO.sub(rf"\g<1>{MASK}@", url))


def _host_and_port(location: str, shown: str, scheme: str, default_port: int | None, bad: object) -> tuple[str, int]:
    assert callable(bad)
    if location.startswith("["):
        host, bracket, rest = location[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise bad("config.url.bad-port", f"the brackets in {shown} do not close", "write it like http://[::1]:9200")
        digits = rest[1:]
    elif location.count(":") > 1:
        raise bad(
            "config.url.bad-port",
            f"{shown} holds an IPv6 address without brackets, so its port cannot be told",
            "write it like http://[::1]:9200",
        )
    else:
        host, _, digits = location.partition(":")
    if not host:
        raise bad("config.url.no-host", f"{shown} names no host", f"write it like {scheme}://localhost:9200")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            raise bad("config.url.bad-host", f"{shown} names no valid host", "check the host's name") from None
    if not re.fullmatch(r"[A-Za-z0-9._~:%-]+", host):
        raise bad("config.url.bad-host", f"{shown} names no valid host", "check the host's name")
    if not digits:
        return host, default_port or _DEFAULT_PORTS.get(scheme, 0)
    if not digits.isascii() or not digits.isdigit():
        raise bad(
            "config.url.bad-port", f"the port {digits!r} is not a number", "a port is a number between 1 and 65535"
        )
    if not 1 <= int(digits) <= 65535:
        raise bad(
            "config.url.bad-port",
            f"the port {digits} is not between 1 and 65535",
            "a port is a number between 1 and 65535",
        )
    return host, int(digits)
