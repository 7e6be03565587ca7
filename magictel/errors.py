"""Exceptions that magictel raises on purpose; everything expected is a value (see `outcome` and `finding`).

MagictelError            code, one sentence, remedy, origin
├── UsageError           wrong words on the command line (exit 2)
├── SettingsError        a target's settings are unusable (exit 78)
├── PluginError          an exporter cannot be loaded
└── WireError            a request got no complete reply (raised by transports only; dies in `delivery` and `ladder`)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Phase = Literal["dns", "tcp", "tls", "proxy", "write", "read"]


class MagictelError(Exception):
    """A stable dotted code, one plain sentence, what to do about it, and where the bad value came from.

    The text never holds a secret: whoever raises it has redacted it.
    """

    def __init__(self, code: str, message: str, remedy: str | None = None, origin: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.origin = origin

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.code, self.message, self.remedy, self.origin))


class UsageError(MagictelError):
    """The command line asks for something that does not exist or does not fit together (exit 2)."""


class SettingsError(MagictelError):
    """A setting is missing, unknown or invalid (exit 78); `origin` says which layer gave the value."""


class PluginError(MagictelError):
    """An exporter is registered and cannot be used; the message is the reason shown behind `broken:`."""


class WireError(MagictelError):
    """No complete reply came back.

    `phase` is how far the exchange got; `maybe_delivered` is True when the request may have reached the backend
    (then a repeat may duplicate, and the loss is *unknown*, not certain). `evidence` holds what was seen, redacted.
    """

    def __init__(
        self,
        code: str,
        message: str,
        remedy: str | None = None,
        *,
        phase: Phase,
        maybe_delivered: bool = False,
        evidence: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code, message, remedy)
        self.phase = phase
        self.maybe_delivered = maybe_delivered
        self.evidence: Mapping[str, object] = evidence or {}

    def __reduce__(self) -> tuple[object, ...]:
        return (
            _wire_error,
            (self.code, self.message, self.remedy, self.phase, self.maybe_delivered, dict(self.evidence)),
        )


def _wire_error(
    code: str, message: str, remedy: str | None, phase: Phase, maybe_delivered: bool, evidence: Mapping[str, object]
) -> WireError:
    return WireError(code, message, remedy, phase=phase, maybe_delivered=maybe_delivered, evidence=evidence)
