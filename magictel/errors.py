"""Exceptions that magictel raises deliberately; expected results are values (see `outcome` and `finding`).

MagictelError            code, message, remedy, origin
├── UsageError           an invalid command line (exit 2)
├── SettingsError        a target's settings are unusable (exit 78)
├── PluginError          an exporter cannot be loaded
└── WireError            a request got no complete reply (raised by transports; caught in `delivery` and `ladder`)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Phase = Literal["dns", "tcp", "tls", "proxy", "write", "read"]


class MagictelError(Exception):
    """A stable dotted code, a message, a remedy, and the origin of the bad value.

    The message never contains a secret: it is redacted before it is raised.
    """

    def __init__(self, code: str, message: str, remedy: str | None = None, origin: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.origin = origin

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), vars(self))


class UsageError(MagictelError):
    """The command line names something that does not exist, or combines options that exclude each other (exit 2)."""


class SettingsError(MagictelError):
    """A setting is missing, unknown or invalid (exit 78); `origin` is the layer of its value."""


class PluginError(MagictelError):
    """An exporter is registered but cannot be used; the message is the reason shown after `broken:`."""


class WireError(MagictelError):
    """No complete reply was received.

    `phase` is the step that failed; `maybe_delivered`: the request may have reached the backend, so a retry may
    duplicate it, and without one it may not be lost. `evidence` contains redacted details.
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


def _restored(kind: type[MagictelError], state: Mapping[str, object]) -> MagictelError:
    """Return an unpickled error."""
    error = kind.__new__(kind, state["message"])
    vars(error).update(state)
    return error
