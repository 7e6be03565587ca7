"""The environment of a process that a test starts: without settings of ours, of OpenTelemetry or of the test run."""

from __future__ import annotations

import os

_DROPPED = ("ELASTICSEARCH_", "OTEL_", "MAGICTEL_", "ENABLED_", "COV_", "PYTEST_")


def clean_environment(*dropped: str) -> dict[str, str]:
    """Return this process's environment without these variables and those that begin with `dropped`."""
    return {key: value for key, value in os.environ.items() if not key.startswith((*_DROPPED, *dropped))}
