"""Facts about a run for its reports: version, host and time."""

from __future__ import annotations

from datetime import datetime

import msgspec


class RunInfo(msgspec.Struct, frozen=True):
    """The version of magictel, the host name, and the start time of the run (with a time zone)."""

    version: str
    host: str
    started: datetime

    @property
    def timestamp(self) -> str:
        """Return the start time in ISO 8601 with seconds: `2026-11-29T11:02:05+00:00`."""
        return self.started.isoformat(timespec="seconds")

    def __str__(self) -> str:
        return f"magictel {self.version} on {self.host}, {self.started:%Y-%m-%d %H:%M:%S} {self.started.tzname()}"
