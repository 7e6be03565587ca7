"""The runtime room."""

from __future__ import annotations
