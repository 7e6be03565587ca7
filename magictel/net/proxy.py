"""Which proxy stands between us and an endpoint: the setting's, else the environment's, as curl and httpx read it."""

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
    """An HTTP proxy. `source` says who named it (`the proxy setting`, `HTTPS_PROXY`); printable: credentials are not in `repr`."""

    host: str
    port: int
    source: str
    authorization: Secret | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a redactor must know of this proxy."""
        if self.authorization is None:
            return ()
        user_and_password = base64.b64decode(self.authorization.reveal().removeprefix("Basic ")).decode(
            "utf-8", "replace"
        )
        return (user_and_password, user_and_password.partition(":")[2])


class ProxyRefused(Exception):  # noqa: N818 # a fact, told by its status
    """The proxy answered a request for a tunnel with something else than 2xx; `status` 0: with something else than HTTP."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def proxy_for(
    endpoint: Endpoint, setting: str | None, *, trust_env: bool, environment: Mapping[str, str]
) -> Proxy | None:
    """The proxy for an endpoint: `setting` wins (an empty text means none), then the variables of the environment.

    Those are `<scheme>_proxy` and `all_proxy`, in lower and upper case, unless `no_proxy` excepts the host.
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
    """A proxy from its URL; raises `SettingsError`, whose text holds no credentials."""
    text = revealed(url).strip()
    parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    remedy = "write it as http://host:port or http://user:password@host:port"
    if env_quotes.unquoted(text) is not None:
        raise SettingsError(env_quotes.CODE, f"proxy: {source} {env_quotes.WHY}", "write it without the quotes", source)
    if parts.scheme != "http":
        raise SettingsError(
            "config.proxy.bad-scheme", f"proxy: {parts.scheme}:// proxies are not supported", remedy, origin=source
        )
    try:
        port = parts.port if parts.port is not None else 80
    except ValueError:
        port = 0
    if not parts.hostname or not 0 < port < 65536:
        raise SettingsError("config.proxy.bad-url", "proxy: its URL names no host and port", remedy, origin=source)
    authorization = None
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        authorization = Secret("Basic " + base64.b64encode(pair.encode()).decode())
    return Proxy(parts.hostname, port, source, authorization)


def _excepted(endpoint: Endpoint, excepted: str) -> bool:
    host = endpoint.host.lower()
    return any(_covers(entry.strip().lower(), host, endpoint.port) for entry in excepted.split(","))


def _covers(entry: str, host: str, port: int) -> bool:
    """`*`; a name and its subdomains (with or without a leading dot); an address; a network; each perhaps with `:port`."""
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
