"""Credentials for HTTP: a user with a password, a bearer token, or a login in the address; and a tenant."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from magictel.errors import SettingsError
from magictel.net.address import Address
from magictel.secrets.secret import Secret, revealed
from magictel.settings.model import HttpSettings, Problem, SettingsModel, option

_USER = "username and password"


class LoginSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Basic and bearer authentication; a model with other credentials adds them to `credentials`."""

    username: Annotated[
        str | None, option("User for basic authentication.", example="writer", routes=False, credential=True)
    ] = None
    password: Annotated[Secret | None, option("Password for basic authentication.")] = None
    bearer_token: Annotated[Secret | None, option("Token for bearer authentication.")] = None

    def credentials(self) -> Mapping[str, str]:
        """Return the Authorization header of each type of credentials that is set, by its options; only one may be set."""
        given: dict[str, str] = {}
        if self.bearer_token:
            given["bearer_token"] = f"Bearer {self.bearer_token.reveal()}"
        if self.username is not None and self.password:
            given[_USER] = basic(self.username, self.password)
        login = self._url_login()
        if login is not None:
            given["url"] = basic(login.username or "", login.password or (None if self.username else self.password))
        return given

    def credential_options(self) -> tuple[str, ...]:
        """Return the options that set credentials, by type."""
        return (_USER, "bearer_token")

    def authorization(self) -> str | None:
        """Return the Authorization header, or None without credentials."""
        return next(iter(self.credentials().values()), None)

    def request_headers(self) -> Mapping[str, str]:
        """Add the Authorization header."""
        header = self.authorization()
        return {**super().request_headers(), **({"Authorization": header} if header else {})}

    def problems(self) -> Iterable[Problem]:
        """Add: an incomplete login, addresses with different logins, two types of credentials."""
        yield from super().problems()
        try:
            logins = {(login.username, login.password) for login in self.addresses() if login.username is not None}
            given = list(self.credentials())
        except SettingsError:  # the addresses are a separate problem
            return
        for problem in half_logins(self):
            if problem[0] == "password" or all(password for _, password in logins):
                yield problem
        if len(logins) > 1:
            yield (
                "url",
                "config.credentials",
                "url: the addresses contain different logins, but magictel sends one login to all of them",
                "write the same login in each address, or set username and password instead",
            )
        if len(given) > 1:
            key = given[0].split(" ")[0]
            logins_set = [f"the login in {name}" if name == "url" else name for name in given]
            message = f"{key}: {len(given)} logins are set ({'; '.join(logins_set)}), but only one can be sent"
            yield key, "config.credentials", message, "keep one of them and unset the others"

    def _url_login(self) -> Address | None:
        urls = getattr(self, "url", ())
        if not any("@" in revealed(url) for url in ((urls,) if isinstance(urls, str) else urls or ())):
            return None
        return next((address for address in self.addresses() if address.username is not None), None)


class TenantSettings(LoginSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tenant of a multi-tenant backend (Mimir, Cortex, Loki)."""

    org_id: Annotated[
        str | None, option("Tenant, sent as X-Scope-OrgID, for Mimir and Cortex.", example="team-a", routes=False)
    ] = None

    def request_headers(self) -> Mapping[str, str]:
        """Add the tenant."""
        return {**super().request_headers(), **({"X-Scope-OrgID": self.org_id} if self.org_id else {})}


def basic(username: str, password: Secret | None) -> str:
    """Return the Authorization header of basic authentication."""
    pair = f"{username}:{password.reveal() if password else ''}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def half_logins(settings: SettingsModel, prefix: str = "") -> Iterator[Problem]:
    """Yield the problem of a user without a password, or of a password without a user; `prefix`: of the names of both options."""
    user, password = f"{prefix}username", f"{prefix}password"
    named, secret = getattr(settings, user) is not None, bool(getattr(settings, password))
    if named != secret:
        lacks, has = (password, user) if named else (user, password)
        yield lacks, "config.credentials", f"{lacks}: not set, but {has} needs it", f"set {lacks}, or unset {has}"
