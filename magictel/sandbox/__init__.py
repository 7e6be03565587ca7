"""The sandbox room."""

from __future__ import annotations
