"""The operations room."""

from __future__ import annotations
