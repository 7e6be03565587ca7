"""A credential that shows itself to nobody."""

from __future__ import annotations

from typing import Any

MASK = "***"


class Secret:
    """A credential. `str`, `repr`, `format`, pickling and JSON show `***`; only `reveal()` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself, for the one place that puts it on the wire."""
        return self._value

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
    """An address with credentials in it, which reads as `http://***@host`; only `reveal()` gives the whole.

    It equals the whole address. `parse_endpoint` and `parse_proxy` take it; nothing encodes, pickles or deep-copies it.
    """

    __slots__ = ("_whole",)
    _whole: str

    def __new__(cls, whole: str, shown: str) -> SecretUrl:
        """`shown` is what everybody reads."""
        made = super().__new__(cls, shown)
        made._whole = whole
        return made

    def reveal(self) -> str:
        """Return the whole address, for the one place that takes it apart."""
        return self._whole

    def __eq__(self, other: object) -> bool:
        return self._whole == (other.reveal() if isinstance(other, SecretUrl) else other)

    def __hash__(self) -> int:
        return hash(self._whole)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("an address with credentials is never pickled")


def revealed(url: str) -> str:
    """An address as it is, whether it hides credentials or has none."""
    return url.reveal() if isinstance(url, SecretUrl) else url
