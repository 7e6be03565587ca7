"""The reporters room."""

from __future__ import annotations
