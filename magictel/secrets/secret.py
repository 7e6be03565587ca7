"""Credentials that are never shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MASK = "***"


class Secret:
    """A credential. `str`, `repr`, `format`, pickling and JSON show `***`; only `reveal()` returns the value.

    `reread` reads the current value of a secret from its file; if it fails, the value does not change.
    """

    __slots__ = ("_reread", "_value")

    def __init__(self, value: str, reread: Callable[[], str] | None = None) -> None:
        self._value = value
        self._reread = reread

    def reveal(self) -> str:
        """Return the value itself, for the code that sends it."""
        return self._value

    def renew(self) -> bool:
        """Read the value again; return whether it has changed."""
        if self._reread is None:
            return False
        try:
            value = self._reread()
        except Exception:  # a file that is being replaced, or contains no secret: keep the old value
            return False
        changed = value != self._value
        self._value = value
        return changed

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is never pickled")


class SecretUrl(str):
    """An address with credentials, shown as `http://***@host`; only `reveal()` returns the whole address.

    It equals the whole address. `parse_endpoint` and `parse_proxy` accept it; it cannot be encoded, pickled or deep-copied.
    """

    __slots__ = ("_whole",)
    _whole: str

    def __new__(cls, whole: str, shown: str) -> SecretUrl:
        """Create an address; `shown` is its redacted form."""
        address = super().__new__(cls, shown)
        address._whole = whole
        return address

    def reveal(self) -> str:
        """Return the whole address, for the code that parses it."""
        return self._whole

    def __eq__(self, other: object) -> bool:
        return self._whole == (other.reveal() if isinstance(other, SecretUrl) else other)

    def __hash__(self) -> int:
        return hash(self._whole)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("an address with credentials is never pickled")


def revealed(url: str) -> str:
    """Return the whole address, with or without credentials."""
    return url.reveal() if isinstance(url, SecretUrl) else url
