"""The catalogue of codes: what a finding, a reason or an error means, why it matters, and how to fix it. Data, available offline.

A TOML file for each first part of a code. A code never changes its meaning; its text may change.
"""

from __future__ import annotations
