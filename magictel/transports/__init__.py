"""The transports room."""

from __future__ import annotations
