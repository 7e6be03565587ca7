"""The delivery room."""

from __future__ import annotations
