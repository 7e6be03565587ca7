"""The one catalogue of codes: what a finding, a reason or an error means, why it matters, how to fix it. Data, read offline.

One TOML file for each first part of a code. A code never changes its meaning; sentences may.
"""

from __future__ import annotations
