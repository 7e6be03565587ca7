"""One folder or module for each backend; nobody imports one by name."""

from __future__ import annotations
