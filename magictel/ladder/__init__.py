"""The ladder room."""

from __future__ import annotations
