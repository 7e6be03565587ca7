"""The command: a lazy table of commands, one module for each."""

from __future__ import annotations
