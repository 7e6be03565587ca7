"""Warnings about unsafe settings: unverified certificates and unencrypted credentials."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from magictel.errors import SettingsError
from magictel.net.address import parse_endpoint, printable
from magictel.secrets.secret import Secret
from magictel.settings.fields import fields_of, userinfo_secrets

CREDENTIAL_NAME = re.compile(r"auth|key|token|secret|password|cookie|credential", re.IGNORECASE)
"""Names of headers and options whose values are credentials."""


def cautions(settings: msgspec.Struct) -> Iterator[tuple[str, str, str]]:
    """Yield the key of an unsafe option, a message without any secret, and the remedy."""
    if getattr(settings, "verify", None) is False and not getattr(settings, "ca_fingerprint", None):
        message = "verify: the server's certificate is not verified, so anyone in between can read and answer"
        yield "verify", message, "remove verify = false, and set ca_file if the certificate is of a private CA"
    credentials = [
        name for field in fields_of(type(settings)) for name in _credentials(field.key, getattr(settings, field.key))
    ]
    for field in fields_of(type(settings)):
        if not field.address or field.key.endswith("proxy"):
            continue
        value = getattr(settings, field.key)
        for url in [value] if isinstance(value, str) else value or ():
            sent = [*credentials, *(["its login"] if any(userinfo_secrets(url)) else [])]
            if sent and _is_plain(url):
                message = f"{field.key}: {' and '.join(sent)} would be sent unencrypted to {printable(url)}"
                yield field.key, message, f"use https:// in {field.key}"


def _credentials(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Secret) and value:
        yield key
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, Secret) and CREDENTIAL_NAME.search(name):
                yield f"{key}.{name}"


def _is_plain(url: str) -> bool:
    """Return whether requests to an address leave this machine unencrypted."""
    try:
        endpoint = parse_endpoint(url).endpoint
    except SettingsError:
        return False
    host = endpoint.host.strip("[]").partition("%")[0].rstrip(".").lower()
    if endpoint.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
