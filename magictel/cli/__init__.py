"""The command line: a lazy table of commands, with one module for each."""

from __future__ import annotations
