"""Settings: models, layers with the origin of each value, what a file may be trusted with, describing and editing."""

from __future__ import annotations
