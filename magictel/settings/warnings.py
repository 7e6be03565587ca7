"""Warnings about unsafe settings (unverified certificates, unencrypted credentials), and about variables without effect.

Variables such as `ELASTICSEARCH_URLL` and `MAGICTEL_PROD_EX__URL` only cause warnings: the environment is shared, and other programs'
variables are no errors.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from magictel.errors import SettingsError
from magictel.net.address import parse_endpoint, printable
from magictel.secrets.secret import Secret
from magictel.settings.fields import Field, fields_of
from magictel.settings.names import target_variable
from magictel.settings.secret_values import userinfo_secrets

CREDENTIAL_NAME = re.compile(r"auth|key|token|secret|password|cookie|credential", re.IGNORECASE)
"""Names of headers and options whose values are credentials."""
_FOR_A_TARGET = re.compile(r"(MAGICTEL_[A-Z0-9_]+?__)(?=[A-Z0-9])(.+)", re.IGNORECASE)
_ALIKE = 0.8


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


def unknown_variables(
    name: str,
    prefixes: tuple[str, ...],
    fields: Mapping[str, Field],
    tables: Collection[str],
    environment: Mapping[str, str],
) -> Iterator[str]:
    """Yield a message, without the value, for each variable that seems to be meant for the target `name` but sets nothing.

    `prefixes`: that of the exporter's variables, then those of other programs that begin like it. `tables`: the file's targets.
    """
    prefix, *others = prefixes
    known = {variable: key for key, field in fields.items() for variable in field.env}
    prefix_of_target = target_variable(name, "")
    there = {target_variable(table, "") for table in tables}
    for variable in environment:
        if variable in known:
            continue
        meant = _FOR_A_TARGET.fullmatch(variable)
        if meant is not None:
            head, key = meant.group(1).upper(), meant.group(2)
            if head in there:
                continue
            if head == prefix_of_target:
                field = fields.get(key.lower())
                right = f"; for the exporter itself use {field.env[0]}" if field and field.env else ""
                yield f"{variable} has no effect: the file has no target {name}{right}"
            elif _alike(head, prefix_of_target) or not any(_alike(head, other) for other in there):
                hint = (
                    f". Did you mean {prefix_of_target}{key.upper()}?"
                    if prefix_of_target in there and _alike(head, prefix_of_target)
                    else ""
                )
                yield f"{variable} has no effect: the file has no target with that name{hint}"
        elif others and variable.startswith(tuple(others)):
            continue
        elif prefix and variable.startswith(prefix) and (near := _near(variable, prefix, known)):
            yield f"{variable} has no effect. Did you mean {near}?"


def _near(variable: str, prefix: str, known: Mapping[str, str]) -> str | None:
    """Return the variable that this one misspells. Kubernetes' `ELASTICSEARCH_SERVICE_HOST` is no misspelling."""
    end = variable.removeprefix(prefix)
    for right in known:
        key = right.removeprefix(prefix)
        if right.startswith(prefix) and (_alike(end, key) or (len(end) >= 4 and key.startswith(end))):
            return right
    return None


def _alike(name: str, other: str) -> bool:
    if abs(len(name) - len(other)) > 3:
        return False
    from difflib import SequenceMatcher  # an unknown variable is rare, and the import is slow

    return SequenceMatcher(None, name, other).ratio() >= _ALIKE
