"""The ladder of `check`: rungs, probes, and the climb from config to write."""

from __future__ import annotations
