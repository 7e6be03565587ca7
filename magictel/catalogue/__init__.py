"""The catalogue room."""

from __future__ import annotations
