"""Users, API keys and what they may do, in Elasticsearch's words; OpenSearch's plugin as far as it is documented."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from tests.emulators.elasticsearch.answers import Refused
from tests.emulators.elasticsearch.dialect import Dialect

CLUSTER: Mapping[str, tuple[str, ...]] = {
    "cluster:monitor/main": ("monitor", "manage", "all"),
    "cluster:monitor/health": ("monitor", "manage", "all"),
    "cluster:monitor/health_api": ("monitor", "manage", "all"),
    "cluster:monitor/nodes/info": ("monitor", "manage", "all"),
    "cluster:admin/settings/update": ("manage", "all"),
    "cluster:monitor/settings": ("monitor", "manage", "all"),
    "cluster:admin/ingest/pipeline/get": (
        "read_pipeline",
        "manage_ingest_pipelines",
        "manage_pipeline",
        "manage",
        "all",
    ),
    "cluster:admin/ingest/pipeline/put": ("manage_ingest_pipelines", "manage_pipeline", "manage", "all"),
    "indices:admin/index_template/simulate_index": ("manage_index_templates", "manage", "all"),
    "indices:admin/index_template/get": ("manage_index_templates", "monitor", "manage", "all"),
    "indices:admin/index_template/put": ("manage_index_templates", "manage", "all"),
    "cluster:admin/component_template/put": ("manage_index_templates", "manage", "all"),
    "cluster:admin/component_template/get": ("manage_index_templates", "manage", "all"),
}
INDEX: Mapping[str, tuple[str, ...]] = {
    "indices:data/write/bulk": ("create_doc", "create", "delete", "index", "write", "all"),
    "indices:data/write/bulk[s]": ("create_doc", "create", "delete", "index", "write", "all"),
    "indices:data/write/index:op_type/index": ("create", "index", "write", "all"),
    "indices:data/write/delete": ("delete", "write", "all"),
    "indices:data/write/delete/byquery": ("delete", "write", "all"),
    "indices:admin/auto_create": ("auto_configure", "create_index", "manage", "all"),
    "indices:admin/create": ("create_index", "manage", "all"),
    "indices:admin/rollover": ("manage_follow_index", "manage", "all"),
    "indices:admin/delete": ("delete_index", "manage", "all"),
    "indices:admin/data_stream/create": ("create_index", "manage", "all"),
    "indices:admin/data_stream/get": ("view_index_metadata", "manage", "all"),
    "indices:admin/data_stream/delete": ("delete_index", "manage", "all"),
    "indices:admin/refresh": ("maintenance", "manage", "all"),
    "indices:data/read/search": ("read", "all"),
    "indices:data/read/field_caps": ("view_index_metadata", "manage", "read", "all"),
    "indices:admin/mappings/get": ("view_index_metadata", "manage", "all"),
    "indices:admin/mapping/put": ("manage", "auto_configure", "all"),
    "indices:monitor/settings/get": ("monitor", "view_index_metadata", "manage", "all"),
    "indices:admin/aliases/get": ("view_index_metadata", "manage", "all"),
    "indices:admin/get": ("view_index_metadata", "manage", "all"),
    "indices:admin/settings/update": ("manage", "all"),
}
State = Literal["valid", "invalidated", "expired", "disabled"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A user (by password) or an API key (by its secret half): cluster privileges, index privileges by name pattern."""

    secret: str = field(repr=False)
    cluster: tuple[str, ...] = ()
    index: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    state: State = "valid"
    owner: str = "elastic"


@dataclass(frozen=True, slots=True)
class Security:
    """Who is known: users by name, API keys by id, bearer tokens by the token."""

    users: Mapping[str, Principal] = field(default_factory=dict)
    api_keys: Mapping[str, Principal] = field(default_factory=dict)
    tokens: Mapping[str, Principal] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Security | Mapping[str, Any] | None) -> Security | None:
        """From `{"users": {NAME: {"secret", "cluster", "index", "state"}}, "api_keys": {ID: {…}}, "tokens": {…}}`."""
        if given is None or isinstance(given, Security):
            return given
        groups = {
            group: {name: _principal(rights) for name, rights in given.get(group, {}).items()}
            for group in ("users", "api_keys", "tokens")
        }
        return cls(**groups)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, once authenticated."""

    name: str
    principal: Principal
    kind: Literal["user", "api_key", "token"]

    @property
    def described(self) -> str:
        """As refusals name it."""
        if self.kind == "api_key":
            return f"API key id [{self.name}] of user [{self.principal.owner}]"
        return (
            f"user [{self.name}] with effective roles [{self.name}]" if self.kind == "user" else f"user [{self.name}]"
        )

    def may_cluster(self, action: str) -> bool:
        """True when a cluster privilege grants the action."""
        return any(privilege in CLUSTER[action] for privilege in self.principal.cluster)

    def may_index(self, action: str, index: str) -> bool:
        """True when an index privilege grants the action on this name."""
        granted = INDEX[action]
        return any(
            any(privilege in granted for privilege in privileges)
            for pattern, privileges in self.principal.index.items()
            if fnmatchcase(index, pattern)
        )

    def may_somewhere(self, action: str) -> bool:
        """True when some index privilege grants the action on any name."""
        return any(
            privilege in INDEX[action] for privileges in self.principal.index.values() for privilege in privileges
        )


ANYBODY = Caller("_anonymous", Principal("", ("all",), {"*": ("all",)}), "user")


def authenticate(security: Security | None, dialect: Dialect, authorization: str, uri: str) -> Caller:
    """The caller behind an Authorization header; raises `Refused` (401)."""
    if security is None:
        return ANYBODY
    scheme, _, credentials = authorization.partition(" ")
    scheme, credentials = scheme.lower(), credentials.strip()
    if not authorization or scheme not in {"basic", "apikey", "bearer"}:
        raise _unauthorized(f"missing authentication credentials for REST request [{uri}]")
    if scheme == "basic":
        return _user(security, credentials, uri)
    generic = "unable to authenticate with provided credentials and anonymous access is not allowed for this request"
    if scheme == "bearer":
        principal = security.tokens.get(credentials)
        if principal is None:
            raise _unauthorized(generic, "oauth2 token: invalid token")
        return Caller("token", principal, "token")
    problem, caller = _api_key(security, credentials)
    if caller is None:
        raise _unauthorized(generic, f"API key: {problem}")
    return caller


def forbidden(caller: Caller, dialect: Dialect, action: str, index: str | None = None) -> Refused:
    """403 in the engine's words."""
    if not dialect.elastic:
        return Refused(
            403,
            "security_exception",
            f"no permissions for [{action}] and User [name={caller.name}, backend_roles=[], requestedTenant=null]",
        )
    reason = f"action [{action}] is unauthorized for {caller.described}"
    if index is None:
        reason += f", this action is granted by the cluster privileges [{','.join(CLUSTER[action])}]"
    else:
        where = f" on indices [{index}]" if index else ""
        reason += f"{where}, this action is granted by the index privileges [{','.join(INDEX[action])}]"
    return Refused(403, "security_exception", reason)


