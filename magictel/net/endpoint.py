"""The address of a backend, without credentials."""

from __future__ import annotations

import msgspec


class Endpoint(msgspec.Struct, frozen=True):
    """An address of a backend: `scheme://host:port/path`, without credentials, safe to print."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def tls(self) -> bool:
        """Return whether the scheme is https."""
        return self.scheme == "https"

    @property
    def origin(self) -> str:
        """`scheme://host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def url(self, path: str = "") -> str:
        """Return the absolute URL of `path` below this endpoint."""
        return self.origin + self.path.rstrip("/") + path

    def __str__(self) -> str:
        return self.origin + self.path
