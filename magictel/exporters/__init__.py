"""The exporters room."""

from __future__ import annotations
