"""The settings room."""

from __future__ import annotations
