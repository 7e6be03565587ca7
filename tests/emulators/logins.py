"""The credentials that an emulator accepts: users with passwords, and a bearer token."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from magictel.http.wire import Request


@dataclass(frozen=True, slots=True)
class Logins:
    """The credentials that are accepted; none of either: everyone is."""

    users: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None

    @property
    def challenge(self) -> str:
        """The scheme that a 401 asks for."""
        return "Basic" if self.users else "Bearer"

    def accept(self, request: Request) -> bool:
        """True for a request with one of these credentials."""
        if not self.users and self.token is None:
            return True
        scheme, _, given = request.header("Authorization").partition(" ")
        if scheme == "Bearer" and self.token is not None:
            return given == self.token
        try:
            user, _, password = base64.b64decode(given).decode().partition(":")
        except ValueError:
            return False
        return scheme == "Basic" and user in self.users and self.users[user] == password
