"""The ladder of `check`: rungs, probes, and the climb from config to round-trip."""

from __future__ import annotations