def has_privileges(caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """`_security/user/_has_privileges`: what of the asked the caller has."""
    cluster = {name: _has(caller.principal.cluster, name) for name in body.get("cluster", [])}
    index: dict[str, dict[str, bool]] = {}
    for group in body.get("index", []):
        names = group["names"] if isinstance(group["names"], list) else [group["names"]]
        for name in names:
            for privilege in group["privileges"]:
                index.setdefault(name, {})[privilege] = any(
                    _has(privileges, privilege)
                    for pattern, privileges in caller.principal.index.items()
                    if fnmatchcase(name, pattern)
                )
    everything = all(cluster.values()) and all(all(rights.values()) for rights in index.values())
    return {
        "username": caller.principal.owner if caller.kind == "api_key" else caller.name,
        "has_all_requested": everything,
        "cluster": cluster,
        "index": index,
        "application": {},
    }


_IMPLIES: Mapping[str, set[str]] = {
    "write": {"create_doc", "create", "index", "delete"},
    "index": {"create_doc", "create"},
    "create": {"create_doc"},
    "manage": {
        "create_index",
        "delete_index",
        "monitor",
        "view_index_metadata",
        "auto_configure",
        "maintenance",
        "manage_index_templates",
    },
    "create_index": {"auto_configure"},
}


def _has(privileges: tuple[str, ...], wanted: str) -> bool:
    return any(privilege in {"all", wanted} or wanted in _IMPLIES.get(privilege, ()) for privilege in privileges)


def _user(security: Security, credentials: str, uri: str) -> Caller:
    try:
        name, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon, name, password = "", "", ""
    if not colon:
        raise _unauthorized("invalid basic authentication header value")
    principal = security.users.get(name)
    if principal is None or principal.secret != password or principal.state != "valid":
        raise _unauthorized(f"unable to authenticate user [{name}] for REST request [{uri}]")
    return Caller(name, principal, "user")


def _api_key(security: Security, credentials: str) -> tuple[str, Caller | None]:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
    for char in credentials:
        if char not in alphabet:
            return f"Illegal base64 character {ord(char):x}", None
    try:
        key_id, colon, secret = base64.b64decode(credentials + "=" * (-len(credentials) % 4)).decode().partition(":")
    except (binascii.Error, ValueError):
        return "Input byte array has incorrect ending byte", None
    if not colon:
        return "invalid ApiKey value", None
    principal = security.api_keys.get(key_id)
    if principal is None:
        return f"unable to find apikey with id {key_id}", None
    if principal.secret != secret:
        return f"invalid credentials for API key [{key_id}]", None
    if principal.state == "invalidated":
        return f"api key [{key_id}] has been invalidated", None
    if principal.state == "expired":
        return "api key is expired", None
    return "", Caller(key_id, principal, "api_key")


def _unauthorized(reason: str, cause: str | None = None) -> Refused:
    header = {"WWW-Authenticate": ['Basic realm="security", charset="UTF-8"', 'Bearer realm="security"', "ApiKey"]}
    more: dict[str, Any] = {} if cause is None else {"additional_unsuccessful_credentials": cause}
    return Refused(401, "security_exception", reason, **more, header=header)


def _principal(given: Mapping[str, Any]) -> Principal:
    return Principal(
        secret=str(given.get("secret", given.get("password", given.get("key", "")))),
        cluster=tuple(given.get("cluster", ())),
        index={pattern: tuple(privileges) for pattern, privileges in dict(given.get("index", {})).items()},
        state=given.get("state", "valid"),
        owner=str(given.get("owner", "elastic")),
    )
