"""Settings: models, layers with the origin of each value, trust in configuration files, descriptions and edits."""

from __future__ import annotations
