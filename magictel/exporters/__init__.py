"""A folder or module for each backend; never imported by name."""

from __future__ import annotations
