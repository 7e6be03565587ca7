"""The proxy for an endpoint: from the setting, otherwise from the environment, with the rules of curl and httpx."""

from __future__ import annotations

import base64
import ipaddress
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from magictel import env_quotes
from magictel.errors import SettingsError
from magictel.net.endpoint import Endpoint
from magictel.secrets.secret import Secret, revealed


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `source` is where it is set (`the proxy setting`, `HTTPS_PROXY`); `repr` contains no credentials."""

    host: str
    port: int
    source: str
    authorization: Secret | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the secrets of this proxy, for a redactor."""
        if self.authorization is None:
            return ()
        user_and_password = base64.b64decode(self.authorization.reveal().removeprefix("Basic ")).decode(
            "utf-8", "replace"
        )
        return (user_and_password, user_and_password.partition(":")[2])


class ProxyRefused(Exception):  # noqa: N818 # carries a status, not a message
    """The proxy answered a CONNECT request with a status other than 2xx; `status` 0: the reply was not HTTP."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def proxy_for(
    endpoint: Endpoint, setting: str | None, *, trust_env: bool, environment: Mapping[str, str]
) -> Proxy | None:
    """Return the proxy for an endpoint: `setting` first (an empty text means none), then the environment variables.

    These are `<scheme>_proxy` and `all_proxy`, in lower and upper case, unless `no_proxy` excludes the host.
    """
    if setting is not None:
        return parse_proxy(setting, "the proxy setting") if setting.strip() else None
    if not trust_env:
        return None
    for name in (f"{endpoint.scheme}_proxy", "all_proxy"):
        for spelling in (name, name.upper()):
            if spelling == "HTTP_PROXY" and "REQUEST_METHOD" in environment:
                continue  # CGI: a client's header named Proxy ends up in this variable (httpoxy)
            value = environment.get(spelling, "").strip()
            if value:
                excepted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
                return None if _excepted(endpoint, excepted) else parse_proxy(value, spelling)
    return None


def parse_proxy(url: str, source: str) -> Proxy:
    """Parse a proxy's URL. Raise `SettingsError`, whose message contains no credentials."""
    text = revealed(url).strip()
    parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    remedy = "use http://host:port or http://user:password@host:port"
    if env_quotes.unquoted(text) is not None:
        raise SettingsError(env_quotes.CODE, f"proxy: {source} {env_quotes.WHY}", "remove the quotes", source)
    if parts.scheme != "http":
        raise SettingsError(
            "config.proxy.bad-scheme", f"proxy: {parts.scheme}:// proxies are not supported", remedy, origin=source
        )
    try:
        port = parts.port if parts.port is not None else 80
    except ValueError:
        port = 0
    if not parts.hostname or not 0 < port < 65536:
        raise SettingsError("config.proxy.bad-url", "proxy: the URL has no host and port", remedy, origin=source)
    authorization = None
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        authorization = Secret("Basic " + base64.b64encode(pair.encode()).decode())
    return Proxy(parts.hostname, port, source, authorization)


def _excepted(endpoint: Endpoint, excepted: str) -> bool:
    host = endpoint.host.lower()
    return any(_covers(entry.strip().lower(), host, endpoint.port) for entry in excepted.split(","))


def _covers(entry: str, host: str, port: int) -> bool:
    """Match a pattern of `no_proxy`: `*`; a name and its subdomains ; an address; a network; with optional `:port`."""
    if not entry:
        return False
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdigit() and "]" not in digits:
        if int(digits) != port:
            return False
        entry = name.strip("[]")
    entry = entry.removeprefix("*").removeprefix(".")
    return host == entry or host.endswith(f".{entry}")
