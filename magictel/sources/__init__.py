"""The sources room."""

from __future__ import annotations
